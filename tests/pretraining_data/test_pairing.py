"""Chunks of a document, pairs of segments, truncation."""

from __future__ import annotations

import random

import pytest

from albert.pretraining_data.pairing import (
    SegmentPair,
    draw_pair,
    draw_target_length,
    split_chunks,
    truncate_pair,
)


class ScriptedRandom:
    """Gives numbers in a fixed order, and checks what is asked for."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def random(self):
        answer = self.answers.pop(0)
        assert isinstance(answer, float)
        return answer

    def randint(self, low, high):
        answer = self.answers.pop(0)
        assert isinstance(answer, int)
        assert low <= answer <= high
        return answer


@pytest.mark.parametrize(
    ("lengths", "target", "chunks"),
    [
        ([5, 3, 9, 9, 1], 8, [(0, 2), (2, 4)]),  # the last sentence is left over
        ([5, 2, 9, 9, 1], 8, [(0, 3), (3, 5)]),
        ([1, 1, 1], 100, [(0, 3)]),
        ([50, 1], 8, [(0, 2)]),  # a long sentence waits for the next
        ([50, 50, 50], 8, [(0, 2)]),
        ([50, 50, 50, 1], 8, [(0, 2), (2, 4)]),
        ([50], 8, []),
        ([3, 5, 8], 8, [(0, 2)]),
    ],
)
def test_chunks_reach_the_target_with_two_sentences_at_least(lengths, target, chunks):
    assert split_chunks(lengths, target) == chunks


def test_target_is_drawn_only_for_short_passes():
    assert draw_target_length(100, 0.1, ScriptedRandom(0.1)) == 100
    assert draw_target_length(100, 0.1, ScriptedRandom(0.0999, 37)) == 37
    assert draw_target_length(100, 0.0, ScriptedRandom(0.0)) == 100


@pytest.mark.parametrize(
    ("split", "order", "pair"),
    [
        (1, 0.5, SegmentPair(10, 13, 13, 22, False)),
        (1, 0.49, SegmentPair(13, 22, 10, 13, True)),
        (2, 0.9, SegmentPair(10, 17, 17, 22, False)),
        (2, 0.1, SegmentPair(17, 22, 10, 17, True)),
    ],
)
def test_a_chunk_is_split_between_sentences_and_swapped(split, order, pair):
    rng = ScriptedRandom(split, order)
    assert draw_pair([3, 4, 5], 10, 100, rng) == pair
    assert not rng.answers


def test_the_longer_segment_loses_a_token_at_a_random_end():
    # 5 + 3 tokens: first, first, then the second on a tie, then the first.
    rng = ScriptedRandom(0.1, 0.9, 0.1, 0.9)
    pair = truncate_pair(SegmentPair(0, 5, 5, 8, False), 4, rng)
    assert pair == SegmentPair(1, 3, 6, 8, False)
    assert not rng.answers


def test_a_pair_that_fits_is_not_truncated():
    pair = SegmentPair(0, 5, 5, 8, True)
    assert truncate_pair(pair, 8, ScriptedRandom()) == pair


def test_pairs_are_neighbours_that_fit_and_lose_only_their_ends():
    rng = random.Random(3)
    swaps = truncations = 0
    for _ in range(2000):
        lengths = [rng.randint(1, 30) for _ in range(rng.randint(2, 6))]
        limit = rng.randint(2, 80)
        pair = draw_pair(lengths, 7, limit, rng)
        earlier, later = (pair[0], pair[1]), (pair[2], pair[3])
        if pair.swapped:
            earlier, later = later, earlier
        bounds = {7 + sum(lengths[:i]) for i in range(1, len(lengths))}
        total = sum(lengths)
        kept = earlier[1] - earlier[0] + later[1] - later[0]
        assert kept == min(total, limit)
        assert 7 <= earlier[0] < earlier[1] <= later[0] < later[1] <= 7 + total
        assert any(earlier[1] <= bound <= later[0] for bound in bounds)
        swaps += pair.swapped
        truncations += kept < total
    assert 900 < swaps < 1100  # 1000 expected; five standard deviations are 112
    assert truncations > 200
