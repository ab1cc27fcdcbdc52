"""Vectors beside the encoder's, against sums in NumPy."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from albert.modeling import beside

v1 = tf.compat.v1


def run(build):
    """Return what `build` makes, and the variables by name."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        output = build()
        session.run(v1.global_variables_initializer())
        variables = {v.op.name: session.run(v) for v in v1.global_variables()}
        trained = {v.op.name for v in v1.trainable_variables()}
        return session.run(output), variables, trained


def test_a_set_is_the_weighted_sum_of_its_terms():
    vectors = np.float32([[1, 10], [2, 20], [3, 30]])
    # One token; two places in each of four sets.
    ids = [[[1, 3, 0, 0, 2, 0, 0, 0]]]
    weights = [[[0.5, 2.0, 0, 0, 1.5, 0, 0, 0]]]
    found, variables, trained = run(
        lambda: beside.lexicon_vectors(
            tf.constant(ids), tf.constant(weights), 3, 2, vectors
        )
    )
    # 0.5 * (1, 10) + 2 * (3, 30); nothing; 1.5 * (2, 20); nothing.
    assert found.tolist() == [[[6.5, 65, 0, 0, 3, 30, 0, 0]]]
    assert trained == {"lexicon/terms"}
    np.testing.assert_array_equal(variables["lexicon/terms"], vectors)


def test_vectors_of_terms_without_a_file_have_a_norm_of_about_one():
    _, variables, _ = run(
        lambda: beside.lexicon_vectors(
            tf.zeros([1, 1, 4], tf.int32), tf.zeros([1, 1, 4]), 500, 50
        )
    )
    norms = np.linalg.norm(variables["lexicon/terms"], axis=1)
    assert abs(norms.mean() - 1) < 0.02


def test_bigrams_are_mapped_and_stay_as_they_are():
    vectors = np.float32([[1, 2], [3, 4]])
    found, variables, trained = run(
        lambda: beside.bigram_vectors(tf.constant([[[0, 2], [2, 1]]]), 2, 2, vectors)
    )
    both = np.float32([[0, 0, 3, 4], [3, 4, 1, 2]])
    wanted = np.tanh(both @ variables["bigrams/dense/kernel"])
    np.testing.assert_allclose(found[0], wanted, rtol=1e-5)
    assert trained == {"bigrams/dense/kernel", "bigrams/dense/bias"}
    np.testing.assert_array_equal(variables["bigrams/vectors"], vectors)


def test_vectors_of_a_file_do_not_lie_in_the_graph():
    vectors = np.float32(np.arange(4000)).reshape(80, 50)
    with tf.Graph().as_default() as graph:
        ids, weights = tf.zeros([1, 1, 4], tf.int32), tf.zeros([1, 1, 4])
        beside.lexicon_vectors(ids, weights, *vectors.shape, vectors)
        beside.bigram_vectors(ids[:, :, :2], *vectors.shape, vectors)
        consts = [node for node in graph.as_graph_def().node if node.op == "Const"]
    assert max(node.ByteSize() for node in consts) < 1000  # of 16,000 in one table


def test_places_have_a_vector_each_and_none_is_zero():
    found, variables, _ = run(
        lambda: beside.boundary_vectors(tf.constant([[0, 4, 1, 4]]))
    )
    table = variables["word_boundaries/places"]
    assert table.shape == (4, 8)
    np.testing.assert_array_equal(found[0], [np.zeros(8), table[3], table[0], table[3]])
