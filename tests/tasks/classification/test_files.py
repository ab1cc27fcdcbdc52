"""Data files of classification: layouts, headers, bad rows."""

from __future__ import annotations

import logging

import pytest

from albert.base.errors import UserError
from albert.tasks.classification.config import ClassificationConfig
from albert.tasks.classification.files import read_rows
from albert.tasks.classification.layout import choose_layout


def read(path, need_labels=True, bad_rows="error", **settings):
    layout = choose_layout(ClassificationConfig(**settings))
    return read_rows(str(path), layout, need_labels, bad_rows)


def write(tmp_path, name, *lines):
    path = tmp_path / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def values(file):
    return [(row.text_a, row.text_b, row.label) for row in file.rows]


@pytest.mark.parametrize(
    ("task", "lines", "expected"),
    [
        ("chnsenticorp", ["label\ttext_a", "1\t好书"], [("好书", None, "1")]),
        (
            "chnsenticorp",
            ["1\t好书", "0\t差"],
            [("好书", None, "1"), ("差", None, "0")],
        ),
        ("lcqmc", ["甲\t乙\t1"], [("甲", "乙", "1")]),
        ("lcqmc", ["text_a\ttext_b\tlabel", "甲\t乙\t1"], [("甲", "乙", "1")]),
        # A header's names count, not the places of the columns.
        ("bqcorpus", ["label\tquery2\tquery1", "0\t乙\t甲"], [("甲", "乙", "0")]),
        (
            "xnli",
            ["premise\thypo\tlabel", "甲\t乙\tneutral"],
            [("甲", "乙", "neutral")],
        ),
        (
            "xnli",
            [
                "language\tgold_label\tc2\tc3\tc4\tc5\tsentence1\tsentence2",
                "en\tneutral\t\t\t\t\tA\tB",
                "zh\tcontradiction\t\t\t\t\t甲\t乙",
            ],
            [("甲", "乙", "contradictory")],
        ),
        ("csl", ["to discipline\t摘要\t水利工程"], [("摘要", None, "水利工程")]),
    ],
)
def test_presets_with_and_without_header(tmp_path, task, lines, expected):
    assert values(read(write(tmp_path, "dev.tsv", *lines), task_name=task)) == expected


def test_csl_of_clue_pairs_keywords_and_abstract(tmp_path):
    path = write(
        tmp_path,
        "dev.json",
        '{"id": 1, "abst": "摘要", "keyword": ["水", "电"], "label": "0"}',
    )
    assert values(read(path, task_name="csl")) == [("水 电", "摘要", "0")]


def test_a_first_line_that_is_no_known_header_is_never_passed_over(tmp_path):
    path = write(tmp_path, "train.tsv", "类别\t文本", "1\t好书")
    with pytest.raises(UserError, match="line 1 has the label '类别', .* none of 0, 1"):
        read(path, task_name="chnsenticorp")


@pytest.mark.parametrize(
    ("name", "lines", "settings", "expected"),
    [
        # Without flags, names in a header line or in JSON objects.
        ("a.tsv", ["label\ttext", "x\t甲"], {}, [("甲", None, "x")]),
        (
            "a.csv",
            ["text,label", '"甲,""乙""\n丙",x'],
            {},
            [('甲,"乙"\n丙', None, "x")],
        ),
        (
            "a.jsonl",
            ['{"sentence1": "甲", "sentence2": "乙", "label": 1}'],
            {},
            [("甲", "乙", "1")],
        ),
        # Named columns.
        (
            "a.tsv",
            ["id\t标题\t类", "7\t甲\tx"],
            {"text_column": "标题", "label_column": "类"},
            [("甲", None, "x")],
        ),
        (
            "a.json",
            ['{"q": "甲", "a": "乙", "y": "x"}'],
            {"text_column": "q", "pair_column": "a", "label_column": "y"},
            [("甲", "乙", "x")],
        ),
        # Numbered ones, from 1.
        (
            "a.txt",
            ["x\t甲", "y\t乙"],
            {"text_column": "2", "label_column": "1"},
            [("甲", None, "x"), ("乙", None, "y")],
        ),
        (
            "a.txt",
            ["甲\tx", "乙\ty"],
            {"text_column": "1", "label_column": "2", "header": True},
            [("乙", None, "y")],
        ),
        # Quotes mean nothing between tabs.
        ("a.tsv", ["label\ttext", 'x\t他说："好"'], {}, [('他说："好"', None, "x")]),
    ],
)
def test_columns_by_name_and_by_number(tmp_path, name, lines, settings, expected):
    assert values(read(write(tmp_path, name, *lines), **settings)) == expected


