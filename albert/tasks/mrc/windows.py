"""Passages in windows that overlap, each beside its question (no TensorFlow)."""

from __future__ import annotations

import functools
from typing import NamedTuple, Optional, Sequence

from albert.tasks.mrc.readers import TokenSpan


class Window(NamedTuple):
    """A stretch of a passage that the model sees at once.

    Attributes:
        start, end: its tokens [start, end) of the passage.
        best: for each, whether no other window gives it more context; an answer may
            begin only there.
    """

    start: int
    end: int
    best: tuple[bool, ...]


def place_windows(length: int, capacity: int, stride: int) -> list[tuple[int, int]]:
    """Return the windows [start, end) of at most `capacity` that cover `length` tokens.

    Each begins `stride` after the one before, or where that ended if it is shorter.
    Example: `place_windows(10, 6, 3)` is [0, 6), [3, 9), [6, 10).
    """
    found: list[tuple[int, int]] = []
    start = 0
    while start < length:
        end = min(length, start + capacity)
        found.append((start, end))
        if end == length:
            break
        start += min(end - start, stride)
    return found


def _context(position: int, start: int, end: int) -> float:
    """Return how much context a token has in a window: the lesser of its two sides."""
    return min(position - start, end - 1 - position) + 0.01 * (end - start)


@functools.lru_cache(maxsize=4096)
def plan_windows(length: int, capacity: int, stride: int) -> tuple[Window, ...]:
    """Return the windows of a passage; see `place_windows`.

    A token has the most context where the lesser of its two sides, plus a hundredth of
    the window's length, is largest; in the first of equal windows.
    """
    places = place_windows(length, capacity, stride)
    best = [-1] * length
    most = [-1.0] * length
    for number, (start, end) in enumerate(places):
        for position in range(start, end):
            context = _context(position, start, end)
            if context > most[position]:
                best[position], most[position] = number, context
    return tuple(
        Window(start, end, tuple(best[i] == number for i in range(start, end)))
        for number, (start, end) in enumerate(places)
    )


def place_in_window(
    answer: Optional[TokenSpan], window: Window, offset: int
) -> tuple[int, int]:
    """Return the first and last position of an answer in the model's input.

    Args:
        answer: tokens of the passage; None where there is none.
        window: what the model sees.
        offset: where the window begins in the input.

    Returns:
        (0, 0), that of [CLS], where the answer is not wholly inside.
    """
    if answer is None or answer.first < window.start or answer.last >= window.end:
        return 0, 0
    shift = offset - window.start
    return answer.first + shift, answer.last + shift


def join_tokens(
    question: Sequence[int], passage: Sequence[int], cls: int, sep: int
) -> tuple[list[int], list[int]]:
    """Return ids and segment ids of `[CLS] question [SEP] passage [SEP]`."""
    ids = [cls, *question, sep, *passage, sep]
    first = len(question) + 2
    return ids, [0] * first + [1] * (len(ids) - first)
