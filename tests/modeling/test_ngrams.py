"""N-gram scores against a table that is looked up token by token."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from albert.modeling.ngrams import NUM_ROWS, TEMPLATES, ngram_rows, ngram_scores
from tests.modeling import ngram_reference

v1 = tf.compat.v1


def make_batch():
    rng = np.random.RandomState(2)
    mask = (np.arange(7) < np.array([[7], [3], [1]])).astype(np.int32)
    return rng.randint(1, 20_000, (3, 7)).astype(np.int32), mask


def test_rows_are_hashes_of_what_stands_around_a_token():
    ids, mask = make_batch()
    with tf.Graph().as_default(), v1.Session() as session:
        rows = session.run(ngram_rows(tf.constant(ids), tf.constant(mask)))
    for row, tokens, used in zip(rows, ids, mask.sum(axis=1)):
        assert row[:used].tolist() == ngram_reference.rows(
            tokens[:used].tolist(), NUM_ROWS
        )


def test_a_trigram_is_seen_wherever_it_stands_and_its_order_counts():
    ids = np.array([[1, 2, 3, 9, 9, 1, 2, 3, 9, 3, 2, 1]], np.int32)
    with tf.Graph().as_default(), v1.Session() as session:
        found = ngram_rows(tf.constant(ids), tf.ones_like(tf.constant(ids)))
        rows = session.run(found)[0]
    column = TEMPLATES.index((-1, 0, 1))
    assert rows[1, column] == rows[6, column] != rows[10, column]


def test_scores_are_sums_of_rows_and_zero_at_first():
    ids, mask = make_batch()
    with tf.Graph().as_default(), v1.Session() as session:
        scores = ngram_scores(tf.constant(ids), tf.constant(mask), 4)
        session.run(v1.global_variables_initializer())
        assert not session.run(scores).any()
        (variable,) = v1.trainable_variables()
        assert variable.op.name == "ngrams/weights"
        table = np.random.RandomState(3).normal(size=(NUM_ROWS, 4)).astype(np.float32)
        variable.load(table, session)
        found = session.run(scores)
    wanted = table[np.array(ngram_reference.rows(ids[0].tolist(), NUM_ROWS))].sum(
        axis=1
    )
    np.testing.assert_allclose(found[0], wanted, atol=1e-5)
