"""Scores and errors of a report, counted by hand."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.tasks.ner.analysis import report, text
from albert.tasks.ner.analysis.pairs import read_predictions
from albert.tasks.ner.entities import Counts

# A character and its two tags in gold and prediction; one line a sentence.
SENTENCES = [
    # 支持向量 is right, 图像 has another type, 聚类 is predicted too long.
    "支BB 持II 向II 量II 做OO 图bB 像iI 和OO 聚BB 类II 法OI",
    # 卷积 is missed, 网络 spurious, 检测 overlaps with another boundary and type.
    "卷BO 积IO 与OO 网OB 络OI 及OO 检bO 测iB 为OO",
]
LETTERS = {"B": "B-M", "I": "I-M", "b": "B-T", "i": "I-T", "O": "O"}
TRAIN = "支B 持I 向I 量I 和O 图B 像I\n聚B 类I\n"


def _write(path, sentences, column):
    blocks = []
    for sentence in sentences:
        cells = [f"{c[0]} {LETTERS[c[column]]}\n" for c in sentence.split()]
        blocks.append("".join(cells))
    path.write_text("\n".join(blocks), encoding="utf-8")
    return str(path)


@pytest.fixture
def gold_file(tmp_path):
    return _write(tmp_path / "gold.conll", SENTENCES, 1)


@pytest.fixture
def prediction_file(tmp_path):
    return _write(tmp_path / "predicted.conll", SENTENCES, 2)


@pytest.fixture
def train_file(tmp_path):
    return _write(tmp_path / "train.conll", TRAIN.splitlines(), 1)


@pytest.fixture
def analysis(gold_file, prediction_file, train_file):
    read = read_predictions(gold_file, [prediction_file], train_file=train_file)
    return report.analyse(read.pairs[0], read.training)


def test_the_four_measures_by_hand(analysis):
    # Gold and prediction hold five each: one is right, one has the wrong type, one
    # the wrong boundary, one both; one of each side stands alone.
    assert analysis.measures == {
        "strict": Counts(1, 5, 5),
        "exact boundary": Counts(2, 5, 5),
        "partial": Counts(3.0, 5, 5),  # 1 + 1 + 1/2 + 1/2
        "type only": Counts(2, 5, 5),
    }
    assert analysis.measures["partial"].f1 == pytest.approx(0.6)


def test_each_error_is_of_one_kind(analysis):
    found = {
        kind: [
            (e["gold"] and e["gold"]["surface"], e["line"])
            for e in map(report.describe_error, items)
        ]
        for kind, items in analysis.errors.items()
    }
    assert found == {
        "boundary": [("聚类", 9)],
        "type": [("图像", 6)],
        "boundary and type": [("检测", 19)],  # a blank line is line 12
        "missed": [("卷积", 13)],
        "spurious": [(None, 16)],
    }
    assert analysis.confusions == {("T", "M"): 1}


def test_entities_seen_in_training_are_scored_apart(analysis):
    # Training has 支持向量, 图像 and 聚类, all of type M. Gold: 支持向量, 聚类 seen;
    # 图像 (as T) with another type; 卷积, 检测 not. Predicted: 支持向量, 图像 (as M)
    # seen; 聚类法, 网络, 测 not.
    assert analysis.by_novelty == {
        report.SEEN: Counts(1, 2, 2),
        report.OTHER_TYPE: Counts(0, 0, 1),
        report.UNSEEN: Counts(0, 3, 2),
    }


def test_scores_by_length(analysis):
    assert analysis.by_length == {
        "1": Counts(0, 1, 0),
        "2": Counts(0, 2, 4),
        "3-4": Counts(1, 2, 1),
    }
    assert analysis.by_sentence_length == {"1-16": Counts(1, 5, 5)}


@pytest.mark.parametrize(
    ("length", "expected"),
    [(1, "1"), (2, "2"), (3, "3-4"), (4, "3-4"), (5, "5 or more"), (99, "5 or more")],
)
def test_buckets(length, expected):
    assert report.bucket(length, (1, 2, 4)) == expected


def test_text_and_json_hold_the_same(analysis):
    shown = text.format_analysis(analysis, examples=1)
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    assert "strict 20.00 20.00 20.00 5 5 1" in rows
    assert "partial 60.00 60.00 60.00 5 5 3" in rows
    assert "line 6: T “图像” → M “图像”" in rows
    assert "boundary and type: 1 (overlap, but wrong boundary and type)" in rows
    value = report.to_json(analysis)
    assert value["measures"]["strict"]["f1"] == pytest.approx(0.2)
    assert len(value["errors"]) == 5
    assert value["errors"][0] == {
        "error": "boundary",
        "line": 9,
        "gold": {"type": "M", "start": 8, "end": 10, "surface": "聚类"},
        "predicted": {"type": "M", "start": 8, "end": 11, "surface": "聚类法"},
        "text": "支持向量做图像和聚类法",
    }
    assert "by_novelty" in value


def test_without_training_data_nothing_is_said_of_it(gold_file, prediction_file):
    read = read_predictions(gold_file, [prediction_file])
    analysis = report.analyse(read.pairs[0], read.training)
    assert analysis.by_novelty is None
    assert "training" not in text.format_analysis(analysis, 0)


def test_reading_decides_what_an_illegal_tag_is(tmp_path):
    gold = tmp_path / "g.conll"
    gold.write_text("a O\nb B-M\n", encoding="utf-8")
    predicted = tmp_path / "p.conll"
    predicted.write_text("a O\nb I-M\n", encoding="utf-8")
    for reading, correct in [("strict", 0), ("default", 1)]:
        read = read_predictions(str(gold), [str(predicted)], reading)
        measures = report.analyse(read.pairs[0]).measures
        assert measures["strict"].correct == correct


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("a O\nc O\n\nd O\n", "line 2 of the first has 'b', line 2 of .* 'c'"),
        ("a O\n\nb O\n\nd O\n", "line 2 of the first has 'b', line 2 .* sentence's"),
        ("a O\nb O\n", "has 2 sentences, .* 1"),
    ],
)
def test_prediction_of_another_text_is_refused(tmp_path, other, message):
    gold = tmp_path / "g.conll"
    gold.write_text("a O\nb B-M\n\nd O\n", encoding="utf-8")
    predicted = tmp_path / "p.conll"
    predicted.write_text(other, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_predictions(str(gold), [str(predicted)])
