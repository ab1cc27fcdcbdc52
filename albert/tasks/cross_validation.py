"""Cross-validation: a model for each part of the training data, and their mean.

How the parts were cut is kept beside the models: one that goes on, or is scored, must
not meet rows as new that it was trained on.
"""

from __future__ import annotations

import dataclasses
import functools
import glob
import hashlib
import json
import os
import types
from typing import Any, Mapping, Optional, Sequence

import numpy as np
from absl import logging

from albert.base import files
from albert.base.compare import first_difference
from albert.base.errors import UserError
from albert.tasks.data_files import find_splits, name_files
from albert.tasks.finetuning import hold_output, run_finetuning
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.model_folder import choose_settings, has_checkpoint
from albert.tasks.reports import Evaluated, write_evaluated
from albert.training.config import ReplicaConfig
from albert.training.stopping import Stopped

RESULTS_FILE = "cross_validation.json"
PARTS_FILE = "parts.json"  # how the rows were cut
_FOLD = "fold_"  # the folder of a part's model, before its number
_NUM_FOLDS, _SEED = "num_folds", "random_seed"

Parts = Sequence[tuple[Any, Any]]  # see `FineTuningTask.cut_parts`


def _run_of_part(run: FineTuningRun, number: int) -> FineTuningRun:
    """Return the run of one part; `number` counts from 0."""
    name = f"{_FOLD}{number + 1}"
    model = run.model_dir and os.path.join(run.model_dir, name)
    own = os.path.join(run.output_dir, name)
    return dataclasses.replace(run, output_dir=own, model_dir=model)


def _read_pool(
    task_class: type[FineTuningTask], run: FineTuningRun, given: Mapping[str, Any]
) -> Any:
    """Return what the train and val files hold together, None without a train file."""
    found = find_splits(run.data_dir, task_class.suffixes)
    if "train" not in found:
        return None
    settings = choose_settings(task_class, _run_of_part(run, 0), given)
    read = [
        task_class.read_file(found[name], True, settings)
        for name in ("train", "val")
        if name in found
    ]
    return functools.reduce(task_class.join_files, read)


def _describe_cut(
    task_class: type[FineTuningTask], pool: Any, count: int, seed: int
) -> dict[str, Any]:
    rows = json.dumps(task_class.examples_to_json(pool)).encode()
    return {
        **{_NUM_FOLDS: count, _SEED: seed},
        "rows_sha256": hashlib.sha256(rows).hexdigest(),
    }


def _read_cut(folder: str) -> dict[str, Any]:
    """Return how the parts of the models in a folder were cut, {} where unknown."""
    path = os.path.join(folder, PARTS_FILE)
    return files.read_json(path) if os.path.exists(path) else {}


def _claim(folder: str, wanted: Mapping[str, Any]) -> None:
    """Keep how the parts are cut; refuse a folder with models of other parts."""
    folds = glob.glob(os.path.join(glob.escape(folder), f"{_FOLD}*"))
    difference = first_difference(_read_cut(folder), wanted)
    if difference is not None and any(map(has_checkpoint, folds)):
        name, before, now = difference
        before = "unknown" if before is None else before
        raise UserError(
            f"{folder} holds models of parts cut with {name} {before}, this run has "
            f"{now}; give another output_dir"
        )
    files.write_json(os.path.join(folder, PARTS_FILE), wanted)


def _cut_again(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    given: Mapping[str, Any],
    count: int,
) -> Optional[Parts]:
    """Return the parts that trained models were made of, None where they are lost.

    Raises:
        UserError: there are more or fewer, or nothing but lost parts is to be scored.
    """
    folder = run.model_folder
    cut = _read_cut(folder)
    if cut.get(_NUM_FOLDS, count) != count:
        raise UserError(
            f"{folder} holds models with {_NUM_FOLDS} {cut[_NUM_FOLDS]}, this run has "
            f"{count}"
        )
    read = name_files(run, task_class.suffixes)
    if not run.do_eval and "val" not in read:
        return None
    why = f"{folder} holds no {PARTS_FILE}"
    if cut:
        why = f"train and val in {run.data_dir} are not the rows of {folder}"
        pool = _read_pool(task_class, run, given)
        seed = cut[_SEED]
        if pool is not None and cut == _describe_cut(task_class, pool, count, seed):
            return task_class.cut_parts(pool, count, seed)
    if "val" in read:
        message = f"the val file is left out, models may be trained on it: {why}"
        if len(read) == 1:
            raise UserError(message)
        logging.warning("%s", message)
    return None


