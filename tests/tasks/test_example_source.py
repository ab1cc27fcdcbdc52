"""Examples in memory: what a graph holds of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from albert.tasks.example_source import ExampleSource, pad
from albert.training.task import EVAL, TRAIN

v1 = tf.compat.v1
FEATURES = {"ids": tf.TensorSpec([None, None], tf.int32)}


class Rows(ExampleSource):
    """Example i is i + 1 times the number i."""

    def __init__(self, count):
        super().__init__(lambda mode: FEATURES, [i + 1 for i in range(count)], seed=1)

    def make_batch(self, numbers):
        return {"ids": pad([[i] * (i + 1) for i in numbers])}


def test_rows_are_filled_up_with_zeros():
    assert pad([[1, 2, 3], [4]]).tolist() == [[1, 2, 3], [4, 0, 0]]
    assert pad([[7]]).dtype == np.int32


@pytest.mark.parametrize("mode", [TRAIN, EVAL])
def test_a_graph_does_not_grow_with_the_data(mode):
    sizes = []
    for count in (100, 100_000):
        with tf.Graph().as_default() as graph:
            v1.data.make_initializable_iterator(Rows(count).read(mode, 4)).get_next()
            sizes.append(graph.as_graph_def().ByteSize())
    # Numbers as 100,000 take some bytes more than 100; the data would take 400 kB.
    assert abs(sizes[1] - sizes[0]) < 100


def test_evaluation_reads_each_once_in_order():
    batches = list(Rows(5).read(EVAL, 2).as_numpy_iterator())
    assert [batch["ids"].max(axis=1).tolist() for batch in batches] == [
        [0, 1],
        [2, 3],
        [4],
    ]
    assert [batch["ids"].shape for batch in batches] == [(2, 2), (2, 4), (1, 5)]


def test_training_batches_are_whole_across_passes():
    """Two passes over 6 are 3 batches of 4, the second of both."""
    batches = list(Rows(6).read(TRAIN, 4).take(3).as_numpy_iterator())
    assert [len(batch["ids"]) for batch in batches] == [4, 4, 4]
    seen = [int(row.max()) for batch in batches for row in batch["ids"]]
    assert sorted(seen) == sorted([*range(6), *range(6)])


def test_training_sees_none_more_often_than_others():
    """Of 8 in batches of 4, two batches at a time change places.

    So of the first 21 batches, 10 passes and a half, one is missing among 20.
    """
    batches = list(Rows(8).read(TRAIN, 4).take(20).as_numpy_iterator())
    seen = Counter(int(row.max()) for batch in batches for row in batch["ids"])
    assert sorted(seen) == [*range(8)]
    assert sum(seen.values()) == 80
    assert set(seen.values()) <= {9, 10, 11}
