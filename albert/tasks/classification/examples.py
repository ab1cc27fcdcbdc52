"""Texts and pairs -> ids of tokens: what is kept, windows (no TensorFlow)."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

from albert.tasks.classification.config import (
    HEAD,
    HEAD_TAIL,
    NO_WINDOWS,
    ClassificationConfig,
)
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import CLS, SEP

_HEAD_SHARE = 128 / 510  # of what head_tail keeps: Sun et al. (2019), section 5.2.2


class Encoded(NamedTuple):
    """A window of a text, or a pair.

    Attributes:
        input_ids: of `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`.
        segment_ids: 0 for the first text, 1 for the second, each with its `[SEP]`.
    """

    input_ids: list[int]
    segment_ids: list[int]


def shorten(tokens: Sequence[str], length: int, truncation: str) -> Sequence[str]:
    """Return at most `length` tokens: the first, the last, or both.

    Example: of 600 tokens, `HEAD_TAIL` at 510 keeps the first 128 and the last 382.
    """
    if len(tokens) <= length:
        return tokens
    first = length if truncation == HEAD else 0
    if truncation == HEAD_TAIL:
        first = round(length * _HEAD_SHARE)
    last = length - first
    return [*tokens[:first], *tokens[len(tokens) - last :]]


def share_room(length_a: int, length_b: int, room: int) -> tuple[int, int]:
    """Return how many tokens of each text of a pair are kept.

    The longer one gives up a token at a time, the second one where they are equal, as
    in BERT. Example: (10, 4) in a room of 9 are 5 and 4.
    """
    if length_a + length_b <= room:
        return length_a, length_b
    half = room // 2
    if length_b <= half:
        return room - length_b, length_b
    if length_a <= room - half:
        return length_a, room - length_a
    return room - half, half


def cut_windows(tokens: Sequence[str], length: int, most: int) -> list[Sequence[str]]:
    """Return a text in windows of `length` tokens, `most` at most, which overlap.

    Neighbours share a quarter; the last window ends with the text and is as long as the
    others.

    Example: 10 tokens in windows of 8 are [0, 8) and [2, 10).
    """
    stride = max(1, length - length // 4)
    windows, start = [], 0
    while start + length < len(tokens) and len(windows) < most - 1:
        windows.append(tokens[start : start + length])
        start += stride
    if windows and start + length > len(tokens):
        start = len(tokens) - length
    return [*windows, tokens[start : start + length]]


class Encoder:
    """Turns texts and pairs into ids, as a model's settings say."""

    def __init__(self, tokenizer: Tokenizer, settings: ClassificationConfig):
        self._tokenizer = tokenizer
        self._settings = settings

    def encode(self, text_a: str, text_b: Optional[str] = None) -> list[Encoded]:
        """Return the windows of a text or a pair: one, unless `long_text` cuts more.

        An empty second text is none, as in the reference.
        """
        settings = self._settings
        first = self._tokenizer.tokenize(text_a)
        second = [] if text_b is None else self._tokenizer.tokenize(text_b)
        if not second:
            room = settings.max_seq_length - 2
            if settings.long_text == NO_WINDOWS:
                return [self._join(shorten(first, room, settings.truncation))]
            windows = cut_windows(first, room, settings.max_windows)
            return [self._join(window) for window in windows]
        room = settings.max_seq_length - 3
        kept_a, kept_b = share_room(len(first), len(second), room)
        first = shorten(first, kept_a, settings.truncation)
        return [self._join(first, shorten(second, kept_b, settings.truncation))]

    def _join(self, first: Sequence[str], second: Sequence[str] = ()) -> Encoded:
        ids = self._tokenizer.vocabulary.ids
        tokens = [CLS, *first, SEP]
        types = [0] * len(tokens)
        if second:
            tokens += [*second, SEP]
            types += [1] * (len(second) + 1)
        return Encoded([ids[token] for token in tokens], types)
