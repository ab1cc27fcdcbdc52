"""Layers between encoder and head: shapes, padding, and LSTMs against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.modeling.context import CONTEXTS, add_context
from albert.tasks.ner.config import CONTEXT_KINDS
from tests.golden import load_values
from tests.modeling import local_reference

v1 = tf.compat.v1

LENGTHS = np.array([5, 2])
MASK = (np.arange(5) < LENGTHS[:, None]).astype(np.int32)


def make_sequence(seed=0, width=6):
    return np.random.RandomState(seed).normal(size=(2, 5, width)).astype(np.float32)


def run(kind, *sequences):
    """The outputs of one layer with random variables, and its variables."""
    with tf.Graph().as_default(), v1.Session() as session:
        outputs = []
        for sequence in sequences:
            with v1.variable_scope("", reuse=v1.AUTO_REUSE):
                inputs = (tf.constant(sequence), tf.constant(MASK))
                outputs.append(add_context(kind, *inputs, 0.3, False))
        rng = np.random.RandomState(4)
        trained = v1.trainable_variables()
        values = [rng.normal(0.1, 0.4, v.shape).astype(np.float32) for v in trained]
        load_values(session, list(zip(trained, values)))
        variables = {v.op.name: v for v in v1.trainable_variables()}
        assert all(name.startswith("context/") for name in variables)
        return session.run([outputs, variables])


def test_settings_and_table_have_the_same_kinds():
    assert ("none", *CONTEXTS) == CONTEXT_KINDS


def test_none_leaves_the_vectors():
    sequence = make_sequence()
    (found,), variables = run("none", sequence)
    np.testing.assert_array_equal(found, sequence)
    assert not variables


def test_lstms_are_those_of_numpy():
    sequence = make_sequence()
    (found,), variables = run("bilstm", sequence)
    assert found.shape == sequence.shape
    for row, length in zip(range(2), LENGTHS):
        x = sequence[row, :length]
        forward = local_reference.lstm(x, variables, "context/forward")
        backward = local_reference.lstm(x[::-1], variables, "context/backward")[::-1]
        wanted = np.concatenate([forward, backward], axis=1)
        np.testing.assert_allclose(found[row, :length], wanted, atol=1e-5)


@pytest.mark.parametrize("kind", CONTEXTS)
def test_padding_has_no_part_and_other_tokens_have(kind):
    sequence = make_sequence()
    padding, token = sequence.copy(), sequence.copy()
    padding[1, 2:] += 5.0
    token[0, 4] *= -1.0
    (before, after, moved), _ = run(kind, sequence, padding, token)
    np.testing.assert_allclose(before[MASK == 1], after[MASK == 1], atol=1e-6)
    assert np.abs(before - moved)[0, 0].max() > 1e-4  # four tokens away


def test_an_odd_width_gets_one_more_for_the_two_lstms():
    (found,), _ = run("bilstm", make_sequence(width=7))
    assert found.shape == (2, 5, 8)
