"""The file of tasks: what it may hold, and that what is wrong ends in one line."""

from __future__ import annotations

import json

import pytest

from albert.base.errors import UserError
from albert.tasks.classification.config import ClassificationConfig
from albert.tasks.classification.task import ClassificationTask
from albert.tasks.linear_schedule import Schedule
from albert.tasks.multitask_config import Entry, read_entries
from albert.tasks.ner.task import NerTask


@pytest.fixture
def read(tmp_path):
    """A function that reads a file of tasks; their data is in the folder "data"."""
    (tmp_path / "data").mkdir()

    def read_tasks(value):
        text = json.dumps(value).replace('"DATA"', json.dumps(f"{tmp_path}/data"))
        (tmp_path / "tasks.json").write_text(text)
        path = str(tmp_path / "tasks.json")
        return read_entries(path, [ClassificationTask, NerTask], "bert")

    return read_tasks


def of(**settings):
    return {"a": {"data_dir": "DATA", "settings": settings}}


def test_a_task_is_read_with_its_settings(read, tmp_path):
    settings = {"text_column": 2, "label_smoothing": 0, "class_weights": None}
    (entry,) = read({"a": {"data_dir": "DATA", "weight": 2, "settings": settings}})
    wanted = ClassificationConfig(text_column="2", label_smoothing=0)
    folder = str(tmp_path / "data")
    assert entry == Entry("a", ClassificationTask, folder, Schedule(2, 2), wanted)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "a JSON object of tasks is expected"),
        ({"a b": {"data_dir": "d"}}, "a b: a name has letters"),
        ({"a\u4e2d": {"data_dir": "d"}}, "a\u4e2d: a name has letters of ASCII"),
        ({"best": {"data_dir": "d"}}, "best: a task is called none of best, eval, "),
        ({"eval": {"data_dir": "d"}}, "eval: a task is called none of "),
        ({"checkpoint": {"data_dir": "d"}}, "checkpoint: a task is called none of "),
        ({"bert": {"data_dir": "d"}}, "bert: a task is called none of .*, bert$"),
        ({"a": {}}, "a: an object of data_dir, settings, task, weight"),
        ({"a": {"data_dir": "d", "x": 1}}, "a: an object of data_dir"),
        ({"a": {"data_dir": "d", "task": "x"}}, "task 'x' is none of classification"),
        ({"a": {"data_dir": "d", "task": []}}, r"a: task \[\] is none of"),
        ({"a": {"data_dir": "d", "weight": -1}}, "a: weight must be a number of 0"),
        ({"a": {"data_dir": "d", "weight": None}}, "a: weight must be a number of 0"),
        ({"a": {"data_dir": "d", "settings": {"x": 1}}}, "there is no setting 'x'"),
        ({"a": {"data_dir": "d", "settings": None}}, "a: settings must be an object"),
        ({"a": {"data_dir": 1}}, "a: data_dir must be text, got 1"),
        ({"a": {"data_dir": "none"}}, "a: --data_dir: the folder none does not exist"),
        ({"a": {"data_dir": "DATA", "weight": 0}}, "every weight is 0"),
        (of(text_column=1.0), "a: text_column must be text, got 1.0"),
        (of(max_seq_length="64"), "a: max_seq_length must be a whole number, got '64'"),
        (of(max_seq_length=True), "a: max_seq_length must be a whole number, got True"),
        (of(do_lower_case="false"), "a: do_lower_case must be true or false, got 'f"),
        (of(dropout_prob="0"), "a: dropout_prob must be a number, got '0'"),
        (of(class_weights={"0": 2}), "a: class_weights must be text, got {'0': 2}"),
        (of(long_text=None), "a: long_text must be text, got None"),
    ],
)
def test_wrong_files_of_tasks_end_in_one_line(read, value, message):
    with pytest.raises(UserError, match=message) as raised:
        read(value)
    assert "tasks.json: " in str(raised.value)


@pytest.mark.parametrize("key", ["lexicon_file", "lexicon_vectors", "bigram_vectors"])
def test_a_file_that_is_missing_is_named_with_its_task_and_key(read, key):
    part = {"task": "ner", "data_dir": "DATA", "settings": {key: "none.txt"}}
    message = f"tasks.json: names: --{key}: no such file: none.txt$"
    with pytest.raises(UserError, match=message):
        read({"names": part})
