"""Stopping where a gradient is not finite, before a variable takes it up."""

from __future__ import annotations

from typing import Sequence

import tensorflow as tf

NOT_FINITE = "gradient or loss is not finite"  # marks the error of `check_finite`
_ALL_TOGETHER = "all variables together"  # named where only the sum is too large


def check_finite(
    passes: tf.Tensor, squares: tf.Tensor, names: Sequence[str]
) -> tf.Tensor:
    """Return what fails with NOT_FINITE and the first bad variable's name.

    Args:
        passes: boolean scalar, whether not to fail.
        squares: float32 [N], the squared norm of each gradient.
        names: of their N variables.
    """

    def fail() -> tf.Tensor:
        bad = tf.logical_not(tf.math.is_finite(squares))
        index = tf.where(tf.reduce_any(bad), tf.argmax(bad), len(names))
        name = tf.gather([*names, _ALL_TOGETHER], index)
        assertion = tf.debugging.Assert(False, [NOT_FINITE, name])
        with tf.control_dependencies([assertion]):
            return tf.constant(False)

    # XLA would leave the assertion out.
    with tf.xla.experimental.jit_scope(compile_ops=False):
        return tf.cond(passes, lambda: tf.constant(True), fail)
