"""Which files a run reads, and what predictions of them are called."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.tasks.data_files import (
    check_free,
    choose_splits,
    find_splits,
    name_files,
    name_predictions,
    note_source,
)
from albert.tasks.finetuning_config import FineTuningRun

ALL = ("train", "val", "test")
STEPS = {"t": "do_train", "e": "do_eval", "p": "do_predict"}


def _run(steps, **values):
    given = {STEPS[step]: True for step in steps}
    return FineTuningRun(
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


SUFFIXES = (".conll", ".txt", ".bio", ".bmes")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.conll", "val.conll", "test.conll"], "train val test"),
        (["train.txt", "dev.txt", "notes.txt", "train.json"], "train val"),
        (["train.stripped.conll", "dev.stripped.conll"], "train val"),
        (["train.char.bmes", "test.char.bmes", "README.md"], "train test"),
        (["test.bio", "training.bio", "testing.conll"], "test"),
    ],
)
def test_splits_are_found_by_name(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).write_text("x")
    (tmp_path / "val.d.conll").mkdir()
    found = find_splits(str(tmp_path), SUFFIXES)
    assert set(found) == set(expected.split())
    assert all(path.startswith(str(tmp_path)) for path in found.values())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["val.conll", "dev.conll"], "are both val files"),
        (["train.conll", "train.char.bmes"], "are both train files"),
        (["train.json"], "holds no file named train, val, dev or test"),
    ],
)
def test_folder_without_or_with_ambiguous_splits_is_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / name).write_text("x")
    with pytest.raises(UserError, match=message):
        find_splits(str(tmp_path), SUFFIXES)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such folder: .*absent"):
        find_splits(str(tmp_path / "absent"), SUFFIXES)


def test_file_to_predict_is_read_in_place_of_test(tmp_path):
    path = tmp_path / "new.txt"
    path.write_text("x")
    run = _run("p", data_dir=None, output_dir=str(tmp_path), predict_file=str(path))
    assert name_files(run, SUFFIXES) == {"predict": str(path)}
    (tmp_path / "other.txt").write_text("x")
    run = _run("p", data_dir=None, predict_file=str(tmp_path / "*.txt"))
    with pytest.raises(UserError, match="one file, got 2"):
        name_files(run, SUFFIXES)


@pytest.mark.parametrize(
    ("split", "path", "name"),
    [
        ("test", "data/test.char.bmes", "predictions_test"),
        ("predict", "a/new.txt", "predictions_new"),
        ("predict", "a/test.txt", "predictions_a_test"),
        ("predict", "/a/b/dev.conll", "predictions_b_dev"),
    ],
)
def test_predictions_of_other_files_are_not_called_like_those_of_a_split(
    split, path, name
):
    assert name_predictions(split, path) == name


def test_predictions_are_replaced_by_those_of_the_same_file_only(tmp_path):
    folder = str(tmp_path)
    check_free(folder, "predictions_new", "a/new.txt")
    note_source(folder, "predictions_new", "a/new.txt")
    check_free(folder, "predictions_new", "./a/new.txt")
    check_free(folder, "predictions_old", "b/new.txt")
    check_free(folder, "predictions_new", "b/new.txt")  # those were removed
    (tmp_path / "predictions_new.conll").touch()
    check_free(folder, "predictions_new", "a/new.txt")
    with pytest.raises(UserError, match=r"holds predictions_new\.\* of .*a/new.txt"):
        check_free(folder, "predictions_new", "b/new.txt")
