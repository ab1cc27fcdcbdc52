"""Evaluating checkpoints, and keeping the best one."""

from __future__ import annotations

import os
import re
import shutil
from typing import Any, Iterator, Mapping, Optional, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import guard as model_dir
from albert.checkpoints import variables as checkpoints
from albert.modeling.encoder import EncoderBuilder
from albert.training import failures
from albert.training import replicas as distribution
from albert.training.config import ReplicaConfig
from albert.training.stopping import StopRequest
from albert.training.task import EVAL, Task

v1 = tf.compat.v1

BEST_FOLDER = "best"
_BEST_RECORD = "best.json"


class EvaluationStopped(Exception):
    """An evaluation was given up because the run is to end."""


def _until_asked(batches: Iterator[Any], stop: StopRequest) -> Iterator[Any]:
    for batch in batches:
        if stop.asked:
            raise EvaluationStopped
        yield batch


class CheckpointEvaluator:
    """Runs a task over its data with the variables of one checkpoint after another.

    The graph is built once and the session kept, so each further checkpoint costs only
    its reading. Runs on one device; each example is seen once.
    """

    def __init__(
        self,
        task: Task,
        build_encoder: EncoderBuilder,
        batch_size: int,
        mode: str = EVAL,
        max_batches: Optional[int] = None,
        replicas: ReplicaConfig = ReplicaConfig(),  # noqa: B008, it is frozen
    ):
        """Build the graph.

        Args:
            batch_size: examples in a batch.
            mode: EVAL or PREDICT.
            max_batches: where to stop; None for the whole data.
            replicas: the devices of the run, of which the first is used.
        """
        self._task = task
        self._source = failures.InputSource(lambda: task.find_bad_input(mode))
        self._max_batches = max_batches
        graph = tf.Graph()
        with graph.as_default():
            dataset = task.read(mode, batch_size)
            iterator = v1.data.make_initializable_iterator(dataset)
            output = task.build(iterator.get_next(), mode, build_encoder)
            self._predictions = dict(output.predictions)
            self._start = iterator.initializer
            variables = v1.trainable_variables()
            self._shapes = {v.op.name: v.shape.as_list() for v in variables}
            self._saver = v1.train.Saver(variables)
            config = distribution.one_device_config(replicas)
            self._session = v1.Session(graph=graph, config=config)

    def batches(self, checkpoint: str) -> Iterator[dict[str, np.ndarray]]:
        """Yield the predictions of each batch; see `TaskOutput.predictions`.

        Raises:
            UserError: the checkpoint lacks a variable of the model, or has another
                shape of it; or an input cannot be read.
        """
        checkpoints.check_complete(self._shapes, checkpoint)
        try:
            with self._session.graph.as_default():  # else the Saver takes it for eager
                self._saver.restore(self._session, checkpoint)
        except (tf.errors.OpError, ValueError) as error:  # ValueError: it is gone
            first = str(error).splitlines()[0]
            raise UserError(f"checkpoint {checkpoint}: {first}") from error
        self._session.run(self._start)
        done = 0
        while self._max_batches is None or done < self._max_batches:
            try:
                batch = self._session.run(self._predictions)
            except tf.errors.OutOfRangeError:
                return
            except tf.errors.OpError as error:
                cause = failures.describe(error, self._source)
                if cause is None:
                    raise
                raise UserError(f"evaluation stopped: {cause}") from error
            yield batch
            done += 1

    def evaluate(
        self, checkpoint: str, stop: Optional[StopRequest] = None
    ) -> dict[str, float]:
        """Return the task's metrics and the checkpoint's "global_step".

        Raises:
            EvaluationStopped: `stop` was asked before the last batch.
        """
        batches = self.batches(checkpoint)
        if stop is not None:
            batches = _until_asked(batches, stop)
        results = dict(self._task.score(batches))
        names = checkpoints.read_shapes(checkpoint)
        step = checkpoints.GLOBAL_STEP
        if step in names:
            results[step] = int(checkpoints.read_variables(checkpoint, [step])[step])
        return results

    def close(self) -> None:
        """Free the session."""
        self._session.close()


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
        companions: Sequence[str] = model_dir.COMPANIONS,
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


def write_results(path: str, results: Mapping[str, float]) -> None:
    """Write metrics as sorted lines `key = value`, as the original does."""
    files.write_text(path, "".join(f"{k} = {results[k]}\n" for k in sorted(results)))
