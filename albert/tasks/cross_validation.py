"""Cross-validation: a model for each part of the training data, and their mean."""

from __future__ import annotations

import dataclasses
import os
import types
from typing import Any, Mapping, Optional

import numpy as np
from absl import logging

from albert.base import files
from albert.tasks.finetuning import run_finetuning
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.reports import Evaluated, write_evaluated
from albert.training.config import ReplicaConfig
from albert.training.stopping import Stopped

RESULTS_FILE = "cross_validation.json"


def _take_part(
    task_class: type[FineTuningTask],
    read: Mapping[str, Any],
    number: int,
    count: int,
    seed: int,
) -> dict[str, Any]:
    """Return the files of one training: `val` is the part that it is held out."""
    pool = read["train"]
    if "val" in read:
        pool = task_class.join_files(pool, read["val"])
    train, held_out = task_class.cut_parts(pool, count, seed)[number]
    return {**read, "train": train, "val": held_out}


def _summarise(held_out: list[Mapping[str, float]]) -> dict[str, Any]:
    """Return mean, standard deviation and value of each metric over the parts."""
    summary = {}
    for name in held_out[0]:
        values = [metrics[name] for metrics in held_out]
        deviation = float(np.std(values, ddof=1))
        mean = float(np.mean(values))
        summary[name] = {"mean": mean, "deviation": deviation, "parts": values}
    return summary


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
    models. `cross_validation.json` has the scores on the parts.

    Args:
        count: of parts, 2 or more.
        facts: see `run_finetuning`.

    Returns, raises: see `run_finetuning`.
    """
    held_out: list[Mapping[str, float]] = []
    found: dict[str, list[Evaluated]] = {}
    for number in range(count):
        own = os.path.join(run.output_dir, f"fold_{number + 1}")
        part = dataclasses.replace(run, output_dir=own)
        if run.model_dir:
            model = os.path.join(run.model_dir, f"fold_{number + 1}")
            part = dataclasses.replace(part, model_dir=model)

        def change(read: Mapping[str, Any], number: int = number) -> Mapping[str, Any]:
            if "train" not in read:
                return read
            return _take_part(task_class, read, number, count, tuning.random_seed)

        def see(one: Evaluated) -> None:
            if run.do_train and one.split == "val":
                held_out.append(one.task.report(one.decoded, one.data).metrics)
            else:
                found.setdefault(one.split, []).append(one)

        logging.info("***** Part %d of %d *****", number + 1, count)
        stopped = run_finetuning(
            task_class, part, given, tuning, replicas, change, see, facts
        )
        if stopped is not None:
            return stopped
    for several in found.values():
        mean = task_class.average([one.decoded for one in several])
        write_evaluated(run.output_dir, several[0]._replace(decoded=mean), None, facts)
    if held_out:
        path = os.path.join(run.output_dir, RESULTS_FILE)
        files.write_json(path, _summarise(held_out))
        logging.info("Scores on the parts written to %s", path)
    return None
