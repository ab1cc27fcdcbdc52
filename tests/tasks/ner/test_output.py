"""Predictions beside the input's lines, entities as JSON, and reports."""

from __future__ import annotations

import json
import pathlib

import pytest

from albert.tasks.ner import output
from albert.tasks.ner.conll import Sentence, read_conll
from albert.tasks.ner.tag_schemes import find_scheme

BIO, BMES = find_scheme("BIO"), find_scheme("BMES")


def _read(folder, text, need_tags=True):
    path = folder / "test.conll"
    path.write_text(text, encoding="utf-8")
    return read_conll(str(path), need_tags)


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        (
            "用   O\n图   B-A\n\n像   O\n",
            ["O B-A", "O"],
            "用   O   O\n图   B-A   B-A\n\n像   O   O\n",
        ),
        ("用\tO\n \n\n图\tO\n\n", ["O", "B-A"], "用\tO\tO\n \n\n图\tO\tB-A\n\n"),
        ("用 N O \n", ["B-A"], "用 N O B-A\n"),
        ("-DOCSTART- O\n\n用 O\n", ["B-A"], "-DOCSTART- O\n\n用 O B-A\n"),
        ("\n\u3000 O\n  O\n", ["O B-A"], "\n\u3000 O O\n  O B-A\n"),
    ],
)
def test_each_line_gets_its_tag_as_a_last_column(tmp_path, text, tags, expected):
    conll = _read(tmp_path, text)
    predicted = [sentence.split() for sentence in tags]
    lines = output.label_lines(conll, predicted)
    assert "".join(f"{line}\n" for line in lines) == expected


def test_file_of_one_column_gets_a_second(tmp_path):
    conll = _read(tmp_path, "用\n\u3000\n\n图\n", need_tags=False)
    lines = output.label_lines(conll, [["O", "B-A"], ["B-B"]])
    assert lines == ["用 O", "\u3000 B-A", "", "图 B-B"]


def test_labelled_lines_are_read_again_with_the_same_columns(tmp_path):
    conll = _read(tmp_path, "用 O\n\u3000 O\n  B-A\n图 O\n\n像 I-A\n")
    predicted = [("O", "B-A", "I-A", "O"), ("B-B",)]
    files = output.write_predictions(
        str(tmp_path / "predictions"), conll, predicted, BIO
    )
    again = read_conll(files[0])
    assert [s.columns for s in again.sentences] == [s.columns for s in conll.sentences]
    assert [s.tags for s in again.sentences] == predicted
    assert [s.line for s in again.sentences] == [s.line for s in conll.sentences]


@pytest.mark.parametrize(
    ("columns", "tags", "scheme", "entities"),
    [
        ("支持向量", "O B-A I-A I-A", BIO, [("A", 1, 4, "持向量")]),
        ("用支持", "B-A B-B O", BIO, [("A", 0, 1, "用"), ("B", 1, 2, "支")]),
        ("用支持", "O I-A I-A", BIO, []),
        ("用机器", "S-A B-B E-B", BMES, [("A", 0, 1, "用"), ("B", 1, 3, "机器")]),
        ("a b", "B-A I-A I-A", BIO, [("A", 0, 3, "a b")]),
        (["用", "BERT", "\u3000"], "O B-A I-A", BIO, [("A", 1, 6, "BERT\u3000")]),
        ("𠀀图", "O B-A", BIO, [("A", 1, 2, "图")]),
        ("用", "O", BIO, []),
    ],
)
def test_entities_point_into_the_original_text(columns, tags, scheme, entities):
    sentence = Sentence(tuple(columns), None, 1)
    found = output.describe_entities(sentence, tags.split(), scheme)
    assert found["text"] == "".join(columns)
    keys = ("type", "start", "end", "surface")
    assert [tuple(e[key] for key in keys) for e in found["entities"]] == entities
    for entity in found["entities"]:
        surface = found["text"][entity["start"] : entity["end"]]
        assert surface == entity["surface"]


def test_json_lines_are_readable_and_one_a_sentence(tmp_path):
    conll = _read(tmp_path, '用 O\n" O\n\n\u2028 O\n图 B-A\n')
    _, path = output.write_predictions(
        str(tmp_path / "p"), conll, [["O", "O"], ["O", "B-A"]], BIO
    )
    text = pathlib.Path(path).read_bytes().decode()
    lines = text.rstrip("\n").split("\n")
    values = [json.loads(line) for line in lines]
    assert [value["text"] for value in values] == ['用"', "\u2028图"]
    assert values[1]["entities"] == [
        {"type": "A", "start": 1, "end": 2, "surface": "图"}
    ]
    assert "图" in lines[1]


def test_report_carries_both_readings_and_the_illegal_counts():
    gold = [("B-A", "I-A", "O"), ("I-A", "O")]
    predicted = [("B-A", "I-A", "O"), ("I-A", "O")]
    report = output.make_report(gold, predicted, 0.25, BIO)
    assert report.metrics() == {
        "eval_f": 1.0,
        "eval_precision": 1.0,
        "eval_recall": 1.0,
        "eval_f_default": 1.0,
        "eval_precision_default": 1.0,
        "eval_recall_default": 1.0,
        "illegal_transitions_gold": 1,
        "illegal_transitions_predicted": 1,
        "loss": 0.25,
    }
    assert report.strict.total.gold == 1
    assert report.default.total.gold == 2
    table = report.table()
    assert "strict" in table
    assert "default" in table
    assert "illegal transitions: 1 in gold, 1 in predictions" in table