@pytest.mark.parametrize(
    ("name", "lines", "settings", "message"),
    [
        ("a.tsv", ["甲\tx"], {}, "line 1 names no column for text_a .text_a or text"),
        ("a.tsv", ["text\tid", "甲\t1"], {}, "names no column for label"),
        (
            "a.tsv",
            ["甲\tx", "乙"],
            {"text_column": "1", "label_column": "2"},
            "a.tsv: line 2 has no label; --bad_rows=skip",
        ),
        (
            "a.tsv",
            ["x\t甲", "y"],
            {"text_column": "2", "label_column": "1"},
            "line 2 has 1 columns, lacks column 2, its text_a",
        ),
        ("a.tsv", ["label\ttext", "x\t  "], {}, "line 2 has an empty text_a"),
        (
            "a.tsv",
            ["text_a\ttext_b\tlabel", "甲\t\t1"],
            {},
            "line 2 has an empty text_b",
        ),
        ("a.tsv", [], {}, "a.tsv is empty"),
        ("a.tsv", ["label\ttext"], {}, "holds no row that can be used"),
        ("a.jsonl", ['{"text": "甲", "label": 1}', "{"], {}, "line 2 is not JSON"),
        ("a.jsonl", ["[1]"], {}, "line 1 is not a JSON object"),
        ("a.jsonl", ['{"text": 3, "label": 1}'], {}, "line 1 has the text_a 3, which"),
        ("a.jsonl", ['{"text": "甲"}'], {"text_column": "1"}, "no numbers"),
        ("a.csv", ["text,label", '"甲,x'], {}, "a.csv: line 2: unexpected end"),
        ("a.tsv", ["甲\t1"], {"task_name": "lcqmc"}, "line 1 has no label"),
        (
            "a.tsv",
            ["甲"],
            {"task_name": "lcqmc"},
            "line 1 has 1 columns, lacks column 2, its text_b",
        ),
    ],
)
def test_wrong_files_end_in_one_line(tmp_path, name, lines, settings, message):
    with pytest.raises(UserError, match=message):
        read(write(tmp_path, name, *lines), **settings)


def test_bad_rows_are_left_out_on_request_and_counted(tmp_path, caplog):
    lines = ["label\ttext_a", "1\t甲", "7\t乙", "0", "0\t ", "1\t丁", "0\t"]
    path = write(tmp_path, "train.tsv", *lines)
    with caplog.at_level(logging.WARNING, "absl"):
        file = read(path, bad_rows="skip", task_name="chnsenticorp")
    assert [row.line for row in file.rows] == [2, 6]
    assert "2 rows left out that have an empty text: line 5" in caplog.text
    assert "1 rows left out that lack a column: line 4" in caplog.text
    assert "1 rows left out that have unknown labels: line 3" in caplog.text


def test_a_file_to_predict_needs_no_labels(tmp_path):
    path = write(tmp_path, "test.txt", "甲\t乙", "丙\t丁")
    found = values(read(path, need_labels=False, task_name="bqcorpus"))
    assert found == [("甲", "乙", None), ("丙", "丁", None)]
    path = write(tmp_path, "new.tsv", "text", "甲")
    assert values(read(path, need_labels=False)) == [("甲", None, None)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_name": "lcqmc", "text_column": "1"}, "--task_name says which columns"),
        ({"label_column": "1"}, "--text_column must be given"),
        ({"text_column": "1", "label_column": "y"}, "all by number or all by name"),
        ({"text_column": "0"}, "numbered from 1"),
        ({"header": True}, "--header is for numbered columns"),
        ({"text_column": "t", "header": True}, "--header is for numbered columns"),
        ({"feature_layer": 3}, "--features=first or mean"),
        ({"class_weights": "a=0"}, "weights above 0"),
        ({"class_weights": "rare"}, "label=weight pairs"),
    ],
)
def test_settings_that_contradict_each_other(changes, message):
    with pytest.raises(UserError, match=message):
        ClassificationConfig(**changes)


@pytest.mark.parametrize(
    ("path", "task", "count"),
    [
        ("classification/chnsenticorp/train.tsv", "chnsenticorp", 9600),
        ("classification/csl_discipline/dev.tsv", "csl", 1000),
        ("pair/lcqmc/dev.txt", "lcqmc", 8802),
        ("pair/bq_corpus/dev.tsv", "bqcorpus", 10000),
        ("pair/xnli_zh/dev.tsv", "xnli", 2490),
        ("pair/afqmc/dev.txt", "afqmc", 4316),
    ],
)
def test_published_files_are_read_whole(shared, path, task, count):
    assert len(read(shared / "data" / path, task_name=task).rows) == count
