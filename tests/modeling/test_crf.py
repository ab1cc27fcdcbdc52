"""The CRF against enumeration over all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from albert.modeling import crf, crf_decoding

v1 = tf.compat.v1

SEEDS = range(5)


def _random_case(seed, longest=5, labels=4, batch=3):
    rng = np.random.default_rng(seed)
    emissions = rng.normal(size=(batch, longest, labels)).astype(np.float32) * 2
    transitions = rng.normal(size=(labels, labels)).astype(np.float32) * 2
    lengths = rng.integers(1, longest + 1, size=batch).astype(np.int32)
    gold = rng.integers(0, labels, size=(batch, longest)).astype(np.int32)
    return emissions, gold, lengths, transitions


def _random_legal(seed, labels=4):
    legal = np.random.default_rng(100 + seed).random((labels, labels)) < 0.6
    legal[0, 0] = True
    return legal


def _score(path, emissions, transitions):
    total = sum(float(emissions[step, label]) for step, label in enumerate(path))
    return total + sum(float(transitions[a, b]) for a, b in zip(path, path[1:]))


def _paths(length, labels):
    return list(itertools.product(range(labels), repeat=length))


def _enumerated_log_likelihood(emissions, gold, length, transitions):
    paths = _paths(length, emissions.shape[1])
    scores = [_score(path, emissions, transitions) for path in paths]
    partition = sum(np.exp(np.float64(score)) for score in scores)
    return _score(gold[:length], emissions, transitions) - np.log(partition)


def _log_likelihood(*arrays):
    with tf.Graph().as_default(), v1.Session() as session:
        return session.run(crf.log_likelihood(*map(tf.constant, arrays)))


@pytest.mark.parametrize("seed", SEEDS)
def test_log_likelihood_agrees_with_enumeration(seed):
    emissions, gold, lengths, transitions = _random_case(seed)
    expected = [
        _enumerated_log_likelihood(emissions[i], gold[i], lengths[i], transitions)
        for i in range(len(gold))
    ]
    found = _log_likelihood(emissions, gold, lengths, transitions)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_probabilities_of_all_paths_sum_to_one():
    emissions, _, _, transitions = _random_case(7, longest=4, batch=1)
    paths = np.array(_paths(4, 4), np.int32)
    found = _log_likelihood(
        np.repeat(emissions, len(paths), axis=0),
        paths,
        np.full(len(paths), 4, np.int32),
        transitions,
    )
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-4)


def test_a_sequence_of_one_column_is_a_softmax():
    emissions, gold, _, transitions = _random_case(3, longest=1)
    found = _log_likelihood(emissions, gold, np.ones(3, np.int32), transitions)
    picked = emissions[np.arange(3), 0, gold[:, 0]]
    expected = picked - np.log(np.exp(emissions[:, 0]).sum(axis=-1))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_lies_beyond_the_length_has_no_part():
    emissions, gold, _, transitions = _random_case(11)
    lengths = np.array([1, 2, 4], np.int32)
    before = _log_likelihood(emissions, gold, lengths, transitions)
    for row, length in enumerate(lengths):
        emissions[row, length:] = 50
        gold[row, length:] = 1
    after = _log_likelihood(emissions, gold, lengths, transitions)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("seed", SEEDS)
def test_illegal_transitions_leave_loss_and_gradients_finite(seed):
    emissions, gold, lengths, _ = _random_case(seed)
    legal = _random_legal(seed)
    legal[gold[0, 0], gold[0, 1]] = False
    lengths[0] = 5
    with tf.Graph().as_default(), v1.Session() as session:
        emitted = tf.constant(emissions)
        transitions = crf.transition_scores(legal)
        found = crf.log_likelihood(
            emitted, tf.constant(gold), tf.constant(lengths), transitions
        )
        gradients = tf.gradients(found, [emitted, *v1.trainable_variables()])
        session.run(v1.global_variables_initializer())
        value, *slopes = session.run([found, *gradients])
    assert np.isfinite(value).all()
    assert value[0] < -1000
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_only_legal_paths_share_the_probability():
    legal = _random_legal(2)
    emissions = np.zeros((1, 3, 4), np.float32)
    paths = _paths(3, 4)
    legal_paths = [p for p in paths if legal[p[0], p[1]] and legal[p[1], p[2]]]
    assert 1 < len(legal_paths) < len(paths)
    with tf.Graph().as_default(), v1.Session() as session:
        found = crf.log_likelihood(
            tf.constant(emissions),
            tf.constant([legal_paths[-1]]),
            tf.constant([3]),
            crf.transition_scores(legal),
        )
        session.run(v1.global_variables_initializer())
        value = session.run(found)
    assert value[0] == pytest.approx(-np.log(len(legal_paths)), abs=1e-5)


def test_transitions_are_a_variable_that_starts_at_zero():
    legal = np.array([[True, False], [True, True]])
    with tf.Graph().as_default(), v1.Session() as session:
        scores = crf.transition_scores(legal)
        (variable,) = v1.trainable_variables()
        assert variable.op.name == "crf/transitions"
        session.run(variable.initializer)
        np.testing.assert_array_equal(session.run(scores), [[0, -1e4], [0, 0]])
        variable.load([[1, 2], [3, 4]], session)
        np.testing.assert_array_equal(session.run(scores), [[1, 2 - 1e4], [3, 4]])


def _is_legal_path(path, legal):
    padded = [0, *path, 0]
    return all(legal[a, b] for a, b in zip(padded, padded[1:]))


@pytest.mark.parametrize("longest", [1, 2])
def test_a_batch_of_unknown_length_may_hold_single_characters(longest):
    emissions, gold, _, transitions = _random_case(3, longest=longest)
    lengths = np.ones(3, np.int32)
    with tf.Graph().as_default(), v1.Session() as session:
        holders = [
            v1.placeholder(tf.float32, [None, None, 4]),
            v1.placeholder(tf.int32, [None, None]),
            v1.placeholder(tf.int32, [None]),
        ]
        result = crf.log_likelihood(*holders, tf.constant(transitions))
        gradient = tf.gradients(result, holders[0])[0]
        feed = dict(zip(holders, (emissions, gold, lengths)))
        found, slope = session.run((result, gradient), feed)
    expected = [
        _enumerated_log_likelihood(emissions[i], gold[i], 1, transitions)
        for i in range(3)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.isfinite(slope).all()


def _decode_in_graph(emissions, lengths, transitions, legal):
    with tf.Graph().as_default(), v1.Session() as session:
        labels = transitions.shape[0]
        holder = v1.placeholder(tf.float32, [None, None, labels])
        paths = crf.viterbi_batch(
            holder, tf.constant(lengths), tf.constant(transitions), legal
        )
        return session.run(paths, {holder: emissions})


@pytest.mark.slow
@pytest.mark.parametrize("longest", [1, 2, 9])
@pytest.mark.parametrize("ties", [False, True])
def test_viterbi_in_the_graph_takes_the_paths_of_numpy(longest, ties):
    """With ties, scores are 0 or 1: many paths are equally good."""
    for seed in SEEDS:
        emissions, _, lengths, transitions = _random_case(
            seed, longest, labels=5, batch=8
        )
        if ties:
            emissions, transitions = np.sign(emissions), np.sign(transitions)
        legal = _random_legal(seed, labels=5)
        found = _decode_in_graph(emissions, lengths, transitions, legal)
        chain = crf_decoding.make_chain(emissions, lengths, transitions, legal)
        within = np.arange(longest) < lengths[:, None]
        wanted = np.where(within, crf_decoding.best_paths(chain), 0)
        np.testing.assert_array_equal(found, wanted)


def test_viterbi_in_the_graph_agrees_with_enumeration():
    emissions, _, _, transitions = _random_case(4, longest=4, batch=6)
    legal = _random_legal(4)
    lengths = np.array([4, 3, 2, 1, 4, 4], np.int32)
    found = _decode_in_graph(emissions, lengths, transitions, legal)
    for row, length in enumerate(lengths):
        paths = [p for p in _paths(length, 4) if _is_legal_path(p, legal)]
        best = max(paths, key=lambda p: _score(p, emissions[row], transitions))
        assert tuple(found[row, :length]) == best
        assert not found[row, length:].any()


def _marginals(emissions, lengths, transitions, legal):
    with tf.Graph().as_default(), v1.Session() as session:
        lengths = tf.constant(lengths)
        chain = crf.leave_legal_paths(
            tf.constant(emissions), lengths, tf.constant(transitions), legal
        )
        sums = crf.path_sums(chain[0], lengths, chain[1])
        return session.run(crf.marginals(sums, lengths))


@pytest.mark.parametrize("seed", SEEDS)
def test_marginals_agree_with_enumeration_of_the_legal_paths(seed):
    emissions, _, lengths, transitions = _random_case(seed, longest=4)
    legal = _random_legal(seed)
    found = _marginals(emissions, lengths, transitions, legal)
    for row, length in enumerate(lengths):
        wanted = np.zeros((4, 4))
        for path in _paths(length, 4):
            if _is_legal_path(path, legal):
                weight = np.exp(np.float64(_score(path, emissions[row], transitions)))
                wanted[np.arange(length), path] += weight
        wanted /= wanted[0].sum()
        np.testing.assert_allclose(found[row], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cost_of_a_miss_is_added_to_each_path_that_misses(seed):
    emissions, gold, lengths, transitions = _random_case(seed)
    cost = 0.7
    with tf.Graph().as_default(), v1.Session() as session:
        raised = crf.add_miss_cost(tf.constant(emissions), tf.constant(gold), cost)
        inputs = map(tf.constant, (gold, lengths, transitions))
        found = session.run(crf.log_likelihood(raised, *inputs))
    for row, length in enumerate(lengths):
        truth = gold[row, :length]
        paths = _paths(length, emissions.shape[2])
        missed = [sum(a == 0 and b != 0 for a, b in zip(p, truth)) for p in paths]
        scores = [_score(p, emissions[row], transitions) for p in paths]
        total = np.log(sum(np.exp(s + cost * m) for s, m in zip(scores, missed)))
        expected = _score(truth, emissions[row], transitions) - total
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-4)
