"""Dynamic loss scaling."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.training import loss_scale
from albert.training.finite import NOT_FINITE
from albert.training.loss_scale import LossScale, ScaleState, next_state
from albert.training.optimization import GlobalBatchOptimizer

v1 = tf.compat.v1


def state(scale, good=0, skipped=0):
    return ScaleState(
        tf.constant(scale, tf.float32),
        tf.constant(good, tf.int64),
        tf.constant(skipped, tf.int64),
    )


@pytest.mark.parametrize(
    ("before", "finite", "after"),
    [
        ((8.0, 5, 1), True, (8.0, 6, 1)),
        ((8.0, 1999, 1), True, (16.0, 0, 1)),  # the 2,000th good step
        ((8.0, 1999, 1), False, (4.0, 0, 2)),
        ((1.0, 3, 0), False, (1.0, 0, 1)),  # as small as it gets
        ((2.0**24, 1999, 0), True, (2.0**24, 0, 0)),  # as large
    ],
)
def test_scale_after_a_step(before, finite, after):
    found = next_state(state(*before), tf.constant(finite))
    assert tuple(float(x) for x in found) == after


@pytest.fixture
def scaled_step():
    """A variable [1, 2], its gradient fed, and a step of AdamW with loss scaling."""
    with tf.Graph().as_default():
        gradient = v1.placeholder(tf.float32, [2])
        variable = v1.get_variable("w", initializer=[1.0, 2.0])
        step = v1.train.get_or_create_global_step()
        scale = LossScale()
        train = GlobalBatchOptimizer("adamw", tf.constant(0.1), scale).apply_gradients(
            [(gradient * scale.scale, variable)], step
        )
        with v1.Session() as session:
            session.run(
                [v1.global_variables_initializer(), v1.local_variables_initializer()]
            )
            yield session, gradient, train, (variable, step, scale)


def test_a_step_that_overflows_is_skipped_counted_and_halves_the_scale(scaled_step):
    session, gradient, train, (variable, step, scale) = scaled_step
    session.run(train, {gradient: [np.inf, 1.0]})
    np.testing.assert_array_equal(session.run(variable), [1.0, 2.0])
    slots = [v for v in v1.global_variables() if v.op.name.startswith("w/")]
    assert len(slots) == 2
    for slot in session.run(slots):
        np.testing.assert_array_equal(slot, [0.0, 0.0])
    assert session.run([step, scale.skipped_steps, scale.scale]) == [0, 1, 2.0**14]
    session.run(train, {gradient: [0.3, 0.4]})
    assert session.run([step, scale.skipped_steps, scale.scale]) == [1, 1, 2.0**14]


def test_the_step_does_not_depend_on_the_scale(scaled_step):
    session, gradient, train, (variable, _, _) = scaled_step
    session.run(train, {gradient: [0.3, -0.4]})
    # By hand, as in Adam's first step without bias correction; no clipping: norm 0.5.
    g, w = np.float32([0.3, -0.4]), np.float32([1.0, 2.0])
    wanted = w - 0.1 * (0.1 * g / (np.sqrt(0.001 * g**2) + 1e-6) + 0.01 * w)
    np.testing.assert_allclose(session.run(variable), wanted, rtol=1e-5)


def test_numbers_that_no_scale_can_help_end_training(scaled_step):
    session, gradient, train, (variable, step, _) = scaled_step
    halvings = int(np.log2(loss_scale.INITIAL_SCALE))
    for _ in range(halvings):
        session.run(train, {gradient: [np.nan, 1.0]})
    with pytest.raises(tf.errors.InvalidArgumentError, match=NOT_FINITE):
        session.run(train, {gradient: [np.nan, 1.0]})
    np.testing.assert_array_equal(session.run(variable), [1.0, 2.0])
    assert session.run(step) == 0


def test_no_checkpoint_holds_the_state(scaled_step):
    assert not [v for v in v1.global_variables() if "loss_scale" in v.op.name]
