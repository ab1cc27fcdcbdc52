"""Which data files a run reads, and what its predictions of them are called.

Predictions of one file never replace those of another.
"""

from __future__ import annotations

import os
from typing import Mapping

from albert.base import files
from albert.base.errors import UserError
from albert.tasks.finetuning_config import FineTuningRun

SPLIT_NAMES = {
    **{"train": "train", "val": "val", "dev": "val", "test": "test"},
    "eval": "test",  # as in google-research/electra
}
PREDICT_ONLY = "predict"  # the name, among the splits, of a file that is only predicted
SOURCES_FILE = "predictions.json"  # name of predictions -> the file they are of


def find_splits(data_dir: str, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Return split ("train", "val", "test") -> file for those that `data_dir` holds.

    A file belongs to a split by what stands before the first dot of its name, and has
    one of `suffixes`: `dev.char.bmes` is "val".

    Raises:
        UserError: no such folder, no such file in it, or two files for one split.
    """
    if not os.path.isdir(data_dir):
        raise UserError(f"--data_dir: no such folder: {data_dir}")
    found: dict[str, str] = {}
    for name in sorted(os.listdir(data_dir)):
        split = SPLIT_NAMES.get(name.split(".")[0])
        path = os.path.join(data_dir, name)
        if split is None or not name.endswith(suffixes) or not os.path.isfile(path):
            continue
        if split in found:
            raise UserError(
                f"--data_dir: {found[split]} and {path} are both {split} files; "
                "keep one of them there"
            )
        found[split] = path
    if not found:
        raise UserError(
            f"--data_dir: {data_dir} holds no file named train, val, dev or test with "
            f"the suffix {', '.join(suffixes)}"
        )
    return found


def choose_splits(run: FineTuningRun, found: Mapping[str, str]) -> list[str]:
    """Return which of the `found` splits ("train", "val", "test") a run reads.

    Raises:
        UserError: one that the run needs is not there.
    """
    held_out = [name for name in ("val", "test") if name in found]
    wanted = set()
    if run.do_train:
        if "train" not in found:
            raise UserError(f"--data_dir: {run.data_dir} holds no train file")
        wanted |= {"train", "val"}
    if run.do_eval or (run.do_predict and not run.predict_file):
        if not held_out:
            raise UserError(f"--data_dir: {run.data_dir} holds no val or test file")
        wanted |= set(held_out if run.do_eval else held_out[-1:])
    return [name for name in ("train", "val", "test") if name in wanted & set(found)]


def name_predictions(split: str, path: str) -> str:
    """Return the name, without suffix, of the predictions of a file.

    That of a split names the split; any other file's is the file's own, with its folder
    before it where it is called like a split.

    Example: ("test", "data/test.txt"), ("predict", "a/new.txt") and ("predict",
    "a/test.txt") give `predictions_test`, `predictions_new`, `predictions_a_test`.
    """
    if split != PREDICT_ONLY:
        return f"predictions_{split}"
    folder, name = os.path.split(os.path.abspath(path))
    stem = os.path.splitext(name)[0]
    if stem in SPLIT_NAMES:
        stem = f"{os.path.basename(folder)}_{stem}"
    return f"predictions_{stem}"


def _read_sources(output_dir: str) -> dict[str, str]:
    path = os.path.join(output_dir, SOURCES_FILE)
    return files.read_json(path) if os.path.exists(path) else {}


def check_free(output_dir: str, name: str, path: str) -> None:
    """Stop where there are predictions of this name, of another file than `path`."""
    before = _read_sources(output_dir).get(name)
    if before is None or before == os.path.realpath(path):
        return
    if any(os.path.splitext(there)[0] == name for there in os.listdir(output_dir)):
        raise UserError(
            f"--predict_file: {output_dir} holds {name}.* of {before}; give another "
            "output_dir, or rename the file"
        )


def note_source(output_dir: str, name: str, path: str) -> None:
    """Keep which file predictions are of; see `check_free`."""
    sources = {**_read_sources(output_dir), name: os.path.realpath(path)}
    files.write_json(os.path.join(output_dir, SOURCES_FILE), sources)


def name_files(run: FineTuningRun, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Return the files that a run reads: split, or "predict", -> path.

    Raises:
        UserError: one is missing.
    """
    found = find_splits(run.data_dir, suffixes) if run.data_dir else {}
    paths = {name: found[name] for name in choose_splits(run, found)}
    if run.predict_file:
        matches = files.expand_globs(run.predict_file, "predict_file")
        if len(matches) > 1:
            raise UserError(f"--predict_file: one file, got {len(matches)}")
        path = paths[PREDICT_ONLY] = matches[0]
        check_free(run.output_dir, name_predictions(PREDICT_ONLY, path), path)
    return paths
