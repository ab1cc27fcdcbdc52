"""Records of `create_electra_data.py` as a source of batches."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from albert.tasks.record_files import RecordFiles

EXAMPLE_NUMBER = "example_number"  # what is drawn for an example depends on it
_OF_A_MACHINE = 2**32  # examples of one machine, at most; then the next one's begin


def number_examples(
    dataset: tf.data.Dataset, first: int, batch_size: int
) -> tf.data.Dataset:
    """Return batches with the number of each example, int64 [B].

    Args:
        dataset: batches of features.
        first: the number of the first example.
        batch_size: of every batch but the last, which may be smaller.
    """

    def add(batch_number: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict:
        size = tf.shape(batch["input_ids"], out_type=tf.int64)[0]
        start = first + batch_number * batch_size
        return {**batch, EXAMPLE_NUMBER: start + tf.range(size)}

    return dataset.enumerate().map(add)


class NumberedRecords(RecordFiles):
    """Records whose examples are numbered in the order of the training."""

    def __init__(self, *args: Any, machine: int = 0, **kwargs: Any):
        """Keep what to read.

        Args:
            *args: as those of `RecordFiles`.
            machine: the index of this one of those that train together.
            **kwargs: as those of `RecordFiles`.
        """
        super().__init__(*args, **kwargs)
        self._machine = machine

    def finish_training(
        self, dataset: tf.data.Dataset, number: int, batch_size: int
    ) -> tf.data.Dataset:
        """See `RecordFiles.finish_training`.

        Machines that train together number from places of their own, so that none draws
        what another draws.
        """
        first = self._machine * _OF_A_MACHINE + number * batch_size
        dataset = number_examples(dataset, first, batch_size)

        def fix_size(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            numbers = tf.ensure_shape(batch[EXAMPLE_NUMBER], [batch_size])
            return {**batch, EXAMPLE_NUMBER: numbers}

        return dataset.map(fix_size)

    def finish_evaluation(
        self, dataset: tf.data.Dataset, batch_size: int
    ) -> tf.data.Dataset:
        """See `RecordFiles.finish_evaluation`; the same numbers for each checkpoint."""
        return number_examples(dataset, 0, batch_size)
