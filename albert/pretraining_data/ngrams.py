"""n-gram masking: spans of up to three whole words.

Source: Lan et al., "ALBERT" (2020), section 4.1: a span has n words with a probability
proportional to 1/n, n at most 3.
"""

from __future__ import annotations

import random
from itertools import accumulate
from typing import NamedTuple, Sequence

LONGEST = 3
_WEIGHTS = list(accumulate(1 / n for n in range(1, LONGEST + 1)))


class Spans(NamedTuple):
    """What is masked.

    Attributes:
        chosen: indices of candidates, in the order of the choice.
        lengths: how many spans have 1, 2, 3 words.
    """

    chosen: list[int]
    lengths: tuple[int, ...]


def draw_length(rng: random.Random) -> int:
    """Return n = 1, 2 or 3 with the probabilities 6/11, 3/11 and 2/11."""
    point = rng.random() * _WEIGHTS[-1]
    return next(n for n, weight in enumerate(_WEIGHTS, start=1) if point < weight)


def choose_spans(
    bounds: Sequence[int],
    adjacent: Sequence[bool],
    order: Sequence[int],
    num_predictions: int,
    rng: random.Random,
) -> Spans:
    """Choose spans of words, each at the first place in random order where it fits.

    A length is drawn before its place is sought, so that places do not change how often
    it comes. Near the end a span is shortened to what `num_predictions` leaves.

    Args:
        bounds: of words: word w is the candidates bounds[w]:bounds[w + 1].
        adjacent: for each word, whether the next one follows in the same segment.
        order: the words in random order, where spans may start.
        num_predictions: candidates to choose at most.
        rng: source of randomness, for lengths.
    """
    taken = [False] * len(order)
    chosen: list[int] = []
    lengths = [0] * LONGEST
    wanted = draw_length(rng)
    for word in order:
        left = num_predictions - len(chosen)
        if not left:
            break
        length = wanted
        if word + length > len(order):
            continue
        while length and bounds[word + length] - bounds[word] > left:
            length -= 1
        span = range(word, word + length)
        if not length or any(taken[w] for w in span):
            continue
        if not all(adjacent[w] for w in span[:-1]):
            continue
        for w in span:
            taken[w] = True
        chosen += range(bounds[word], bounds[word + length])
        lengths[length - 1] += 1
        wanted = draw_length(rng)
    return Spans(chosen, tuple(lengths))
