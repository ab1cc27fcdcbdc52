"""Exported graphs, asked by a process without this package, against the predictor."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from albert.base.errors import UserError
from albert.serving import saved_model
from albert.serving.export_config import SavedModelConfig
from albert.serving.ner_graph import NerGraph
from albert.serving.predictor import Predictor
from albert.tasks.model_folder import open_trained
from albert.tasks.ner.task import NerTask
from tests import forked
from tests.serving.conftest import CHARACTERS, write_model

RUN = pathlib.Path(__file__).with_name("saved_model_run.py")
# The script, where no file can grow beyond 4096 bytes, as on a full disk.
LIMITED = """
import resource
import export_saved_model
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
export_saved_model.cli.run_main(export_saved_model.main)
"""

RICH = {  # one model with each layer and weight beside the usual ones
    "context": "bilstm",
    "ngram_features": True,
    "encoder_features": "weighted",
}


def random_texts():
    rng = random.Random(4)
    letters = CHARACTERS + "龘 \n"
    sizes = (0, 1, 2, 5, 21, 22, 23, 24, 60, 200)
    return ["".join(rng.choices(letters, k=size)) for size in sizes]


def random_rows(vocab_size, longest):
    rng = random.Random(5)
    bodies = [
        rng.choices(range(5, vocab_size), k=size) for size in (1, 2, 7, longest - 2)
    ]
    return [[2, *body, 3] for body in [[], *bodies]]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Models of three kinds, their exports' answers, and what was asked."""
    folder = tmp_path_factory.mktemp("exports")
    models = [
        write_model(folder / "crf"),
        write_model(folder / "free", "softmax", "BMES", "words", seed=6),
        write_model(folder / "rich", **RICH),
    ]
    exports = [str(model) + "_graph" for model in models]
    kinds = [("float32", "int8"), ("float32",), ()]
    for model, export, tflite in zip(models, exports, kinds):
        config = SavedModelConfig(
            model_dir=str(model), output_dir=export, tflite=tflite
        )
        assert saved_model.export_saved_model(config) == ["serving_default", "ids"]
    texts, rows = random_texts(), random_rows(24, 24)
    request = folder / "request.json"
    request.write_text(json.dumps({"models": exports, "texts": texts, "ids": rows}))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, str(RUN), str(request)],
        capture_output=True,
        env=environment,
        cwd=str(folder),
        timeout=300,
    )
    assert run.returncode == 0, run.stderr.decode()
    lines = run.stdout.decode().splitlines()
    return models, exports, [json.loads(line) for line in lines], texts, rows


@pytest.mark.slow
def test_texts_get_the_entities_of_the_predictor(answers):
    models, _, found, texts, _ = answers
    count = 0
    for model, answer in zip(models, found):
        predictor = Predictor(str(model))
        wanted = predictor.predict(texts)
        labelled = predictor.of_task.label_texts(texts)
        for got, result, parts in zip(answer["texts"], wanted, labelled):
            names = ("type", "start", "end", "surface")
            assert [e[:4] for e in got["entities"]] == [
                [entity[name] for name in names] for entity in result["entities"]
            ]
            scores = [entity["score"] for entity in result["entities"]]
            np.testing.assert_allclose(
                [e[4] for e in got["entities"]], scores, atol=2e-6
            )
            assert got["columns"] == [
                [start, end, tag]
                for part in parts
                for start, end, tag in zip(
                    *part.sentence[1:], predictor.of_task.tags_of(part)
                )
            ]
            count += len(scores)
        assert answer["none"] == [{"entities": [], "columns": []}] * 2
    assert count > 50


@pytest.mark.slow
def test_ids_get_the_labels_of_their_tokens(answers):
    models, _, found, _, rows = answers
    for model, answer in zip(models, found):
        predictor = Predictor(str(model))
        tokens = predictor.task.tokenizer.vocabulary.tokens
        sentences = [[tokens[i] for i in row[1:-1]] for row in rows]
        wanted = [predictor.tag([s])[0] if s else [] for s in sentences]
        ids = answer["ids"]
        for labels, numbers, scores, tags in zip(
            ids["labels"], ids["label_ids"], ids["scores"], wanted
        ):
            size = len(tags) + 1
            assert labels[1:size] == tags
            assert not any(numbers[:1] + numbers[size:] + scores[:1] + scores[size:])
            assert all(0 < score <= 1 for score in scores[1:size])


