"""Evaluating checkpoints."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional

import numpy as np
import tensorflow as tf

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import restoring, storage
from albert.modeling.encoder import EncoderBuilder
from albert.training import failures
from albert.training.config import ReplicaConfig
from albert.training.replicas import one_device_config
from albert.training.stopping import StopRequest
from albert.training.task import EVAL, DataSource, Task

v1 = tf.compat.v1


class EvaluationStopped(Exception):
    """An evaluation was given up because the run is to end."""


def _until_asked(batches: Iterator[Any], stop: StopRequest) -> Iterator[Any]:
    for batch in batches:
        if stop.asked:
            raise EvaluationStopped
        yield batch


class CheckpointEvaluator:
    """Runs a task over data with the variables of one checkpoint after another.

    The graph is built once and the session kept, so each further checkpoint costs only
    its reading. Runs on one device; each example is seen once.
    """

    def __init__(
        self,
        task: Task,
        data: DataSource,
        build_encoder: EncoderBuilder,
        batch_size: int,
        mode: str = EVAL,
        max_batches: Optional[int] = None,
        replicas: ReplicaConfig = ReplicaConfig(),  # noqa: B008, it is frozen
    ):
        """Build the graph.

        Args:
            data: what to evaluate on or to predict.
            batch_size: examples in a batch.
            mode: EVAL or PREDICT.
            max_batches: where to stop; None for the whole data.
            replicas: the devices of the run, of which the first is used.
        """
        self._task = task
        self._data = data
        self._max_batches = max_batches
        graph = tf.Graph()
        with graph.as_default():
            read = tf.autograph.experimental.do_not_convert(data.read)
            dataset = read(mode, batch_size)  # as in training/input.py
            iterator = v1.data.make_initializable_iterator(dataset)
            output = task.build(iterator.get_next(), mode, build_encoder)
            self._predictions = dict(output.predictions)
            self._start = iterator.initializer
            variables = restoring.model_variables()
            self._shapes = {v.op.name: v.shape.as_list() for v in variables}
            self._savers: dict[tuple[str, ...], v1.train.Saver] = {}
            config = one_device_config(replicas)
            self._session = v1.Session(graph=graph, config=config)

    def batches(self, checkpoint: str) -> Iterator[dict[str, np.ndarray]]:
        """Yield the predictions of each batch; see `TaskOutput.predictions`.

        Raises:
            UserError: the checkpoint lacks a variable of the model, or has another
                shape of it; or an input cannot be read.
        """
        sources = restoring.check_complete(self._shapes, checkpoint)
        try:
            with self._session.graph.as_default():  # else the Saver takes it for eager
                self._find_saver(sources).restore(self._session, checkpoint)
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
                cause = failures.describe(error, self._data.find_bad_input)
                if cause is None:
                    raise
                raise UserError(f"evaluation stopped: {cause}") from error
            yield batch
            done += 1

    def _find_saver(self, sources: Mapping[str, str]) -> v1.train.Saver:
        """Return what restores from checkpoints with these names; made once."""
        key = tuple(sorted(sources.values()))
        if key not in self._savers:
            self._savers[key] = restoring.make_saver(sources)
        return self._savers[key]

    def evaluate(
        self, checkpoint: str, stop: Optional[StopRequest] = None
    ) -> dict[str, float]:
        """Return the task's metrics and the checkpoint's "global_step", if it has one.

        Raises:
            EvaluationStopped: `stop` was asked before the last batch.
        """
        batches = self.batches(checkpoint)
        if stop is not None:
            batches = _until_asked(batches, stop)
        results = dict(self._task.score(batches, self._data))
        step = read_step(checkpoint)
        if step is not None:
            results[storage.GLOBAL_STEP] = step
        return results

    def close(self) -> None:
        """Free the session."""
        self._session.close()


def read_step(checkpoint: str) -> Optional[int]:
    """Return the global step of a checkpoint, None for an export, which has none."""
    name = storage.GLOBAL_STEP
    if name not in storage.read_shapes(checkpoint):
        return None
    return int(storage.read_variables(checkpoint, [name])[name])


def write_results(path: str, results: Mapping[str, float | str]) -> None:
    """Write metrics as sorted lines `key = value`, as the original does."""
    files.write_text(path, "".join(f"{k} = {results[k]}\n" for k in sorted(results)))
