"""Windows over long sentences, planned in the graph."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Windows(NamedTuple):
    """See `albert.tasks.ner.examples.Window`; int32, [W] each, sentence by sentence."""

    sentence: tf.Tensor
    start: tf.Tensor
    end: tf.Tensor
    first: tf.Tensor
    last: tf.Tensor


def plan_windows(lengths: tf.Tensor, capacity: int) -> Windows:
    """Cover sentences by windows, as `albert.tasks.ner.examples.plan_windows` does.

    Args:
        lengths: int32, [S], columns of each.
        capacity: how many a window holds.
    """
    stride = capacity // 2
    intervals = tf.maximum(0, -(-(lengths - capacity) // stride))
    counts = intervals + 1
    sentence = tf.repeat(tf.range(tf.size(lengths)), counts)
    size, steps = tf.gather(lengths, sentence), tf.gather(intervals, sentence)
    number = tf.range(tf.size(sentence)) - tf.gather(
        tf.cumsum(counts, exclusive=True), sentence
    )

    def start_of(index: tf.Tensor) -> tf.Tensor:
        return index * tf.maximum(0, size - capacity) // tf.maximum(1, steps)

    def middle(index: tf.Tensor) -> tf.Tensor:
        return (start_of(index) + start_of(index + 1) + capacity) // 2

    start = start_of(number)
    first = tf.where(tf.equal(number, 0), 0, middle(number - 1))
    last = tf.where(tf.equal(number, steps), size, middle(number))
    return Windows(sentence, start, tf.minimum(start + capacity, size), first, last)
