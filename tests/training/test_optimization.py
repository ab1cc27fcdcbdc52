"""Schedule and update rules, against hand calculation and recorded steps."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.training import finite, optimization
from albert.training.config import Schedule
from albert.training.finite import NOT_FINITE
from albert.training.optimization import GlobalBatchOptimizer
from albert.training.schedule import learning_rate_at

v1 = tf.compat.v1


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.0),  # warm-up starts at 0
        (5, 0.5),  # halfway up
        (10, 0.9),  # past the warm-up: the decay has run since step 0
        (50, 0.5),
        (100, 0.0),
        (140, 0.0),  # stays there
    ],
)
def test_rate_rises_to_the_warm_up_and_falls_to_the_last_step(step, rate):
    found = learning_rate_at(tf.constant(step), 1.0, 100, 10)
    assert float(found) == pytest.approx(rate)


def test_rate_without_warm_up_starts_at_its_peak():
    assert float(learning_rate_at(tf.constant(0), 0.3, 10, 0)) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        # ELECTRA's recorded steps 0 to 4 of 10, 2 of warm-up, from a rate of 2e-3.
        (Schedule(1.0, True, True), [0.0, 9e-4, 16e-4, 14e-4]),
        (Schedule(1.0, True, False), [9e-4, 16e-4, 14e-4, 12e-4]),
        (Schedule(2.0, True, True), [0.0, 81e-5, 128e-5, 98e-5]),
        # BERT's warm-up stands in place of the decay.
        (Schedule(), [10e-4, 16e-4, 14e-4, 12e-4]),
    ],
)
def test_schedules_differ_in_power_warm_up_and_first_step(schedule, rates):
    """The third by hand: 2e-3 times 0.9 squared, half of it; 0.8 and 0.7 squared."""
    steps = [n if schedule.counts_from_0 else n + 1 for n in range(4)]
    found = [learning_rate_at(tf.constant(n), 2e-3, 10, 2, schedule) for n in steps]
    np.testing.assert_allclose(found, rates, rtol=1e-6)


@pytest.mark.parametrize(("unsummed", "moment"), [(False, 0.1), (True, 0.14)])
def test_norm_of_looked_up_rows_before_or_after_their_sum(unsummed, moment):
    """Rows (3, 0) and (4, 0) of one id: the norm is 5 before the sum, 7 after it."""
    with tf.Graph().as_default(), v1.Session() as session:
        table = v1.get_variable("table", [3, 2], use_resource=True)
        rows = tf.IndexedSlices(tf.constant([[3.0, 0.0], [4.0, 0.0]]), [1, 1], [3, 2])
        settings = optimization.DEFAULTS._replace(clip_by_unsummed_rows=unsummed)
        optimizer = GlobalBatchOptimizer("adamw", tf.constant(0.0), settings=settings)
        train_op = optimizer.apply_gradients([(rows, table)])
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        found = session.run(optimizer.get_slot(table, "adam_m"))
    np.testing.assert_allclose(found, [[0, 0], [moment, 0], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "decay"),
    [
        ("bert/pooler/dense/kernel", 0.01),
        ("bert/embeddings/word_embeddings", 0.01),
        ("bert/pooler/dense/bias", 0.0),
        ("cls/predictions/output_bias", 0.0),
        ("bert/embeddings/LayerNorm/gamma", 0.0),
        ("x/layer_norm/gamma", 0.0),
    ],
)
def test_weights_decay_but_not_biases_and_norms(name, decay):
    assert optimization.decay_of(name, 0.01) == decay


def hand_direction(gradient, value):
    """The first Adam step from zero moments, decay 0.01, without bias correction."""
    m, v = 0.1 * gradient, 0.001 * gradient**2
    return m / (np.sqrt(v) + 1e-6) + 0.01 * value


def test_adamw_step_by_hand():
    gradient, value = np.float32([0.5, -2.0]), np.float32([3.0, 4.0])
    zero = tf.zeros(2)
    new = optimization.adamw_update(
        tf.constant(gradient), tf.constant(value), zero, zero, 0.1, 0.01
    )
    wanted = value - 0.1 * hand_direction(gradient, value)
    np.testing.assert_allclose(new.value, wanted, rtol=1e-6)
    np.testing.assert_allclose(new.m, 0.1 * gradient, rtol=1e-5)
    np.testing.assert_allclose(new.v, 0.001 * gradient**2, rtol=1e-4)


def test_lamb_step_by_hand_is_scaled_by_the_ratio_of_norms():
    gradient, value = np.float32([0.5, -2.0]), np.float32([3.0, 4.0])
    zero = tf.zeros(2)
    new = optimization.lamb_update(
        tf.constant(gradient), tf.constant(value), zero, zero, 0.1, 0.01
    )
    direction = hand_direction(gradient, value)
    wanted = value - 0.1 * 5.0 / np.sqrt(np.sum(direction**2)) * direction
    np.testing.assert_allclose(new.value, wanted, rtol=1e-5)


def test_constants_of_the_moments_can_be_chosen():
    gradient, value = np.float32([0.5, -2.0]), np.float32([3.0, 4.0])
    m, v = np.float32([0.2, 0.1]), np.float32([0.04, 0.09])
    new = optimization.adamw_update(
        *map(tf.constant, (gradient, value, m, v)),
        0.1,
        0.0,
        optimization.OptimizerSettings(beta1=0.5, beta2=0.75, epsilon=0.5),
    )
    # m: (0.1 + 0.25, 0.05 - 1); v: (0.03 + 0.0625, 0.0675 + 1).
    np.testing.assert_allclose(new.m, [0.35, -0.95], rtol=1e-6)
    np.testing.assert_allclose(new.v, [0.0925, 1.0675], rtol=1e-6)
    wanted = value - 0.1 * np.array([0.35, -0.95]) / (np.sqrt([0.0925, 1.0675]) + 0.5)
    np.testing.assert_allclose(new.value, wanted, rtol=1e-6)


@pytest.mark.parametrize(("value", "gradient"), [([0.0, 0.0], [1.0, 2.0])])
def test_lamb_ratio_is_one_for_a_zero_variable(value, gradient):
    zero = tf.zeros(2)
    arguments = (tf.constant(gradient), tf.constant(value), zero, zero, 0.1, 0.0)
    np.testing.assert_array_equal(
        optimization.lamb_update(*arguments).value,
        optimization.adamw_update(*arguments).value,
    )


def test_a_gradient_that_is_not_finite_stops_before_any_variable_changes():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [])
        variable = v1.get_variable("w", initializer=[1.0, 2.0])
        step = v1.train.get_or_create_global_step()
        train = GlobalBatchOptimizer("adamw", tf.constant(0.1)).apply_gradients(
            [(tf.stack([x, 1.0]), variable)], step
        )
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            with pytest.raises(tf.errors.InvalidArgumentError, match=NOT_FINITE):
                session.run(train, {x: np.nan})
            assert session.run(step) == 0
            np.testing.assert_array_equal(session.run(variable), [1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([1.0, np.nan, np.nan], "second"),
        ([1.0, 1.0, np.inf], "third"),
        # Each square can be held, their sum cannot.
        ([1.5e19, 1.5e19, 1.5e19], finite._ALL_TOGETHER),
    ],
)
def test_the_first_variable_whose_gradient_is_not_finite_is_named(values, name):
    with tf.Graph().as_default():
        gradients = v1.placeholder(tf.float32, [3])
        variables = [v1.get_variable(n, []) for n in ("first", "second", "third")]
        train = GlobalBatchOptimizer("adamw", tf.constant(0.1)).apply_gradients(
            list(zip(tf.unstack(gradients), variables))
        )
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            with pytest.raises(
                tf.errors.InvalidArgumentError,
                match=rf"{NOT_FINITE}\] \[{name}\]",
            ):
                session.run(train, {gradients: values})
