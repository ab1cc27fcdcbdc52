"""Tokens to masked tokens, positions and labels, for masked language modelling.

Source: Devlin et al., "BERT" (2019), whole-word masking as in its repository, and
albert_zh. The order of random calls is the reference's.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

from albert.pretraining_data import ngrams
from albert.text.vocabulary import CLS, CONTINUATION, MASK, SEP, Vocabulary
from albert.text.word_segmentation import has_chinese


class MaskingVocabulary(NamedTuple):
    """The tables of a vocabulary of V tokens that masking needs.

    Attributes:
        size: V.
        cls, sep, mask: ids of the special tokens.
        labels: int32 [V], the label of a marked token by its id.
        fell_back: bool [V], whether that label is the bare token for want of a ## form.
    """

    size: int
    cls: int
    sep: int
    mask: int
    labels: np.ndarray
    fell_back: np.ndarray


class Masking(NamedTuple):
    """Which tokens are predicted, and what stands in their place.

    Attributes:
        positions: rising and unique.
        replacements: the ids that the model sees there.
        spans: with n-grams, how many of the masked spans have 1, 2, 3 words.
    """

    positions: list[int]
    replacements: list[int]
    spans: tuple[int, ...] = ()


def make_masking_vocabulary(
    vocabulary: Vocabulary, continuation_labels: bool, whole_word_spans: str
) -> MaskingVocabulary:
    """Return the tables that masking needs.

    Args:
        vocabulary: the vocabulary.
        continuation_labels: whether the label of a marked token is its ## form; where
            the vocabulary lacks that, it is the bare token.
        whole_word_spans: with "reference", tokens that are not Chinese have a ## form
            too when they are marked; with "exact" they keep their own.

    Example: with 灸 and ##灸 in the vocabulary, the second token of 艾灸 has the label
    ##灸, or 灸 without continuation labels.
    """
    labels = np.arange(len(vocabulary), dtype=np.int32)
    fell_back = np.zeros(len(vocabulary), bool)
    if continuation_labels:
        for index, token in enumerate(vocabulary.tokens):
            if whole_word_spans == "reference" or has_chinese(token):
                label = vocabulary.ids.get(CONTINUATION + token)
                labels[index] = index if label is None else label
                fell_back[index] = label is None
    cls, sep, mask = vocabulary.to_ids((CLS, SEP, MASK))
    return MaskingVocabulary(len(vocabulary), cls, sep, mask, labels, fell_back)


def shuffle(items: list, rng: random.Random) -> None:
    """Shuffle `items` in place, with the random calls of `rng.shuffle`.

    This is half of the work of masking. Drawing the bits here, where their number
    changes rarely, takes half the time, and keeps records equal should a later Python
    shuffle differently.
    """
    draw = rng.getrandbits
    last = len(items) - 1
    while last > 0:
        bits = (last + 1).bit_length()
        stop = max((1 << (bits - 1)) - 2, 0)  # below it, fewer bits are drawn
        for index in range(last, stop, -1):
            other = draw(bits)
            while other > index:
                other = draw(bits)
            items[index], items[other] = items[other], items[index]
        last = stop


def count_predictions(
    num_tokens: int, masked_lm_prob: float, max_predictions: int
) -> int:
    """Return how many of `num_tokens` tokens to predict: at least one."""
    return min(max_predictions, max(1, int(round(num_tokens * masked_lm_prob))))


def group_candidates(
    is_candidate: np.ndarray, joins: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Group the tokens that may be masked into those that are masked together.

    A token that joins goes with the candidate before it, over a [SEP] too; the very
    first candidate starts a group in any case.

    Args:
        is_candidate: bool [tokens], false for [CLS] and [SEP].
        joins: bool [tokens].

    Returns:
        The positions of the candidates, and the bounds of the groups [groups + 1]:
        group g is positions[bounds[g]:bounds[g + 1]].

    Example: for [CLS] 卷 积* 网 [SEP] 络* the positions are 1 2 3 5, the bounds 0 2 4.
    """
    positions = np.flatnonzero(is_candidate)
    starts = ~joins[positions]
    starts[:1] = True
    bounds = np.flatnonzero(starts)
    return positions, np.append(bounds, len(positions))


def draw_masking(
    ids: np.ndarray,
    joins: np.ndarray,
    num_predictions: int,
    vocabulary: MaskingVocabulary,
    rng: random.Random,
    ngram_masking: bool = False,
) -> Masking:
    """Choose groups of tokens in random order, and what replaces each token.

    A group that would exceed `num_predictions` is skipped. A token becomes [MASK]
    with probability 0.8, stays with 0.1, or becomes any token of the vocabulary.

    Args:
        ids: int [tokens].
        joins: bool [tokens], whether a token is masked with the one before it; all
            false masks tokens one by one.
        num_predictions: tokens to choose at most.
        vocabulary: the tables of the vocabulary.
        rng: source of randomness.
        ngram_masking: whether to mask up to three groups in a row, see `ngrams`.
    """
    is_candidate = (ids != vocabulary.cls) & (ids != vocabulary.sep)
    positions, bounds = group_candidates(is_candidate, joins)
    bounds = bounds.tolist()
    order = list(range(len(bounds) - 1))
    shuffle(order, rng)
    if ngram_masking:
        follows = np.diff(positions, append=0) == 1  # no [SEP] between the two
        adjacent = follows[np.array(bounds[1:], np.intp) - 1].tolist()
        spans = ngrams.choose_spans(bounds, adjacent, order, num_predictions, rng)
        masking = _draw_replacements(positions[spans.chosen], ids, vocabulary, rng)
        return masking._replace(spans=spans.lengths)
    chosen: list[int] = []
    for group in order:
        if len(chosen) >= num_predictions:
            break
        start, end = bounds[group], bounds[group + 1]
        if len(chosen) + end - start <= num_predictions:
            chosen += range(start, end)
    return _draw_replacements(positions[chosen], ids, vocabulary, rng)


def _draw_replacements(
    positions: np.ndarray,
    ids: np.ndarray,
    vocabulary: MaskingVocabulary,
    rng: random.Random,
) -> Masking:
    """Draw what stands at `positions`, in their order, and sort by position."""
    drawn = []
    for position, original in zip(positions.tolist(), ids[positions].tolist()):
        replacement = vocabulary.mask
        if rng.random() >= 0.8:
            if rng.random() < 0.5:
                replacement = original
            else:
                replacement = rng.randint(0, vocabulary.size - 1)
        drawn.append((position, replacement))
    drawn.sort()
    return Masking([p for p, _ in drawn], [r for _, r in drawn])
