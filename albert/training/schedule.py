"""The learning rate of each step."""

from __future__ import annotations

import tensorflow as tf


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
