"""The vector of a long text from those of its windows, against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.modeling.windows import JOINED, join_windows
from albert.tasks.classification.config import LONG_TEXT_KINDS

v1 = tf.compat.v1

RNG = np.random.default_rng(1)
VECTORS = RNG.normal(size=(2, 3, 4)).astype(np.float32)
MASK = np.array([[1, 1, 0], [1, 1, 1]])
COUNTS = MASK.sum(axis=1)


def run(kind, values=()):
    with tf.Graph().as_default(), v1.Session() as session:
        mask = tf.constant(MASK, tf.int32)
        joined = join_windows(kind, tf.constant(VECTORS), mask, 0.02)
        session.run(v1.global_variables_initializer())
        for variable, value in zip(v1.trainable_variables(), values):
            variable.load(value, session)
        names = [v.op.name for v in v1.trainable_variables()]
        return session.run(joined), names


def test_settings_and_table_have_the_same_kinds():
    assert ("none", *JOINED) == LONG_TEXT_KINDS


@pytest.mark.parametrize(("kind", "join"), [("mean", np.mean), ("max", np.max)])
def test_padding_has_no_part(kind, join):
    expected = [join(row[:n], axis=0) for row, n in zip(VECTORS, COUNTS)]
    np.testing.assert_allclose(run(kind)[0], expected, rtol=1e-6)


def test_attention_weighs_by_a_learned_product():
    kernel, bias, context = (RNG.normal(size=s) for s in ((4, 4), (4,), (4,)))
    expected = []
    for row, count in zip(VECTORS, COUNTS):
        weights = np.exp(np.tanh(row[:count] @ kernel + bias) @ context)
        expected.append(weights / weights.sum() @ row[:count])
    found, names = run("attention", [kernel, bias, context])
    assert names == ["windows/dense/kernel", "windows/dense/bias", "windows/context"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
