"""Decoding in batches against single sequences and against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from albert.modeling import crf_decoding
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme
from tests.modeling.crf_reference import viterbi


def random_chain(seed, scheme="BIO", lengths=(5, 1, 3), ties=False):
    random = np.random.default_rng(seed)
    label_set = LabelSet(find_scheme(scheme), ("A", "B"))
    size = len(label_set.labels)
    emissions = random.normal(size=(len(lengths), max(lengths), size))
    transitions = random.normal(size=(size, size))
    if ties:
        emissions, transitions = np.round(emissions), np.round(transitions)
    return label_set, emissions, np.array(lengths), transitions


def path_scores(emissions, transitions, legal):
    """Return {path: score} of every legal path of one sequence."""
    length, size = emissions.shape
    scores = {}
    for path in itertools.product(range(size), repeat=length):
        if not (legal[0, path[0]] and legal[path[-1], 0]):
            continue
        if not all(legal[a, b] for a, b in zip(path, path[1:])):
            continue
        scores[path] = sum(emissions[t, y] for t, y in enumerate(path)) + sum(
            transitions[a, b] for a, b in zip(path, path[1:])
        )
    return scores


def probability(chain, sums, row, start, labels, goes_on):
    """Return the probability of one span with these labels; others are of no matter."""
    paths = np.zeros(chain.emissions.shape[:2], int)
    end = start + len(labels)
    paths[row, start:end] = labels
    spans = np.array([[row, start, end]])
    return crf_decoding.span_probabilities(chain, sums, paths, spans, goes_on[None])[0]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("scheme", ["BIO", "BMES", "BIOES"])
def test_best_paths_equal_those_of_single_sequences(scheme, ties):
    for seed in range(20):
        label_set, emissions, lengths, transitions = random_chain(
            seed, scheme, (7, 1, 4, 7), ties
        )
        legal = label_set.legal_transitions()
        chain = crf_decoding.make_chain(emissions, lengths, transitions, legal)
        paths = crf_decoding.best_paths(chain)
        for row, length in enumerate(lengths):
            expected = viterbi(emissions[row, :length], transitions, legal)
            assert paths[row, :length].tolist() == expected.tolist()


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("scheme", ["BIO", "BMES", "BIOES"])
def test_best_paths_are_those_that_enumeration_finds(scheme, precision):
    for seed in range(5):
        label_set, emissions, lengths, transitions = random_chain(seed, scheme)
        legal = label_set.legal_transitions()
        chain = crf_decoding.make_chain(
            emissions.astype(precision), lengths, transitions.astype(precision), legal
        )
        paths = crf_decoding.best_paths(chain)
        for row, length in enumerate(lengths):
            scores = path_scores(emissions[row, :length], transitions, legal)
            assert tuple(paths[row, :length]) == max(scores, key=scores.get)


def test_no_illegal_path_is_taken_however_strong_its_emissions():
    legal = np.array([[True, False], [True, True]])  # label 1 may not come first
    emissions = np.array([[[0.0, 1e6], [0.0, 1e6]]])
    chain = crf_decoding.make_chain(emissions, np.array([2]), np.zeros((2, 2)), legal)
    assert crf_decoding.best_paths(chain).tolist() == [[0, 0]]


def test_sums_equal_those_over_all_legal_paths():
    label_set, emissions, lengths, transitions = random_chain(3, lengths=(4, 1, 3))
    legal = label_set.legal_transitions()
    chain = crf_decoding.make_chain(emissions, lengths, transitions, legal)
    sums = crf_decoding.sum_paths(chain)
    for row, length in enumerate(lengths):
        scores = path_scores(emissions[row, :length], transitions, legal)
        expected = np.log(sum(np.exp(s) for s in scores.values()))
        np.testing.assert_allclose(sums.total[row], expected, rtol=1e-12)


@pytest.mark.parametrize("scheme", ["BIO", "BMES", "BIOES"])
def test_the_probability_of_a_span_is_that_of_all_paths_with_exactly_it(scheme):
    label_set, emissions, lengths, transitions = random_chain(1, scheme, (4, 1, 3))
    legal, labels = label_set.legal_transitions(), label_set.labels
    chain = crf_decoding.make_chain(emissions, lengths, transitions, legal)
    sums = crf_decoding.sum_paths(chain)
    checked = 0
    for row, length in enumerate(lengths):
        scores = path_scores(emissions[row, :length], transitions, legal)
        weights = {path: np.exp(score) for path, score in scores.items()}
        total = sum(weights.values())
        for start, end in itertools.combinations(range(length + 1), 2):
            for path in list(weights)[::7]:
                part = np.array(path[start:end])
                # What may not follow: a label that goes on with the same entity.
                kind = labels[part[-1]].partition("-")[2]
                goes_on = np.array(
                    [
                        legal[part[-1], n]
                        and kind != ""
                        and labels[n][0] in "IME"
                        and labels[n].endswith(f"-{kind}")
                        and labels[part[-1]][0] in "BIM"
                        for n in range(len(labels))
                    ]
                )
                expected = sum(
                    weight
                    for other, weight in weights.items()
                    if other[start:end] == tuple(part)
                    and not (end < length and goes_on[other[end]])
                )
                found = probability(chain, sums, row, start, part, goes_on)
                np.testing.assert_allclose(found, expected / total, atol=1e-12)
                checked += 1
    assert checked > 100


def test_without_transitions_a_span_has_the_product_of_its_tokens():
    random = np.random.default_rng(0)
    emissions = random.normal(size=(1, 4, 3))
    chain = crf_decoding.make_free_chain(emissions, np.array([4]))
    sums = crf_decoding.sum_paths(chain)
    shares = np.exp(emissions[0]) / np.exp(emissions[0]).sum(axis=-1, keepdims=True)
    nothing = np.zeros(3, bool)
    found = probability(chain, sums, 0, 1, np.array([2, 0]), nothing)
    np.testing.assert_allclose(found, shares[1, 2] * shares[2, 0], rtol=1e-12)


def test_large_scores_stay_finite():
    label_set, emissions, lengths, transitions = random_chain(5)
    legal = label_set.legal_transitions()
    chain = crf_decoding.make_chain(emissions * 500, lengths, transitions, legal)
    sums = crf_decoding.sum_paths(chain)
    assert np.isfinite(sums.total).all()
    path = crf_decoding.best_paths(chain)[0, : lengths[0]]
    nothing = np.zeros(len(label_set.labels), bool)
    found = probability(chain, sums, 0, 0, path, nothing)
    assert found == pytest.approx(1.0, abs=1e-6)


def test_spans_are_scored_together_as_each_alone():
    label_set, emissions, lengths, transitions = random_chain(2, lengths=(6, 2, 5, 1))
    legal = label_set.legal_transitions()
    chain = crf_decoding.make_chain(emissions, lengths, transitions, legal)
    sums, paths = crf_decoding.sum_paths(chain), crf_decoding.best_paths(chain)
    spans = np.array([[0, 1, 6], [3, 0, 1], [2, 2, 3], [0, 0, 2], [1, 0, 2], [2, 3, 5]])
    goes_on = np.random.default_rng(0).random((len(spans), len(legal))) < 0.4
    together = crf_decoding.span_probabilities(chain, sums, paths, spans, goes_on)
    for found, (row, start, end), stop in zip(together, spans, goes_on):
        alone = probability(chain, sums, row, start, paths[row, start:end], stop)
        np.testing.assert_allclose(found, alone, rtol=1e-12)
