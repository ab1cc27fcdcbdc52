"""What training reads, and from which batch on."""

from __future__ import annotations

import tensorflow as tf
from absl import logging

from albert.training.config import TrainingConfig
from albert.training.task import DataSource

_MOST_PASSED_OVER = 20_000_000  # examples


def batches_to_pass_over(seen: int, batch_size: int, step_batches: int) -> int:
    """Return how many batches of the input a resumed run skips: those of whole steps.

    Those that were seen, as long as this is quick: finding them takes 10 to 40
    microseconds an example; nothing is drawn for what is passed over. From 20,000,000
    examples on it counts from 0 again, so the run goes on at another place of the same
    order.

    Args:
        seen: the batches of the steps before.
        batch_size: examples in a batch.
        step_batches: batches of a step.
    """
    steps = max(1, _MOST_PASSED_OVER // (batch_size * step_batches))
    return seen % (steps * step_batches)


class TrainingInput:
    """The batches that this machine reads, for each of its replicas in turn."""

    def __init__(
        self,
        data: DataSource,
        config: TrainingConfig,
        batch_size: int,
        num_local: int,
        start: int,
    ):
        """Find out where reading starts.

        Args:
            data: what is trained on.
            batch_size: examples that a replica computes at once.
            num_local: the replicas of this machine.
            start: the steps done before.
        """
        self._data = data
        self._config = config
        self._batch_size = batch_size
        self._step_batches = num_local * config.gradient_accumulation_steps
        self._seen = start * self._step_batches
        self._passed_over = batches_to_pass_over(
            self._seen, batch_size, self._step_batches
        )
        if self._passed_over:
            logging.info("Passing over %d examples", self._passed_over * batch_size)

    # No graph is made of Python's loops here: looking for them takes a sixth of a small
    # run.
    @tf.autograph.experimental.do_not_convert
    def read(self) -> tf.data.Dataset:
        """Return the batches from the start on; with accumulation, lists of them."""
        parts = self._config.gradient_accumulation_steps
        dataset = self._data.read_from(
            self._batch_size, self._passed_over, self._seen, self._step_batches
        )
        return dataset.batch(parts, drop_remainder=True) if parts > 1 else dataset
