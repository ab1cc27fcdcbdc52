"""The learning rate of each step."""

from __future__ import annotations

import tensorflow as tf

from albert.training.config import Schedule

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
    step: tf.Tensor,
    peak: float,
    num_train_steps: int,
    num_warmup_steps: int,
    schedule: Schedule = Schedule(),  # noqa: B008, it cannot be changed
) -> tf.Tensor:
    """Return the learning rate of a step: linear warm-up, then decay to 0.

    Args:
        step: integer scalar, the global step before the update where the schedule
            counts from 0, else after it. The recorded steps of albert_zh follow the
            latter (under TensorFlow 1.15 its optimizers read the step after its
            increment).
        peak: the rate that the decay starts from (at step 0, warm-up or not).
        num_train_steps: where the decay reaches 0.
        num_warmup_steps: below it the rate is `peak * step / num_warmup_steps`, or this
            share of the decayed rate.
        schedule: which of these, and the power of the decay.

    Returns:
        float32 scalar.
    """
    step = tf.cast(step, tf.float32)
    done = tf.minimum(step / num_train_steps, 1.0)
    decayed = peak * (1.0 - done) ** schedule.power
    if num_warmup_steps == 0:
        return decayed
    if schedule.warmup_multiplies:
        return decayed * tf.minimum(step / num_warmup_steps, 1.0)
    return tf.where(step < num_warmup_steps, peak * step / num_warmup_steps, decayed)
