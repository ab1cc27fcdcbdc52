"""Labels from a model folder: of texts, pairs, files and lines of pairs."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.serving.prediction import predict_files
from albert.serving.prediction_config import PredictionConfig
from albert.serving.predictor import Predictor
from albert.tasks.classification.config import ClassificationConfig
from albert.tasks.classification.labels import ClassLabels
from albert.tasks.classification.task import ClassificationTask
from tests.serving.conftest import write_random

PAIRS = [("用图像", "的方法"), ("支持向量机" * 9, "a"), ("图", ""), ("用b", "像！")]


def write_model(folder, pairs, **settings):
    settings = {"max_seq_length": 24, "do_lower_case": False, **settings}
    labels = ClassLabels(("no", "yes", "是"), pairs)
    config = ClassificationConfig(**settings)
    return str(write_random(folder, ClassificationTask, config, labels))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    return {
        "single": write_model(folder / "single", False, features="mean"),
        "pairs": write_model(folder / "pairs", True),
        "windows": write_model(folder / "windows", False, long_text="attention"),
    }


@pytest.fixture(scope="module")
def predictors(folders):
    return {name: Predictor(path, batch_size=2) for name, path in folders.items()}


def probabilities_of(predictor, ids, types):
    """Return a text's probabilities, from the graph and a softmax written here."""
    batch = {
        "input_ids": np.array([ids]),
        "input_mask": np.ones([1, len(ids)], np.int32),
        "segment_ids": np.array([types]),
    }
    powers = np.exp(predictor._session.run(batch)["logits"][0].astype(np.float64))
    return powers / powers.sum()


def test_pairs_are_seen_as_the_model_was_trained(predictors):
    predictor = predictors["pairs"]
    ids = predictor.task.tokenizer.vocabulary.ids
    found = predictor.predict(PAIRS)
    for (first, second), value in zip(PAIRS, found):
        assert (value["text"], value["text_b"]) == (first, second)
        tokens = ["[CLS]", *first[: 24 - 3 - len(second)], "[SEP]"]
        types = [0] * len(tokens)
        if second:
            tokens += [*second, "[SEP]"]
            types += [1] * (len(second) + 1)
        expected = probabilities_of(predictor, [ids[t] for t in tokens], types)
        shares = list(value["probabilities"].values())
        np.testing.assert_allclose(shares, expected, atol=2e-6)
        assert value["label"] == ("no", "yes", "是")[expected.argmax()]


@pytest.mark.parametrize("name", ["single", "windows"])
def test_batches_and_their_order_change_nothing(predictors, name):
    texts = ["用图像的方法" * n for n in (9, 1, 4, 0, 2)]
    together = predictors[name].predict(texts)
    for text, value in zip(texts, together):
        (alone,) = predictors[name].predict([text])
        assert alone["label"] == value["label"]
        shares = [list(v["probabilities"].values()) for v in (alone, value)]
        np.testing.assert_allclose(*shares, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        ("pairs", [("a", "b"), "a"], "text 2 is a single text; the model takes pairs"),
        ("single", [("a", "b")], "text 1 is a pair; the model takes single texts"),
        ("pairs", [("a", "b", "c")], "text 1 has 3 parts"),
    ],
)
def test_pairs_and_single_texts_are_told_apart(predictors, name, texts, message):
    with pytest.raises(UserError, match=message):
        predictors[name].predict(texts)


def test_the_model_says_what_it_takes(predictors):
    assert predictors["pairs"].describe()["second_text"] == "text_b"
    assert predictors["single"].describe()["second_text"] is None
    with pytest.raises(UserError, match="task classification gives no tags"):
        predictors["single"].tag([["a"]])


def predict(folder, path, **flags):
    stream = io.BytesIO()
    config = PredictionConfig(model_dir=folder, input_file=(str(path),), **flags)
    totals = predict_files(config, stream)
    return totals, [json.loads(line) for line in stream.getvalue().splitlines()]


def test_files_of_pairs(folders, predictors, tmp_path):
    expected = predictors["pairs"].predict(PAIRS[:2])
    lines = tmp_path / "pairs.txt"
    lines.write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS[:2]), "utf-8")
    totals, found = predict(folders["pairs"], lines)
    assert found == expected
    assert (totals.texts, sum(totals.counts.values())) == (2, 2)
    objects = tmp_path / "pairs.jsonl"
    values = [{"id": n, "q": a, "r": b} for n, (a, b) in enumerate(PAIRS[:2])]
    objects.write_text("".join(json.dumps(v) + "\n" for v in values))
    flags = {"input_format": "jsonl", "text_field": "q", "second_field": "r"}
    _, found = predict(folders["pairs"], objects, **flags)
    keys = ("label", "probabilities")
    assert found == [
        {**value, **{key: wanted[key] for key in keys}}
        for value, wanted in zip(values, expected)
    ]


@pytest.mark.parametrize(
    ("name", "text", "flags", "message"),
    [
        ("pairs", "a\n", {}, "line 1 has 0 tabs; a text, a tab and its text_b"),
        ("pairs", '{"text": "a"}\n', {"input_format": "jsonl"}, "--second_field"),
        ("single", "a\n", {"second_field": "b"}, "takes one text"),
        ("single", "a\n", {"output_format": "html"}, "classification has jsonl; got"),
        ("single", "a\n", {"input_format": "conll"}, "has text, jsonl; got conll"),
        ("single", "a\n", {"min_score": 0.5}, "finds no entities"),
    ],
)
def test_flags_and_input_that_do_not_suit(
    folders, tmp_path, name, text, flags, message
):
    path = tmp_path / "input"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        predict(folders[name], path, **flags)


def test_a_users_terms_are_for_entities(folders, tmp_path):
    (tmp_path / "terms").write_text("图像\tA\n", "utf-8")
    with pytest.raises(UserError, match="--dictionary is for models that find named"):
        Predictor(folders["single"], dictionary=str(tmp_path / "terms"))
