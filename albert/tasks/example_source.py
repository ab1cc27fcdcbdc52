"""Examples in memory as a source of batches, padded to the longest of each batch."""

from __future__ import annotations

import abc
from typing import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from albert.training.task import TRAIN, DataSource

_POOL_BATCHES = 16  # batches that are cut from one sorted pool of examples


def pad(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Return rows of integers as int32 [rows, longest], filled up with 0."""
    padded = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for target, row in zip(padded, rows):
        target[: len(row)] = row
    return padded


def _shuffle_by_length(
    numbers: tf.data.Dataset, lengths: np.ndarray, batch_size: int, seed: int
) -> tf.data.Dataset:
    """Return shuffled batches of numbers without end, each of examples of like length.

    Little is then spent on padding. Batches are cut from a pool that is sorted by
    length, and shuffled; a pool is never larger than the data, so that a batch does not
    fill with copies of one example.
    """

    def sort(pool: np.ndarray) -> np.ndarray:
        return pool[np.argsort(lengths[pool], kind="stable")]

    count = len(lengths)
    batches = min(_POOL_BATCHES, max(1, count // batch_size))
    numbers = numbers.shuffle(count, seed=seed).repeat().batch(batches * batch_size)
    numbers = numbers.map(
        lambda pool: _call(sort, pool, tf.TensorSpec([None], tf.int64))
    )
    return numbers.unbatch().batch(batch_size).shuffle(batches, seed=seed)


def _call(
    function: Callable[[np.ndarray], np.ndarray], value: tf.Tensor, spec: tf.TensorSpec
) -> tf.Tensor:
    result = tf.numpy_function(function, [value], spec.dtype, stateful=False)
    return tf.ensure_shape(result, spec.shape)


class ExampleSource(DataSource):
    """Examples in memory.

    They are handed over a batch at a time and are no part of the graph, which may not
    be larger than 2 GB.

    Attributes:
        num_examples: what an epoch counts, for the number of training steps; batches
            may hold more, where an example is seen in several windows.
    """

    num_examples: int

    def __init__(
        self,
        features: Callable[[str], Mapping[str, tf.TensorSpec]],
        lengths: Sequence[int],
        seed: int = 12345,
    ):
        """Keep what orders the examples.

        Args:
            features: see `Task.features`.
            lengths: the length of each example; like ones are trained on together.
            seed: of the shuffling in TRAIN.
        """
        self.num_examples = len(lengths)
        self._features = features
        self._lengths = np.asarray(lengths, np.int64)
        self._seed = seed

    @property
    def lengths(self) -> np.ndarray:
        """How long each example is, int64."""
        return self._lengths

    @abc.abstractmethod
    def make_batch(self, numbers: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the batch of some examples; see `pad`.

        Args:
            numbers: which examples, int64 [B], each below the number of lengths.

        Returns:
            name -> array, of the features of all modes.
        """

    def read(self, mode: str, batch_size: int) -> tf.data.Dataset:
        """See `DataSource.read`."""
        specs = self._features(mode)

        def fetch(numbers: np.ndarray) -> list[np.ndarray]:
            batch = self.make_batch(numbers)
            return [batch[n].astype(s.dtype.as_numpy_dtype) for n, s in specs.items()]

        def map_batch(numbers: tf.Tensor) -> dict[str, tf.Tensor]:
            dtypes = [spec.dtype for spec in specs.values()]
            values = tf.numpy_function(fetch, [numbers], dtypes, stateful=False)
            return {
                name: tf.ensure_shape(value, spec.shape)
                for (name, spec), value in zip(specs.items(), values)
            }

        numbers = tf.data.Dataset.range(len(self._lengths))
        if mode == TRAIN:
            numbers = _shuffle_by_length(numbers, self._lengths, batch_size, self._seed)
        else:
            numbers = numbers.batch(batch_size)
        batches = numbers.map(map_batch, num_parallel_calls=tf.data.AUTOTUNE)
        return batches.prefetch(2)
