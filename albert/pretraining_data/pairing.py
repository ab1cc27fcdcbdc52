"""Documents to ordered or swapped pairs of segments, for sentence order prediction.

Source: Lan et al., "ALBERT" (2020), section 3.1, and albert_zh. A document is known
here by the lengths of its sentences alone; segments are ranges of its tokens. The order
of random calls is the reference's: one target for a pass over a document, then for each
chunk one split, one order, and one side for each token truncated.
"""

from __future__ import annotations

import random
from typing import NamedTuple, Sequence

NUM_SPECIAL_TOKENS = 3  # [CLS] first [SEP] second [SEP]


class SegmentPair(NamedTuple):
    """Two neighbouring segments of a document, as ranges of its tokens.

    Attributes:
        first_start, first_end: the tokens of the first segment, as it is shown.
        second_start, second_end: the tokens of the second segment.
        swapped: whether the first segment follows the second in the document.
    """

    first_start: int
    first_end: int
    second_start: int
    second_end: int
    swapped: bool


def draw_target_length(
    max_tokens: int, short_seq_prob: float, rng: random.Random
) -> int:
    """Return the length that the chunks of a pass aim at: mostly `max_tokens`."""
    if rng.random() < short_seq_prob:
        return rng.randint(2, max_tokens)
    return max_tokens


def split_chunks(
    sentence_lengths: Sequence[int], target_length: int
) -> list[tuple[int, int]]:
    """Return ranges of sentences that reach `target_length` tokens each.

    A chunk has at least two sentences: one sentence that reaches the target alone is
    joined by the next. The last chunk may be shorter; a single sentence left over at
    the end is in no chunk.

    Example: `split_chunks([5, 3, 9, 9, 1], 8)` is `[(0, 2), (2, 4)]`.
    """
    chunks = []
    start = length = 0
    last = len(sentence_lengths) - 1
    for index, sentence_length in enumerate(sentence_lengths):
        length += sentence_length
        if index > start and (length >= target_length or index == last):
            chunks.append((start, index + 1))
            start, length = index + 1, 0
    return chunks


def truncate_pair(
    pair: SegmentPair, max_tokens: int, rng: random.Random
) -> SegmentPair:
    """Return `pair` cut to `max_tokens` tokens.

    The longer segment, the second on a tie, loses its first or its last token with
    equal probability, until the pair fits.
    """
    first_start, first_end, second_start, second_end, swapped = pair
    first, second = first_end - first_start, second_end - second_start
    while first + second > max_tokens:
        from_start = rng.random() < 0.5
        if first > second:
            first -= 1
            first_start += from_start
        else:
            second -= 1
            second_start += from_start
    return SegmentPair(
        first_start, first_start + first, second_start, second_start + second, swapped
    )


def draw_pair(
    sentence_lengths: Sequence[int], offset: int, max_tokens: int, rng: random.Random
) -> SegmentPair:
    """Split a chunk between two sentences, and swap its parts half of the time.

    Args:
        sentence_lengths: tokens of each sentence of the chunk, at least two.
        offset: the index in the document of the chunk's first token.
        max_tokens: tokens that the pair may have.
        rng: source of randomness.
    """
    split = rng.randint(1, len(sentence_lengths) - 1)
    middle = offset + sum(sentence_lengths[:split])
    end = middle + sum(sentence_lengths[split:])
    if rng.random() < 0.5:
        pair = SegmentPair(middle, end, offset, middle, True)
    else:
        pair = SegmentPair(offset, middle, middle, end, False)
    return truncate_pair(pair, max_tokens, rng)
