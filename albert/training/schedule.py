"""The learning rate of each step."""

from __future__ import annotations

import tensorflow as tf

_AVERAGE_DELAY = 9.0  # steps: of n done, the average is over about the last n / 9


def average_decay_at(step: tf.Tensor, decay: float) -> tf.Tensor:
    """Return what an average keeps of itself at a step; the rest is the new value.

    It rises from 0, so that neither the first values nor the average's own initial
    value count for long: min(decay, n / (n + 9)) after n steps.

    Args:
        step: integer scalar, the updates done before this one.
        decay: what is kept in the end, in [0, 1).

    Returns:
        float32 scalar.
    """
    done = tf.cast(step, tf.float32)
    return tf.minimum(decay, done / (done + _AVERAGE_DELAY))


def learning_rate_at(
    step: tf.Tensor, peak: float, num_train_steps: int, num_warmup_steps: int
) -> tf.Tensor:
    """Return the learning rate of a step: linear warm-up, then linear decay to 0.

    Args:
        step: integer scalar, the number of the update, counted from 1: the global step
            after it. The recorded steps of the reference follow this count (under
            TensorFlow 1.15 its optimizers read the step after its increment).
        peak: the rate that the decay starts from (at step 0, warm-up or not).
        num_train_steps: where the decay reaches 0.
        num_warmup_steps: below it the rate is `peak * step / num_warmup_steps`.

    Returns:
        float32 scalar.
    """
    step = tf.cast(step, tf.float32)
    done = tf.minimum(step / num_train_steps, 1.0)
    decayed = peak * (1.0 - done)
    if num_warmup_steps == 0:
        return decayed
    return tf.where(step < num_warmup_steps, peak * step / num_warmup_steps, decayed)
