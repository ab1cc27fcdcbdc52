"""Dynamic loss scaling, so that float16 gradients do not vanish.

Micikevicius et al., "Mixed Precision Training" (2018), section 3.2: the loss is
multiplied by a scale before the gradients are taken, which are divided by it after.
A step whose gradient overflows is skipped and the scale halved; after many good steps
it doubles.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

import tensorflow as tf

v1 = tf.compat.v1

INITIAL_SCALE = 2.0**15
STEPS_TO_GROW = 2000
_SMALLEST, _LARGEST = 1.0, 2.0**24


class ScaleState(NamedTuple):
    """Where the scaling stands; scalars.

    Attributes:
        scale: float32, a power of two.
        good_steps: int64, finite steps since the scale last changed.
        skipped_steps: int64, steps skipped so far.
    """

    scale: tf.Tensor
    good_steps: tf.Tensor
    skipped_steps: tf.Tensor


def next_state(state: ScaleState, finite: tf.Tensor) -> ScaleState:
    """Return the state after a step.

    Args:
        finite: bool scalar, whether the step's gradient was finite.
    """
    grows = tf.logical_and(finite, state.good_steps + 1 >= STEPS_TO_GROW)
    factor = tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
    scale = tf.clip_by_value(state.scale * factor, _SMALLEST, _LARGEST)
    counts = tf.logical_and(finite, tf.logical_not(grows))
    return ScaleState(
        scale,
        tf.where(counts, state.good_steps + 1, tf.zeros_like(state.good_steps)),
        state.skipped_steps + tf.cast(tf.logical_not(finite), tf.int64),
    )


class LossScale:
    """The state as variables of the graph, equal on every replica.

    They are local variables: no checkpoint holds them, so that a run can be resumed
    with another precision. A resumed run finds its scale anew within a few steps.
    """

    def __init__(self):
        """Create the variables; in replica context."""
        initial = ScaleState(
            tf.constant(INITIAL_SCALE),
            tf.constant(0, tf.int64),
            tf.constant(0, tf.int64),
        )
        with v1.variable_scope("loss_scale"):
            self._variables = ScaleState(
                *(
                    v1.get_variable(
                        name,
                        initializer=value,
                        trainable=False,
                        collections=[v1.GraphKeys.LOCAL_VARIABLES],
                        aggregation=v1.VariableAggregation.ONLY_FIRST_REPLICA,
                    )
                    for name, value in initial._asdict().items()
                )
            )
        # Read before the step's update.
        self._state = ScaleState(*(tf.identity(v) for v in self._variables))

    @property
    def scale(self) -> tf.Tensor:
        """What to multiply the loss by in this step; float32 scalar."""
        return self._state.scale

    @property
    def skipped_steps(self) -> tf.Tensor:
        """Steps skipped before this one; int64 scalar."""
        return self._state.skipped_steps

    @property
    def can_sink(self) -> tf.Tensor:
        """Whether a smaller scale is left to try; bool scalar."""
        return self._state.scale > _SMALLEST

    def unscale(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Return the gradients of the loss itself."""
        return [gradient / self._state.scale for gradient in gradients]

    def after_step(self, finite: tf.Tensor) -> ScaleState:
        """Return the state to take up after this step; in replica context."""
        return next_state(self._state, finite)

    def update(self, strategy, new: ScaleState) -> list[tf.Operation]:
        """Return the operations that take up `new`; in cross-replica context."""
        operations = []
        for variable, value in zip(self._variables, new):
            operations += strategy.extended.update(
                variable, _assign, args=(value,), group=False
            )
        return operations


def _assign(variable: tf.Variable, value: tf.Tensor) -> tf.Operation:
    return variable.assign(value, read_value=False)
