"""Pairing predicted entities with those of gold, and naming what is wrong."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

from albert.tasks.ner.entities import Span

CORRECT = "correct"
BOUNDARY = "boundary"
TYPE = "type"
BOTH = "boundary and type"
MISSED = "missed"
SPURIOUS = "spurious"
ERRORS = (BOUNDARY, TYPE, BOTH, MISSED, SPURIOUS)


class Match(NamedTuple):
    """An entity of gold and the one predicted in its place; None where one lacks."""

    gold: Optional[Span]
    predicted: Optional[Span]

    @property
    def outcome(self) -> str:
        """`CORRECT` or one of `ERRORS`."""
        if self.gold is None:
            return SPURIOUS
        if self.predicted is None:
            return MISSED
        same_type = self.gold.type == self.predicted.type
        if self.gold[1:] == self.predicted[1:]:
            return CORRECT if same_type else TYPE
        return BOUNDARY if same_type else BOTH


def _worth(gold: Span, predicted: Span) -> Optional[tuple[int, int, int]]:
    """Return (same type, 1, columns shared) of two spans, None where they share none.

    Spans of one side never overlap, so a span with exactly equal ends overlaps no
    other, and needs no place of its own in the order.
    """
    shared = min(gold.end, predicted.end) - max(gold.start, predicted.start)
    if shared <= 0:
        return None
    return int(gold.type == predicted.type), 1, shared


def match_spans(gold: Sequence[Span], predicted: Sequence[Span]) -> list[Match]:
    """Pair each entity with at most one that it overlaps; return pairs and the rest.

    Of all pairings, one is taken with the most pairs of one type, then the most pairs,
    then the most columns shared. Pairs of disjoint spans never cross, so an alignment
    of the two sequences finds it (as the longest common subsequence is found).

    Args:
        gold, predicted: of one sentence, each without overlaps.

    Returns:
        In the order of the sentence. Example: gold (A, 0, 2), (A, 3, 5) and predicted
        (A, 1, 4), (B, 4, 5) pair the first two, then the last two.
    """
    gold, predicted = sorted(gold, key=_place), sorted(predicted, key=_place)
    nothing = (0, 0, 0)
    best = [[nothing] * (len(predicted) + 1) for _ in range(len(gold) + 1)]
    for i in reversed(range(len(gold))):
        for j in reversed(range(len(predicted))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1])
            worth = _worth(gold[i], predicted[j])
            if worth:
                best[i][j] = max(best[i][j], _add(worth, best[i + 1][j + 1]))
    return _follow(gold, predicted, best)


def _place(span: Span) -> tuple[int, int]:
    return span.start, span.end


def _add(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(x + y for x, y in zip(a, b))


def _follow(
    gold: Sequence[Span], predicted: Sequence[Span], best: list[list[tuple[int, ...]]]
) -> list[Match]:
    """Read the pairs of the best alignment off the table of its worths."""
    matches, i, j = [], 0, 0
    while i < len(gold) and j < len(predicted):
        worth = _worth(gold[i], predicted[j])
        if worth and best[i][j] == _add(worth, best[i + 1][j + 1]):
            matches.append(Match(gold[i], predicted[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            matches.append(Match(gold[i], None))
            i += 1
        else:
            matches.append(Match(None, predicted[j]))
            j += 1
    matches += [Match(span, None) for span in gold[i:]]
    matches += [Match(None, span) for span in predicted[j:]]
    return sorted(matches, key=lambda match: _place(match.gold or match.predicted))
