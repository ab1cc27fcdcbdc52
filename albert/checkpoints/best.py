"""The best checkpoints of a run, kept beside the newest ones."""

from __future__ import annotations

import os
import re
import shutil
from typing import Any, Mapping, Optional, Sequence

from absl import logging

from albert.base import files
from albert.checkpoints import guard
from albert.checkpoints import variables as checkpoints

BEST_FOLDER = "best"
_BEST_RECORD = "best.json"


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
        """Take up the best checkpoints that `folder` holds, if any.

        Args:
            companions: names of files in `folder` to copy too, where they are there.
            keep: how many checkpoints are kept.
        """
        self._source = folder
        self._companions = tuple(companions)
        self._folder = os.path.join(folder, BEST_FOLDER)
        self._metric = metric
        self._sign = 1.0 if higher_is_better else -1.0
        self._keep = keep
        self._record_file = os.path.join(self._folder, _BEST_RECORD)
        self._records: list[Mapping[str, Any]] = []  # the best one first
        if os.path.exists(self._record_file):
            best = files.read_json(self._record_file)
            self._records = [best, *best.pop("next", [])]

    @property
    def path(self) -> Optional[str]:
        """The prefix of the best checkpoint, None before the first."""
        return self.paths[0] if self._records else None

    @property
    def paths(self) -> list[str]:
        """The prefixes of the checkpoints that are kept, the best one first."""
        return [os.path.join(self._folder, r["checkpoint"]) for r in self._records]

    @property
    def step(self) -> Optional[int]:
        """The global step of the best checkpoint, None before the first."""
        return self._records[0]["step"] if self._records else None

    def offer(self, checkpoint: str, step: int, results: Mapping[str, float]) -> bool:
        """Copy `checkpoint` if it is among the best; say whether it is the best.

        Of equal ones the earlier is the better. A checkpoint of a step that is kept
        already (a run resumed before it) replaces that one.
        """
        value = float(results[self._metric])
        record = {
            "checkpoint": f"model.ckpt-{step}",
            "step": int(step),
            "metric": self._metric,
            "value": value,
        }
        others = [r for r in self._records if r["step"] != step]
        ranked = sorted([*others, record], key=lambda r: -self._sign * r["value"])
        kept = ranked[: self._keep]
        if record not in kept:
            return False
        self._copy(checkpoint, record["checkpoint"])
        checkpoints.write_state(self._folder, kept[0]["checkpoint"])
        files.write_json(self._record_file, {**kept[0], "next": kept[1:]})
        self._records = kept
        self._remove_others()
        if kept[0] is not record:
            return False
        logging.info("Best %s so far: %.4f at step %d", self._metric, value, step)
        return True

    def _copy(self, checkpoint: str, name: str) -> None:
        os.makedirs(self._folder, exist_ok=True)
        for companion in self._companions:
            path = os.path.join(self._source, companion)
            if os.path.exists(path):
                with files.atomic_path(os.path.join(self._folder, companion)) as copy:
                    shutil.copyfile(path, copy)
        kept = [*checkpoints.slim_names(checkpoint), checkpoints.GLOBAL_STEP]
        variables = checkpoints.read_variables(checkpoint, kept)
        checkpoints.write_variables(os.path.join(self._folder, name), variables)

    def _remove_others(self) -> None:
        """Remove checkpoints that are no longer, or never were, among the best."""
        kept = {record["checkpoint"] for record in self._records}
        for name in os.listdir(self._folder):
            checkpoint = re.match(r"model\.ckpt-\d+(?=[._])", name)
            if checkpoint and checkpoint.group() not in kept:
                os.unlink(os.path.join(self._folder, name))


def choose_checkpoint(folder: str, flag: str) -> str:
    """Return the best checkpoint of a model directory, or else its newest.

    Raises:
        UserError: the folder, which `flag` names, holds none.
    """
    record = os.path.join(folder, BEST_FOLDER, _BEST_RECORD)
    if os.path.exists(record):
        name = files.read_json(record)["checkpoint"]
        chosen, why = os.path.join(folder, BEST_FOLDER, name), "best"
    else:
        chosen, why = checkpoints.resolve(folder, flag), "newest"
    logging.info("Using %s, the %s checkpoint", chosen, why)
    return chosen
