"""Pairs of entities, by hand and against every possible pairing."""

from __future__ import annotations

import itertools
import random

import pytest

from albert.tasks.ner.analysis import matching
from albert.tasks.ner.analysis.matching import match_spans
from albert.tasks.ner.entities import Span


def _spans(text):
    """Read `A0-2 B4-5`."""
    spans = []
    for part in text.split():
        start, end = part[1:].split("-")
        spans.append(Span(part[0], int(start), int(end)))
    return spans


@pytest.mark.parametrize(
    ("gold", "predicted", "outcomes"),
    [
        ("A0-2", "A0-2", ["correct"]),
        ("A0-2", "A0-3", ["boundary"]),
        ("A0-2", "B0-2", ["type"]),
        ("A0-2", "B1-3", ["boundary and type"]),
        ("A0-2", "", ["missed"]),
        ("", "A0-2", ["spurious"]),
        ("A0-2", "A2-4", ["missed", "spurious"]),  # neighbours share nothing
        # One prediction over two entities is paired once, with the longer overlap.
        ("A0-2 A2-5", "A0-5", ["missed", "boundary"]),
        # The type decides before the overlap.
        ("A0-3 B3-4", "B0-4", ["missed", "boundary"]),
        # The larger overlap (3 columns with the second) would leave two unpaired.
        ("A0-2 A2-6", "A1-5 A5-6", ["boundary", "boundary"]),
        ("A0-1 B2-4 A5-9", "A0-1 A2-4 A6-9", ["correct", "type", "boundary"]),
    ],
)
def test_outcomes_by_hand(gold, predicted, outcomes):
    matches = match_spans(_spans(gold), _spans(predicted))
    assert [match.outcome for match in matches] == outcomes


def _random_spans(rng, length):
    cuts = sorted(rng.sample(range(length + 1), rng.randint(1, 6)))
    spans = [Span(rng.choice("AB"), a, b) for a, b in zip(cuts, cuts[1:])]
    return [span for span in spans if rng.random() < 0.8]


def _overlap(a, b):
    return max(0, min(a.end, b.end) - max(a.start, b.start))


def _best_by_enumeration(gold, predicted):
    """The worth of the best of all pairings, crossing ones included."""
    worths = []
    for size in range(min(len(gold), len(predicted)) + 1):
        for left in itertools.combinations(gold, size):
            for right in itertools.permutations(predicted, size):
                pairs = list(zip(left, right))
                if all(_overlap(a, b) for a, b in pairs):
                    same = sum(a.type == b.type for a, b in pairs)
                    shared = sum(_overlap(a, b) for a, b in pairs)
                    worths.append((same, size, shared))
    return max(worths)


@pytest.mark.parametrize("seed", range(100))
def test_no_other_pairing_is_better(seed):
    rng = random.Random(seed)
    gold, predicted = _random_spans(rng, 12), _random_spans(rng, 12)
    matches = match_spans(gold, predicted)
    pairs = [(m.gold, m.predicted) for m in matches if m.gold and m.predicted]
    found = (
        sum(a.type == b.type for a, b in pairs),
        len(pairs),
        sum(_overlap(a, b) for a, b in pairs),
    )
    assert found == _best_by_enumeration(gold, predicted)
    assert sorted(m.gold for m in matches if m.gold) == sorted(gold)
    assert sorted(m.predicted for m in matches if m.predicted) == sorted(predicted)
    for match in matches:
        if match.gold in predicted:
            assert match.outcome == matching.CORRECT
