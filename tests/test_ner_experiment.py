"""Which files a run reads."""

from __future__ import annotations

import pytest

from albert.config.ner import NerRunConfig
from albert.errors import UserError
from albert.ner_experiment import choose_splits, read_files

ALL = ("train", "val", "test")
STEPS = {"t": "do_train", "e": "do_eval", "p": "do_predict"}


def _run(steps, **values):
    given = {STEPS[step]: True for step in steps}
    return NerRunConfig(
        **{
            "output_dir": "m",
            "data_dir": "d",
            "config_file": "c",
            "vocab_file": "v",
            **given,
            **values,
        }
    )


@pytest.mark.parametrize(
    ("steps", "found", "expected"),
    [
        ("t", ALL, "train val"),
        ("t", ("train",), "train"),
        ("e", ALL, "val test"),
        ("e", ("val",), "val"),
        ("p", ALL, "test"),
        ("p", ("train", "val"), "val"),
        ("tep", ALL, "train val test"),
        ("tp", ("train", "test"), "train test"),
    ],
)
def test_run_reads_what_it_needs(steps, found, expected):
    splits = choose_splits(_run(steps), dict.fromkeys(found, "path"))
    assert splits == expected.split()


@pytest.mark.parametrize(
    ("steps", "found", "message"),
    [
        ("t", ("val", "test"), "holds no train file"),
        ("te", ("train",), "holds no val or test file"),
        ("p", ("train",), "holds no val or test file"),
    ],
)
def test_missing_split_is_named(steps, found, message):
    with pytest.raises(UserError, match=message):
        choose_splits(_run(steps), dict.fromkeys(found, "path"))


def test_file_to_predict_is_read_in_place_of_test(tmp_path):
    path = tmp_path / "new.txt"
    path.write_text("用\n图\n", encoding="utf-8")
    run = _run("p", data_dir=None, predict_file=str(path))
    assert {name: conll.path for name, conll in read_files(run).items()} == {
        "predict": str(path)
    }
    (tmp_path / "other.txt").write_text("图\n", encoding="utf-8")
    run = _run("p", data_dir=None, predict_file=str(tmp_path / "*.txt"))
    with pytest.raises(UserError, match="one file, got 2"):
        read_files(run)


def test_test_file_without_labels_can_be_predicted_but_not_scored(tmp_path):
    (tmp_path / "test.txt").write_text("用\n", encoding="utf-8")
    run = _run("p", data_dir=str(tmp_path))
    assert read_files(run)["test"].sentences[0].tags is None
    with pytest.raises(UserError, match="line 1 has one column"):
        read_files(_run("pe", data_dir=str(tmp_path)))