def _choose_parts(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    given: Mapping[str, Any],
    count: int,
    seed: int,
) -> Optional[Parts]:
    """Return the parts to train on or to score, None where neither is to be done."""
    if not run.do_train:
        return _cut_again(task_class, run, given, count)
    name_files(run, task_class.suffixes)  # says what is missing
    pool = _read_pool(task_class, run, given)
    parts = task_class.cut_parts(pool, count, seed)
    _claim(run.output_dir, _describe_cut(task_class, pool, count, seed))
    return parts


def _take_part(
    read: Mapping[str, Any], parts: Optional[Parts], number: int, do_train: bool
) -> dict[str, Any]:
    """Return the files of one model: `val` is the part that it is held out."""
    others = {name: file for name, file in read.items() if name != "val"}
    if parts is None:
        return others
    train, held_out = parts[number]
    return {**others, **({"train": train} if do_train else {}), "val": held_out}


def _summarise(held_out: list[Mapping[str, float]]) -> dict[str, Any]:
    """Return mean, standard deviation and value of each metric over the parts."""
    summary = {}
    for name in held_out[0]:
        values = [metrics[name] for metrics in held_out]
        deviation = float(np.std(values, ddof=1))
        mean = float(np.mean(values))
        summary[name] = {"mean": mean, "deviation": deviation, "parts": values}
    return summary


def _write_means(
    task_class: type[FineTuningTask],
    folder: str,
    found: Mapping[str, list[Evaluated]],
    held_out: list[Mapping[str, float]],
) -> None:
    """Write what all models say together, and the scores on the parts, if any."""
    for several in found.values():
        mean = task_class.average([one.decoded for one in several])
        write_evaluated(folder, several[0]._replace(decoded=mean), None)
    if held_out:
        path = os.path.join(folder, RESULTS_FILE)
        files.write_json(path, _summarise(held_out))
        logging.info("Scores on the parts written to %s", path)


def cross_validate(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    given: Mapping[str, Any],
    tuning: FineTuningConfig,
    replicas: ReplicaConfig,
    count: int,
    facts: Mapping[str, str] = types.MappingProxyType({}),
) -> Optional[Stopped]:
    """Do what `run_finetuning` does, once for each part of the training data.

    Train and val files together are cut into parts; each model is trained on all but
    one of them, which is its val. The models are in `fold_1` and so on, where their
    own results are, too. What the run scores or predicts beside val is the mean of all
    models. `cross_validation.json` has the scores on the parts, `parts.json` how they
    were cut: without training they are cut so again, and where the rows are no longer
    the same, val is left out.

    Args:
        count: of parts, 2 or more.
        facts: see `run_finetuning`.

    Returns: see `run_finetuning`.

    Raises:
        UserError: see `run_finetuning`; or the folder holds models of other parts.
    """
    held_out: list[Mapping[str, float]] = []
    found: dict[str, list[Evaluated]] = {}

    def see(one: Evaluated) -> None:
        if one.split == "val":
            held_out.append(one.task.report(one.decoded, one.data).metrics)
        else:
            found.setdefault(one.split, []).append(one)

    with hold_output(run):
        parts = _choose_parts(task_class, run, given, count, tuning.random_seed)
        for number in range(count):
            logging.info("***** Part %d of %d *****", number + 1, count)
            stopped = run_finetuning(
                task_class,
                _run_of_part(run, number),
                *(given, tuning, replicas),
                lambda read, number=number: _take_part(
                    read, parts, number, run.do_train
                ),
                see,
                facts,
            )
            if stopped is not None:
                return stopped
        _write_means(task_class, run.output_dir, found, held_out)
    return None
