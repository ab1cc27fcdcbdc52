"""Schedule and update rules, against hand calculation and recorded steps."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.training import optimization
from albert.training.optimization import GlobalBatchOptimizer, learning_rate_at
from albert.training.replicas import global_losses
from albert.training.task import TRAIN
from tests.golden import Golden, placeholders, relative_error

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
    assert optimization.decay_of(name) == decay


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


@pytest.mark.parametrize(("value", "gradient"), [([0.0, 0.0], [1.0, 2.0])])
def test_lamb_ratio_is_one_for_a_zero_variable(value, gradient):
    zero = tf.zeros(2)
    arguments = (tf.constant(gradient), tf.constant(value), zero, zero, 0.1, 0.0)
    np.testing.assert_array_equal(
        optimization.lamb_update(*arguments).value,
        optimization.adamw_update(*arguments).value,
    )


@pytest.mark.parametrize(("rule", "rate"), [("lamb", 0.00176), ("adamw", 1e-3)])
@pytest.mark.parametrize("layout", ["postln", "preln", "google"])
def test_six_steps_equal_the_recorded_ones(testdata, layout, rule, rate):
    golden = Golden(testdata / "modeling" / layout)
    with tf.Graph().as_default():
        inputs = placeholders(golden.batch(0))
        step = v1.train.get_or_create_global_step()
        loss = global_losses(
            golden.task.build(inputs, TRAIN, golden.build_encoder).losses
        ).share
        variables = v1.trainable_variables()
        optimizer = GlobalBatchOptimizer(rule, learning_rate_at(step + 1, rate, 6, 2))
        train = optimizer.apply_gradients(
            zip(tf.gradients(loss, variables), variables), step
        )
        with golden.session() as session:
            losses = []
            for index in (0, 1, 2, 0, 1, 2):
                feed = {inputs[n]: value for n, value in golden.batch(index).items()}
                losses.append(session.run((loss, train), feed)[0])
            final = session.run({v.op.name: v for v in variables})
            assert session.run(step) == 6
            names = {v.op.name for v in v1.global_variables()}
    np.testing.assert_allclose(losses, golden.arrays[f"{rule}/losses"], rtol=1e-4)
    wanted = golden.group(f"{rule}/final/")
    assert set(final) == set(wanted)
    for name, value in final.items():
        # The key bias has no gradient but rounding (1e-10 where others have 1e-2), and
        # LAMB scales its direction up to the variable's norm: its path is chance.
        limit = 1e-2 if name.endswith("key/bias") and rule == "lamb" else 1e-4
        assert relative_error(value, wanted[name]) < limit, name
    slot = {"lamb": "lamb_m", "adamw": "adam_m"}[rule]
    assert f"bert/pooler/dense/kernel/{slot}" in names


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
            with pytest.raises(
                tf.errors.InvalidArgumentError, match=optimization.NOT_FINITE
            ):
                session.run(train, {x: np.nan})
            assert session.run(step) == 0
            np.testing.assert_array_equal(session.run(variable), [1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([1.0, np.nan, np.nan], "second"),
        ([1.0, 1.0, np.inf], "third"),
        # Each square can be held, their sum cannot.
        ([1.5e19, 1.5e19, 1.5e19], optimization._ALL_TOGETHER),
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
                match=rf"{optimization.NOT_FINITE}\] \[{name}\]",
            ):
                session.run(train, {gradients: values})
