"""The best checkpoints of a run, kept beside the newest ones."""

from __future__ import annotations

import math
import os
import re
import shutil
from typing import Any, Container, Mapping, Optional, Sequence

from absl import logging

from albert.base import files
from albert.checkpoints import guard, restoring, storage
from albert.checkpoints.training_id import (
    BEST_FOLDER,
    TRAINING_ID,
    is_of_training,
    move_aside,
    read_training_id,
)

BEST_RECORD = "best.json"
_EVALUATED = "evaluated"  # the last step that was, the best or not


def rank(value: float, loss: float, higher_is_better: bool) -> tuple[float, float]:
    """Return a key that sorts evaluations, the best one first; ties go by loss.

    An F1 of 0, as early in training or without an entity to be found, tells nothing;
    the loss still does.
    """
    return (-value if higher_is_better else value, loss)


class BestCheckpoint:
    """Keeps copies of the checkpoints with the best values of one metric.

    The copies lie in `<folder>/best`, without optimizer slots, with the files that tell
    what model they are of. `best.json` names them; it is replaced after a copy is whole
    and before one is removed, so a run that is killed leaves it true.
    """

    def __init__(
        self,
        folder: str,
        metric: str,
        higher_is_better: bool = True,
        companions: Sequence[str] = guard.COMPANIONS,
        keep: int = 1,
    ):
        """Go on with the best checkpoints of the training in `folder`, if any.

        Args:
            companions: names of files in `folder` to copy too, where they are there.
            keep: how many checkpoints are kept.
        """
        self._source = folder
        self._companions = tuple(companions)
        self._folder = os.path.join(folder, BEST_FOLDER)
        self._metric = metric
        self._higher_is_better = higher_is_better
        self._keep = keep
        self._record_file = os.path.join(self._folder, BEST_RECORD)

    def _read_records(self) -> list[Mapping[str, Any]]:
        """Return the records of this training's checkpoints, the best one first."""
        if not os.path.exists(self._record_file):
            return []
        best = files.read_json(self._record_file)
        if not is_of_training(best, self._source):
            return []
        best.pop(_EVALUATED, None)
        return [best, *best.pop("next", [])]

    @property
    def path(self) -> Optional[str]:
        """The prefix of the best checkpoint, None before the first."""
        return next(iter(self.paths), None)

    @property
    def paths(self) -> list[str]:
        """The prefixes of the checkpoints that are kept, the best one first."""
        names = [record["checkpoint"] for record in self._read_records()]
        return [os.path.join(self._folder, name) for name in names]

    def offer(self, checkpoint: str, step: int, results: Mapping[str, float]) -> bool:
        """Copy `checkpoint` if it is among the best; say whether it is the best.

        Of equal ones that of the lower loss is the better, then the earlier one. A
        checkpoint of a step that is kept already (a run resumed before it) replaces
        that one.

        Args:
            results: the metric, and "loss" if there is one.
        """
        value = float(results[self._metric])
        record = {
            "checkpoint": f"model.ckpt-{step}",
            "step": int(step),
            "metric": self._metric,
            "value": value,
        }
        if "loss" in results:
            record["loss"] = float(results["loss"])
        records = self._read_records()
        if not records and os.path.exists(self._record_file):
            move_aside(self._folder)  # of another training
        others = [r for r in records if r["step"] != step]
        ranked = sorted([*others, record], key=self._rank)
        self._warn_of_tie(ranked, record)
        kept = ranked[: self._keep]
        training = {TRAINING_ID: read_training_id(self._source)}
        written = {**kept[0], **training, "next": kept[1:], _EVALUATED: int(step)}
        if record not in kept:
            files.write_json(self._record_file, written)
            return False
        self._copy(checkpoint, record["checkpoint"])
        storage.write_state(self._folder, kept[0]["checkpoint"])
        files.write_json(self._record_file, written)
        self._remove_all_but({record["checkpoint"] for record in kept})
        if kept[0] is not record:
            return False
        logging.info("Best %s so far: %.4f at step %d", self._metric, value, step)
        return True

    def _rank(self, record: Mapping[str, Any]) -> tuple[float, float]:
        # Records made before losses were kept: the earlier one stays the better.
        loss = record.get("loss", -math.inf)
        return rank(record["value"], loss, self._higher_is_better)

    def _warn_of_tie(
        self, ranked: Sequence[Mapping[str, Any]], record: Mapping[str, Any]
    ) -> None:
        """Say so where the loss decided between the best checkpoints."""
        first, second = ranked[0], ranked[1] if len(ranked) > 1 else None
        if self._metric == "loss" or second is None or record not in (first, second):
            return
        if first["value"] == second["value"]:
            logging.warning(
                "%s is %.4f at step %d as at step %d: the lower loss decides",
                self._metric,
                record["value"],
                first["step"],
                second["step"],
            )

    def _copy(self, checkpoint: str, name: str) -> None:
        os.makedirs(self._folder, exist_ok=True)
        for companion in self._companions:
            path = os.path.join(self._source, companion)
            if os.path.exists(path):
                with files.atomic_path(os.path.join(self._folder, companion)) as copy:
                    shutil.copyfile(path, copy)
        kept = [*restoring.slim_names(checkpoint), storage.GLOBAL_STEP]
        variables = restoring.read_model(checkpoint, kept)
        storage.write_variables(os.path.join(self._folder, name), variables)

    def _remove_all_but(self, kept: Container[str]) -> None:
        """Remove checkpoints that are no longer, or never were, among the best."""
        for name in os.listdir(self._folder):
            checkpoint = re.match(r"model\.ckpt-\d+(?=[._])", name)
            if checkpoint and checkpoint.group() not in kept:
                os.unlink(os.path.join(self._folder, name))


def _warn_of_later_steps(folder: str, record: Mapping[str, Any]) -> None:
    """Say so where a run went on without evaluations after the best checkpoint."""
    newest = storage.latest_step(folder)
    if newest is not None and newest > record.get(_EVALUATED, newest):
        logging.warning(
            "%s has gone on to step %d without an evaluation since step %d: the best "
            "of those evaluated is used, of step %d; name model.ckpt-%d for the newest",
            *(folder, newest, record[_EVALUATED], record["step"], newest),
        )


def choose_checkpoint(folder: str, flag: str) -> str:
    """Return the best checkpoint of a model directory, or else its newest.

    Raises:
        UserError: the folder, which `flag` names, holds none, or its name is a pattern
            to TensorFlow.
    """
    storage.check_name(folder, flag)
    path = os.path.join(folder, BEST_FOLDER, BEST_RECORD)
    record = files.read_json(path) if os.path.exists(path) else None
    if record is not None and not is_of_training(record, folder):
        logging.warning("%s is of another training than %s: unused", path, folder)
        record = None
    if record is not None:
        name = record["checkpoint"]
        chosen, why = os.path.join(folder, BEST_FOLDER, name), "best"
        _warn_of_later_steps(folder, record)
    else:
        chosen, why = storage.resolve(folder, flag), "newest"
    logging.info("Using %s, the %s checkpoint", chosen, why)
    return chosen
