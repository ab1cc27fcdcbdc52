"""Layers whose gradients are written by hand, against TensorFlow's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from albert.modeling import layers

v1 = tf.compat.v1


def gelu_by_the_book(x):
    return 0.5 * x * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def standardise_by_the_book(x):
    mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    return (x - mean) / tf.sqrt(variance + 1e-12)


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (layers.gelu, gelu_by_the_book),
        (layers._standardise, standardise_by_the_book),
    ],
)
def test_value_and_gradient_are_those_of_the_formula(function, reference):
    rng = np.random.default_rng(5)
    numbers, upstream = np.float32(3.0 * rng.standard_normal((2, 50, 12)))
    results = []
    for candidate, dtype in ((function, tf.float32), (reference, tf.float64)):
        x = tf.constant(numbers, dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = candidate(x)
        gradient = tape.gradient(
            value, x, output_gradients=tf.constant(upstream, dtype)
        )
        results.append((value, gradient))
    for found, wanted in zip(*results):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("spread", [1.0, 300.0])
def test_cross_entropy_is_that_of_the_formula_wide_logits_included(spread):
    rng = np.random.default_rng(6)
    logits = np.float32(spread * rng.standard_normal((40, 300)))
    labels, upstream = rng.integers(0, 300, 40), np.float32(rng.random(40))
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        losses = layers.cross_entropy(x, tf.constant(labels))
    gradient = tape.gradient(losses, x, output_gradients=tf.constant(upstream))
    logits = logits.astype(np.float64)
    sums = np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    one_hot = np.eye(300)[labels]
    wanted = (sums - logits)[one_hot > 0]
    np.testing.assert_allclose(losses, wanted, rtol=1e-6, atol=1e-6)
    wanted = (np.exp(logits - sums) - one_hot) * upstream[:, np.newaxis]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-6)


def test_gelu_far_from_zero_is_the_identity_or_nothing():
    x = tf.constant([-60.0, -20.0, 0.0, 20.0, 60.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = layers.gelu(x)
    np.testing.assert_allclose(value, [0.0, 0.0, 0.0, 20.0, 60.0], atol=1e-6)
    slope = tape.gradient(value, x)
    np.testing.assert_allclose(slope, [0.0, 0.0, 0.5, 1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("name", layers.ACTIVATIONS)
def test_an_activation_is_the_same_function_without_training(name):
    x = tf.constant(np.linspace(-8, 8, 200), tf.float32)
    found = layers.activation(name, training=False)(x)
    wanted = layers.activation(name, training=True)(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_layers_keep_the_type_of_their_input(dtype):
    with tf.Graph().as_default():
        x = tf.zeros([4, 8], dtype)
        assert layers.gelu(x).dtype == dtype
        assert layers.layer_norm(x).dtype == dtype
        assert layers.dense(x, 3, 0.02).dtype == dtype
        bias = layers.attention_bias(tf.ones([2, 2], tf.int32))
        attended = layers.self_attention(x, bias, 2, 0.02, 0.0, False)
        assert attended.dtype == dtype
        assert {v.dtype.base_dtype for v in v1.global_variables()} == {tf.float32}
