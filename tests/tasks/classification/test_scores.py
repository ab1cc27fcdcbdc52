"""Scores of labels, against counts by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.tasks.classification.files import Row
from albert.tasks.classification.output import make_report, write_predictions
from albert.tasks.classification.scores import weigh_classes

LABELS = ("a", "b", "c")
GOLD = np.array([0, 0, 0, 1, 1, 2])
# Predicted a a b b a a: c is never found.
PROBABILITIES = np.array(
    [
        [0.5, 0.3, 0.2],
        [0.6, 0.2, 0.2],
        [0.1, 0.8, 0.1],
        [0.2, 0.7, 0.1],
        [0.4, 0.3, 0.3],
        [0.5, 0.25, 0.25],
    ]
)


@pytest.fixture(scope="module")
def report():
    return make_report(GOLD, np.log(PROBABILITIES), LABELS)


def test_scores_are_those_counted_by_hand(report):
    # a: predicted 4, of them 2 right, 3 there; b: 2, 1 right, 2 there; c: none.
    precisions, recalls = (2 / 4, 1 / 2, 0), (2 / 3, 1 / 2, 0)
    f1 = (2 * 2 / (4 + 3), 2 * 1 / (2 + 2), 0)
    losses = -np.log([0.5, 0.6, 0.1, 0.7, 0.3, 0.25])
    expected = {
        "eval_accuracy": 3 / 6,
        "eval_macro_precision": np.mean(precisions),
        "eval_macro_recall": np.mean(recalls),
        "eval_macro_f1": np.mean(f1),
        "loss": losses.mean(),
    }
    assert report.metrics == pytest.approx(expected)


def test_table_and_confusion_matrix(report, tmp_path):
    rows = [line.split("\t") for line in report.table.splitlines()]
    assert rows[0] == ["precision", "recall", "f1", "examples", "predicted", "label"]
    assert rows[1] == ["0.5000", "0.6667", "0.5714", "3", "4", "a"]
    assert rows[3] == ["0.0000", "0.0000", "0.0000", "1", "0", "c"]
    report.more["confusion_matrix.txt"](str(tmp_path / "m.txt"))
    lines = (tmp_path / "m.txt").read_text().splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        [*"abc"],
        [*"210"],
        [*"110"],
        [*"100"],
    ]


def test_predictions_say_label_and_probabilities(tmp_path):
    rows = [Row("甲", None, "a", 2), Row("乙", "丙", None, 5)]
    logs = np.log(PROBABILITIES[[0, 3]])
    (path,) = write_predictions(str(tmp_path / "p"), rows, logs, LABELS)
    lines = (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()
    values = [json.loads(line) for line in lines]
    assert path == str(tmp_path / "p.jsonl")
    assert values == [
        {
            **{"line": 2, "text": "甲", "label": "a", "gold": "a"},
            "probabilities": {"a": 0.5, "b": 0.3, "c": 0.2},
        },
        {
            **{"line": 5, "text_a": "乙", "text_b": "丙", "label": "b"},
            "probabilities": {"a": 0.2, "b": 0.7, "c": 0.1},
        },
    ]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, [1, 1, 1]),
        # King and Zeng (2001): N / (L * count).
        ("balanced", [6 / 9, 6 / 6, 6 / 3]),
        ("c=4, a=0.5", [0.5, 1, 4]),
    ],
)
def test_weights_of_classes(setting, expected):
    np.testing.assert_allclose(weigh_classes(setting, GOLD, LABELS), expected)


def test_a_weight_of_an_unknown_label_is_refused():
    with pytest.raises(UserError, match="names the label 'd'.* a, b, c"):
        weigh_classes("d=2", GOLD, LABELS)
