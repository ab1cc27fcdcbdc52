"""Fresh masks for every batch, in place of those that the records hold.

Liu et al., "RoBERTa" (2019), section 4.1. The text before masking comes from the labels
of a record; what is drawn depends on the seed and the number of the batch alone, so
that a resumed run sees what an undisturbed one would. Labels are the tokens themselves.
"""

from __future__ import annotations

import types
from typing import Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf

from albert.base.errors import UserError
from albert.records import damage
from albert.records.features import CONTINUES_WORD
from albert.records.inspection import read_first
from albert.tasks.linear_schedule import Schedule
from albert.text.vocabulary import CLS, CONTINUATION, MASK, SEP, Vocabulary
from albert.text.word_segmentation import has_chinese

_MASKED, _KEPT = 0.8, 0.1  # of the chosen tokens; the rest become any token
_NOT_CHOSEN = 2.0  # above every score of a token that may be masked


class MaskingTables(NamedTuple):
    """What masking asks of a vocabulary of V tokens.

    Attributes:
        cls, sep, mask: ids of the special tokens.
        plain: int32 [V], a label's id -> that of the token in the text: ##灸 -> 灸,
            which data creation predicts inside a word but never shows.
        is_piece: bool [V], whether a token continues a word by its form.
    """

    cls: int
    sep: int
    mask: int
    plain: np.ndarray
    is_piece: np.ndarray


class DynamicMasking(NamedTuple):
    """How to mask.

    Attributes:
        tables: of the vocabulary.
        share: of the tokens of an example to mask.
        whole_word_share: the share of the examples that are masked by whole words, from
            the first batch to the last; the others are masked by single tokens.
        num_batches: over which it changes.
        seed: of all that is drawn.
    """

    tables: MaskingTables
    share: float
    whole_word_share: Schedule
    num_batches: int
    seed: int

    @property
    def needs_word_boundaries(self) -> bool:
        """Whether records must say which tokens continue a word."""
        return any(self.whole_word_share)


def make_tables(vocabulary: Vocabulary) -> MaskingTables:
    """Return the tables of a vocabulary."""
    plain = np.arange(len(vocabulary), dtype=np.int32)
    is_piece = np.zeros(len(vocabulary), bool)
    for index, token in enumerate(vocabulary.tokens):
        if not token.startswith(CONTINUATION):
            continue
        is_piece[index] = True
        bare = token[len(CONTINUATION) :]
        if has_chinese(bare) and bare in vocabulary:
            plain[index] = vocabulary.ids[bare]
    ids = [vocabulary.ids[token] for token in (CLS, SEP, MASK)]
    return MaskingTables(*ids, plain, is_piece)


def check_word_boundaries(files: Sequence[str], readable: damage.Readable) -> None:
    """Raise UserError where the first record of a file holds no word boundaries."""
    for file in files:
        if CONTINUES_WORD not in read_first(file, readable).features.feature:
            raise UserError(
                f"{file} holds no word boundaries, which whole_word_share asks for: "
                "make the records with --word_boundaries"
            )


def plan_masking(
    vocabulary: Vocabulary,
    files: Sequence[str],
    lengths: tuple[int, int],
    share: Optional[float],
    whole_word_share: Schedule,
    num_batches: int,
    seed: int,
    readable: damage.Readable = types.MappingProxyType({}),
) -> DynamicMasking:
    """Check what a run asks for against its records.

    Args:
        files: record files to train on.
        lengths: tokens and masked positions of a record.
        share: of the tokens to mask; None for all that records have room for.
        readable: damaged files, and what is to be read of them.

    Raises:
        UserError: the records have no room for so many, or hold no word boundaries.
    """
    length, room = lengths
    wanted = room if share is None else int(length * share)
    if wanted > room:
        raise UserError(
            f"masked_lm_prob {share:g} of {length} tokens are {wanted}, but the "
            f"records have room for {room} masked ones (max_predictions_per_seq)"
        )
    if any(whole_word_share):
        check_word_boundaries(files, readable)
    share = room / length if share is None else share
    tables = make_tables(vocabulary)
    return DynamicMasking(tables, share, whole_word_share, num_batches, seed)


def unmask(features: Mapping[str, tf.Tensor], tables: MaskingTables) -> tf.Tensor:
    """Return the ids before masking, int32 [B, T].

    Args:
        features: a batch of records.
    """
    places = tf.where(features["masked_lm_weights"] > 0)  # [N, 2]
    rows = tf.cast(places[:, :1], tf.int32)
    columns = tf.gather_nd(features["masked_lm_positions"], places)[:, tf.newaxis]
    labels = tf.gather(tables.plain, tf.gather_nd(features["masked_lm_ids"], places))
    where = tf.concat([rows, columns], axis=1)
    return tf.tensor_scatter_nd_update(features["input_ids"], where, labels)