@pytest.mark.slow
def test_scores_of_ids_are_the_shares_of_label_sequences(answers):
    """With a free chain a label's probability is that of a softmax over emissions."""
    models, _, found, _, rows = answers
    predictor = Predictor(str(models[1]))
    for number, row in enumerate(rows[1:], start=1):
        size = len(row) - 2
        features = {
            "input_ids": np.array([row]),
            "input_mask": np.ones([1, size + 2]),
            "length": np.array([size]),
            "offset": np.array([1]),
            "sentence": np.array([0]),
        }
        emissions = predictor._session.run(features)["emissions"][0]
        shares = np.exp(emissions) / np.exp(emissions).sum(-1, keepdims=True)
        np.testing.assert_allclose(
            found[1]["ids"]["scores"][number][1 : size + 1], shares.max(-1), atol=1e-5
        )


@pytest.mark.slow
def test_tflite_gives_the_outputs_of_the_graph(answers):
    for answer in answers[2][:2]:
        for number, output in enumerate(answer["float32"]):
            size = len(output["label_ids"][0])
            wanted = answer["ids"]
            assert output["label_ids"][0] == wanted["label_ids"][number][:size]
            np.testing.assert_allclose(
                output["scores"][0], wanted["scores"][number][:size], atol=1e-4
            )
        # So small a model's weights stay as they are; the others' are rounded.
        assert answer.get("int8", answer["float32"]) == answer["float32"]


@pytest.mark.slow
def test_an_export_is_whole_and_not_overwritten_unasked(answers):
    models, exports, *_ = answers
    names = set(os.listdir(exports[0]))
    assert names == {
        *("saved_model.pb", "variables", "model_float32.tflite", "model_int8.tflite"),
        *("labels.json", "vocab.txt", "albert_config.json"),
    }
    config = SavedModelConfig(model_dir=str(models[0]), output_dir=exports[0])
    with pytest.raises(UserError, match="exists; nothing is overwritten"):
        saved_model.export_saved_model(config)
    with pytest.raises(UserError, match="holds the checkpoint itself"):
        saved_model.export_saved_model(
            dataclasses.replace(config, output_dir=str(models[0]), overwrite=True)
        )
    saved_model.export_saved_model(dataclasses.replace(config, overwrite=True))
    assert "model_int8.tflite" not in os.listdir(exports[0])


def test_a_model_that_reads_more_than_tokens_is_refused(model_dir, monkeypatch):
    task = open_trained(NerTask, model_dir)
    more = {**task.features("infer"), "lexicon": tf.TensorSpec([None], tf.int32)}
    monkeypatch.setattr(task, "features", lambda mode: more)
    with pytest.raises(UserError, match="reads lexicon beside its tokens"):
        NerGraph(task)


def test_what_tensorflow_lite_does_not_take_is_one_line(monkeypatch):
    class Converter:
        def convert(self):
            raise ConverterError("no such operation: X\nand much more\n")

    monkeypatch.setattr(
        tf.lite.TFLiteConverter, "from_saved_model", lambda *_, **__: Converter()
    )
    with pytest.raises(UserError, match="does not take .*: no such operation: X$"):
        saved_model._convert_to_tflite("folder", "float32")


def test_a_task_without_a_graph_is_refused(model_dir, monkeypatch, tmp_path):
    monkeypatch.setattr(saved_model, "GRAPHS", {"other": None})
    config = SavedModelConfig(model_dir=model_dir, output_dir=str(tmp_path / "graph"))
    with pytest.raises(UserError, match="task ner cannot be exported .* other can"):
        saved_model.export_saved_model(config)
    assert not os.listdir(tmp_path)


@pytest.mark.slow
def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(repo, model_dir, tmp_path):
    done = forked.run(
        [
            *(sys.executable, "-c", LIMITED),
            *(f"--model_dir={model_dir}", f"--output_dir={tmp_path / 'out'}"),
        ],
        cwd=repo,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    wanted = r"error: File too large: \S+/out\.tmp-\d+/variables/variables\S*"
    assert re.fullmatch(wanted, error)
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []
