"""Evaluating checkpoints, and keeping the best one."""

from __future__ import annotations

import os
import shutil
from typing import Iterator, Mapping, Optional, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from albert import checkpoint as checkpoints
from albert import files, model_dir
from albert.errors import UserError
from albert.modeling.encoder import EncoderBuilder
from albert.tasks.task import EVAL, Task

v1 = tf.compat.v1

BEST_FOLDER = "best"


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
    ):
        """Build the graph.

        Args:
            batch_size: examples in a batch.
            mode: EVAL or PREDICT.
            max_batches: where to stop; None for the whole data.
        """
        self._task = task
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
            config = v1.ConfigProto(allow_soft_placement=True)
            config.gpu_options.allow_growth = True
            self._session = v1.Session(graph=graph, config=config)

    def batches(self, checkpoint: str) -> Iterator[dict[str, np.ndarray]]:
        """Yield the predictions of each batch; see `TaskOutput.predictions`.

        Raises:
            UserError: the checkpoint lacks a variable of the model, or has another
                shape of it.
        """
        checkpoints.check_complete(self._shapes, checkpoint)
        try:
            with self._session.graph.as_default():  # else the Saver takes it for eager
                self._saver.restore(self._session, checkpoint)
        except tf.errors.OpError as error:
            first = str(error).splitlines()[0]
            raise UserError(f"checkpoint {checkpoint}: {first}") from error
        self._session.run(self._start)
        done = 0
        while self._max_batches is None or done < self._max_batches:
            try:
                yield self._session.run(self._predictions)
            except tf.errors.OutOfRangeError:
                return
            done += 1

    def evaluate(self, checkpoint: str) -> dict[str, float]:
        """Return the task's metrics and the checkpoint's "global_step"."""
        results = dict(self._task.score(self.batches(checkpoint)))
        names = checkpoints.read_shapes(checkpoint)
        step = checkpoints.GLOBAL_STEP
        if step in names:
            results[step] = int(checkpoints.read_variables(checkpoint, [step])[step])
        return results

    def close(self) -> None:
        """Free the session."""
        self._session.close()


class BestCheckpoint:
    """Keeps a copy of the checkpoint with the best value of one metric.

    The copy lies in `<folder>/best`, without optimizer slots, with `best.json` beside
    it and the files that tell what model it is of; it outlives a restart of training.
    """

    def __init__(
        self,
        folder: str,
        metric: str,
        higher_is_better: bool = True,
        companions: Sequence[str] = model_dir.COMPANIONS,
    ):
        """Take up the best checkpoint that `folder` holds, if any.

        Args:
            companions: names of files in `folder` to copy too, where they are there.
        """
        self._source = folder
        self._companions = tuple(companions)
        self._folder = os.path.join(folder, BEST_FOLDER)
        self._metric = metric
        self._sign = 1.0 if higher_is_better else -1.0
        self._record_file = os.path.join(self._folder, "best.json")
        self._record = None
        if os.path.exists(self._record_file):
            self._record = files.read_json(self._record_file)

    @property
    def path(self) -> Optional[str]:
        """The prefix of the best checkpoint, None before the first."""
        if self._record is None:
            return None
        return os.path.join(self._folder, self._record["checkpoint"])

    @property
    def step(self) -> Optional[int]:
        """The global step of the best checkpoint, None before the first."""
        return None if self._record is None else self._record["step"]

    def offer(self, checkpoint: str, step: int, results: Mapping[str, float]) -> bool:
        """Copy `checkpoint` if it is better than the best so far; say whether it is."""
        value = float(results[self._metric])
        if self._record is not None and (
            self._sign * value <= self._sign * self._record["value"]
        ):
            return False
        temporary = f"{self._folder}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        os.makedirs(temporary)
        name = f"model.ckpt-{step}"
        kept = [*checkpoints.slim_names(checkpoint), checkpoints.GLOBAL_STEP]
        variables = checkpoints.read_variables(checkpoint, kept)
        checkpoints.write_variables(os.path.join(temporary, name), variables)
        checkpoints.write_state(temporary, name)
        for companion in self._companions:
            path = os.path.join(self._source, companion)
            if os.path.exists(path):
                shutil.copyfile(path, os.path.join(temporary, companion))
        record = {
            "checkpoint": name,
            "step": int(step),
            "metric": self._metric,
            "value": value,
        }
        files.write_json(os.path.join(temporary, "best.json"), record)
        files.replace_folder(temporary, self._folder)
        self._record = record
        logging.info("Best %s so far: %.4f at step %d", self._metric, value, step)
        return True


def write_results(path: str, results: Mapping[str, float]) -> None:
    """Write metrics as sorted lines `key = value`, as the original does."""
    files.write_text(path, "".join(f"{k} = {results[k]}\n" for k in sorted(results)))
