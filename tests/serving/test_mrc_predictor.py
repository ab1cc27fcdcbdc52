"""Answers from a model folder: places, batches, files, and no answer."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.serving.prediction import predict_files
from albert.serving.prediction_config import PredictionConfig
from albert.serving.predictor import Predictor
from albert.serving.service_schema import AnswerResult
from albert.tasks.mrc.config import MrcConfig
from albert.tasks.mrc.task import Labels, MrcTask
from tests.serving.conftest import write_random

PAIRS = [
    ("用支持向量机做图像分类的方法。", "用ab？"),
    ("图像，珠分类。" * 9, "方法"),
    ("", "方法"),
    ("a1，b", "a"),
]


def write_model(folder, unanswerable=False, **settings):
    values = {"max_seq_length": 24, "doc_stride": 8, "do_lower_case": False}
    config = MrcConfig(**{**values, "beam_size": 3, **settings})
    return str(write_random(folder, MrcTask, config, Labels(unanswerable)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("reader") / "model")


@pytest.fixture(scope="module")
def predictor(folder):
    predictor = Predictor(folder, batch_size=2)
    yield predictor
    predictor.close()


def best_pair(predictor, question, passage):
    """The best answer by brute force over the graph's beam; of one window."""
    ids = predictor.task.tokenizer.vocabulary.ids
    tokens = ["[CLS]", *question, "[SEP]", *passage, "[SEP]"]
    first = len(question) + 2
    batch = {
        "input_ids": np.array([[ids.get(t, ids["[UNK]"]) for t in tokens]]),
        "input_mask": np.ones([1, len(tokens)], np.int32),
        "segment_ids": np.array([[0] * first + [1] * (len(tokens) - first)]),
    }
    out = predictor._session.run(batch)
    found = []
    for i, start in enumerate(out["top_starts"][0]):
        for j, end in enumerate(out["top_ends"][0, i]):
            score = out["top_start_scores"][0, i] + out["top_end_scores"][0, i, j]
            if first <= start <= end < len(tokens) - 1:
                found.append((float(score), start - first, end - first + 1))
    return max(found)


@pytest.mark.parametrize("unknown", ["的", "珠"])  # the second is [UNK] to the model
def test_the_answer_is_the_models_best_span(predictor, unknown):
    passage, question = f"支持{unknown}方法，图像！", "用支"
    _, start, end = best_pair(predictor, question, passage)
    (found,) = predictor.predict([(passage, question)])
    assert (found["text"], found["question"]) == (passage, question)
    assert (found["start"], found["end"]) == (start, end)
    assert found["answer"] == passage[start:end]
    assert 0 < found["score"] <= 1
    assert "null_score" not in found
    assert AnswerResult(**found).answer == found["answer"]


def test_batches_and_their_order_change_nothing(predictor):
    together = predictor.predict(PAIRS)
    for pair, value in zip(PAIRS, together):
        (alone,) = predictor.predict([pair])
        assert alone["answer"] == value["answer"]
        assert (alone["start"], alone["end"]) == (value["start"], value["end"])
        assert alone["score"] == pytest.approx(value["score"], abs=1e-5)
        if pair[0]:
            assert value["answer"] == pair[0][value["start"] : value["end"]]
    assert (together[2]["answer"], together[2]["start"]) == ("", None)


def test_a_model_may_give_no_answer(tmp_path):
    found = {}
    for name, threshold in (("never", 1e9), ("always", -1e9)):
        path = write_model(tmp_path / name, True, null_score_threshold=threshold)
        predictor = Predictor(path)
        (found[name],) = predictor.predict(PAIRS[:1])
        predictor.close()
    assert found["never"]["answer"]
    assert found["never"]["null_score"] == found["always"]["null_score"]
    assert found["always"]["answer"] == ""
    assert found["always"]["start"] is found["always"]["end"] is None
    assert AnswerResult(**found["always"]).start is None


def test_a_question_must_come_with_its_passage(predictor):
    assert predictor.describe()["second_text"] == "question"
    with pytest.raises(UserError, match="takes pairs: text and question"):
        predictor.predict(["支持"])


def predict(folder, path, **flags):
    stream = io.BytesIO()
    config = PredictionConfig(model_dir=folder, input_file=(str(path),), **flags)
    totals = predict_files(config, stream)
    return totals, [json.loads(line) for line in stream.getvalue().splitlines()]


def test_files_of_questions(folder, predictor, tmp_path):
    pairs = [PAIRS[0], PAIRS[3], PAIRS[2]]
    expected = predictor.predict(pairs)
    lines = tmp_path / "questions.txt"
    lines.write_text("".join(f"{a}\t{b}\n" for a, b in pairs), "utf-8")
    totals, found = predict(folder, lines)
    assert [f["answer"] for f in found] == [e["answer"] for e in expected]
    assert set(found[0]) == {"text", "question", "answer", "start", "end", "score"}
    assert (totals.texts, dict(totals.counts)) == (3, {"answer": 2})
    objects = tmp_path / "questions.jsonl"
    values = [{"id": n, "context": a, "question": b} for n, (a, b) in enumerate(pairs)]
    objects.write_text("".join(json.dumps(v) + "\n" for v in values))
    flags = {"input_format": "jsonl", "text_field": "context"}
    _, found = predict(folder, objects, **flags)
    assert [f["id"] for f in found] == [0, 1, 2]
    assert [f["answer"] for f in found] == [e["answer"] for e in expected]
    assert found[0]["context"] == PAIRS[0][0]


def test_a_users_terms_are_for_entities(folder, tmp_path):
    (tmp_path / "terms").write_text("图像\tA\n", "utf-8")
    with pytest.raises(UserError, match="--dictionary is for models that find named"):
        Predictor(folder, dictionary=str(tmp_path / "terms"))
