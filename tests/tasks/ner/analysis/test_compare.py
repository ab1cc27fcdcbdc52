"""The paired bootstrap, against a plain loop, exact shares and known cases."""

from __future__ import annotations

import random

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.tasks.ner.analysis import compare
from albert.tasks.ner.analysis.pairs import SentencePair
from albert.tasks.ner.entities import Span


def _sentence(gold, found, wrong=0):
    """A sentence of `gold` entities, of which `found` are right, and wrong ones."""
    spans = [Span("A", 2 * i, 2 * i + 1) for i in range(gold)]
    others = [Span("B", 2 * i, 2 * i + 1) for i in range(50, 50 + wrong)]
    return SentencePair(1, ("x",), spans, [*spans[:found], *others])


def test_counts_and_f1_by_hand():
    counts = compare.count_sentences([_sentence(2, 1, 3), _sentence(0, 0)])
    assert counts.tolist() == [[1, 4, 2], [0, 0, 0]]
    assert compare.f1_of(counts).tolist() == [pytest.approx(2 / 6), 0]


def test_equal_files_differ_by_nothing():
    pairs = [_sentence(1, 1), _sentence(2, 1)]
    result = compare.compare(pairs, pairs, samples=100)
    assert result.difference == 0
    assert result.interval == (0, 0)
    assert result.share_equal == 1


def test_shares_of_two_sentences_are_the_exact_ones():
    # Two sentences of one entity; the second file finds that of the second alone.
    # Of the four equally likely draws one holds only the first: then both are equal.
    first = [_sentence(1, 0), _sentence(1, 0)]
    second = [_sentence(1, 0), _sentence(1, 1)]
    result = compare.compare(first, second, samples=40_000, seed=1)
    assert result.f1 == (0.0, pytest.approx(2 / 3))
    assert result.share_equal == pytest.approx(0.25, abs=0.01)
    assert result.share_better == pytest.approx(0.75, abs=0.01)
    assert result.interval == (0.0, 1.0)


def test_interval_agrees_with_a_plain_bootstrap():
    rng = random.Random(3)
    first, second = [], []
    for _ in range(60):
        gold = rng.randint(0, 3)
        first.append(_sentence(gold, rng.randint(0, gold), rng.randint(0, 1)))
        second.append(_sentence(gold, rng.randint(0, gold), rng.randint(0, 1)))

    def f1(pairs):
        right = sum(len(set(p.gold) & set(p.predicted)) for p in pairs)
        return 2 * right / sum(len(p.gold) + len(p.predicted) for p in pairs)

    differences = []
    for _ in range(4000):
        drawn = [rng.randrange(60) for _ in range(60)]
        differences.append(
            f1([second[i] for i in drawn]) - f1([first[i] for i in drawn])
        )
    result = compare.compare(first, second, samples=4000, seed=5)
    assert result.difference == pytest.approx(f1(second) - f1(first))
    expected = np.percentile(differences, [2.5, 97.5])
    assert np.allclose(result.interval, expected, atol=0.012)
    assert result.share_better == pytest.approx(
        np.mean(np.array(differences) > 0), abs=0.04
    )


def test_the_seed_decides():
    first = [_sentence(1, i % 2) for i in range(9)]
    second = [_sentence(1, i % 3 > 0) for i in range(9)]
    runs = [compare.compare(first, second, 300, seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_gold_without_entities_is_refused():
    with pytest.raises(UserError, match="holds no entity"):
        compare.compare([_sentence(0, 0)], [_sentence(0, 0, 1)])