def choose_tokens(
    candidates: tf.Tensor, joins: tf.Tensor, counts: tf.Tensor, noise: tf.Tensor
) -> tf.Tensor:
    """Return which tokens to mask, bool [B, T].

    Groups of tokens are taken in random order as long as all of a group still fits.
    The first one is cut where it alone is too long.

    Args:
        candidates: bool [B, T], what may be masked.
        joins: bool [B, T], what is masked together with the token before it.
        counts: int32 [B], tokens to mask at most.
        noise: float32 [B, T + 1], uniform in [0, 1).
    """
    size, length = tf.unstack(tf.shape(candidates))
    groups = tf.cumsum(tf.cast(~joins, tf.int32), axis=1)  # 0 to T
    score = tf.gather(noise, groups, batch_dims=1)
    score = tf.where(candidates, score, _NOT_CHOSEN)
    order = tf.argsort(score, axis=1, stable=True)
    rank = tf.argsort(order, axis=1)  # of each token, all of a group in a row
    flat = tf.reshape(groups + tf.range(size)[:, tf.newaxis] * (length + 1), [-1])
    ranks = tf.reshape(tf.where(candidates, rank, -1), [-1])
    last = tf.math.unsorted_segment_max(ranks, flat, size * (length + 1))
    last = tf.reshape(tf.gather(last, flat), [size, length])
    limit = counts[:, tf.newaxis]
    first_group = score <= tf.reduce_min(score, axis=1, keepdims=True)
    return candidates & (rank < limit) & ((last < limit) | first_group)


def mask_batch(
    features: Mapping[str, tf.Tensor], number: tf.Tensor, how: DynamicMasking
) -> dict[str, tf.Tensor]:
    """Return a batch of records with other masks, without word boundaries.

    Args:
        features: a batch, with "continues_word", int32 [B, T], where words are needed.
        number: int64 scalar, of the batch, from 0.
    """
    tables, batch = how.tables, dict(features)
    continues = batch.pop(CONTINUES_WORD, tf.zeros_like(batch["input_ids"]))
    ids = unmask(batch, tables)
    size, length = tf.unstack(tf.shape(ids))
    room = tf.shape(batch["masked_lm_ids"])[1]

    def draw(purpose: int, shape: Sequence, **kinds) -> tf.Tensor:
        seed = tf.stack([tf.constant(how.seed * 8 + purpose, tf.int64), number])
        return tf.random.stateless_uniform(shape, seed, **kinds)

    progress = tf.cast(number, tf.float32) / how.num_batches
    by_words = draw(0, [size]) < how.whole_word_share.at(tf.minimum(progress, 1.0))
    joins = (continues > 0) | tf.gather(tables.is_piece, ids)
    candidates = batch["input_mask"] > 0
    for special in (tables.cls, tables.sep):
        candidates &= tf.not_equal(ids, special)
    used = tf.cast(tf.reduce_sum(batch["input_mask"], axis=1), tf.float32)
    counts = tf.maximum(tf.cast(tf.round(used * how.share), tf.int32), 1)
    chosen = choose_tokens(
        candidates,
        joins & by_words[:, tf.newaxis],
        tf.minimum(counts, room),
        draw(1, [size, length + 1]),
    )
    kind = draw(2, [size, length])
    other = draw(3, [size, length], maxval=len(tables.plain), dtype=tf.int32)
    hidden = tf.where(kind < _MASKED + _KEPT, ids, other)
    hidden = tf.where(kind < _MASKED, tables.mask, hidden)
    places = tf.where(chosen, tf.range(length), length)
    positions = tf.sort(places, axis=1)[:, :room]
    is_used = positions < length
    positions = tf.where(is_used, positions, 0)
    labels = tf.gather(ids, positions, batch_dims=1)
    batch["input_ids"] = tf.where(chosen, hidden, ids)
    batch["masked_lm_positions"] = positions
    batch["masked_lm_ids"] = tf.where(is_used, labels, 0)
    batch["masked_lm_weights"] = tf.cast(is_used, tf.float32)
    return {name: tf.ensure_shape(batch[name], features[name].shape) for name in batch}


def with_plain_labels(
    dataset: tf.data.Dataset, how: Optional[DynamicMasking]
) -> tf.data.Dataset:
    """Return batches to evaluate on, masked as they are, with labels as in training.

    Elsewhere a label inside a word is a ## form, which training never asks for.
    """
    if how is None:
        return dataset

    def label(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        labels = tf.gather(how.tables.plain, batch["masked_lm_ids"])
        return {**batch, "masked_lm_ids": labels}

    return dataset.map(label)


def mask_dataset(
    dataset: tf.data.Dataset, how: Optional[DynamicMasking], first: int = 0
) -> tf.data.Dataset:
    """Return the batches of training with fresh masks; as they are without `how`.

    Args:
        first: the number of the first batch, counted from that of the training.
    """
    if how is None:
        return dataset
    return (
        dataset.enumerate(first)
        .map(
            lambda number, batch: mask_batch(batch, number, how),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(tf.data.AUTOTUNE)
    )
