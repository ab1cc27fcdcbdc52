"""Masking, and putting the generator's tokens in; Clark et al., "ELECTRA" (2020).

As google-research/electra computes it: positions are drawn with replacement, and where
several slots write to one position, the mean of what they write is written.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple

import tensorflow as tf

from albert.tasks.electra.draws import Draws

_SHOWN_AS_MASK = 0.85  # of the slots; the others keep their token
_EPSILON = 1e-9  # no logarithm of 0
_IMPOSSIBLE = 1000.0  # taken off the logit of a token that is not to be sampled


class SpecialIds(NamedTuple):
    """The ids of the tokens that are never masked; `mask` is shown in place of one."""

    cls: int
    sep: int
    mask: int


class Masked(NamedTuple):
    """A batch with masks; B examples, T tokens, N slots.

    Attributes:
        input_ids: int32 [B, T].
        positions: int32 [B, N], 0 in unused slots.
        labels: int32 [B, N], the tokens that stood there, 0 in unused slots.
        weights: float32 [B, N], 1 in used slots.
    """

    input_ids: tf.Tensor
    positions: tf.Tensor
    labels: tf.Tensor
    weights: tf.Tensor


class Corrupted(NamedTuple):
    """A batch with tokens of the generator.

    Attributes:
        input_ids: int32 [B, T].
        is_fake: int32 [B, T], 1 where a token is not the text's.
    """

    input_ids: tf.Tensor
    is_fake: tf.Tensor


def count_slots(mask_prob: float, max_seq_length: int) -> int:
    """Return N, the slots of an example, as the reference derives it.

    Example: 19 of 128 tokens and 79 of 512 with 0.15.
    """
    return int((mask_prob + 0.005) * max_seq_length)


def find_candidates(features: Mapping[str, tf.Tensor], ids: SpecialIds) -> tf.Tensor:
    """Return which tokens may be masked, bool [B, T]; [UNK] may."""
    candidates = features["input_mask"] > 0
    for special in ids:
        candidates &= tf.not_equal(features["input_ids"], special)
    return candidates


def write_tokens(
    input_ids: tf.Tensor, positions: tf.Tensor, values: tf.Tensor
) -> tf.Tensor:
    """Return a batch with other tokens at some positions.

    Args:
        input_ids: int32 [B, T].
        positions: int32 [B, N]; what is written at position 0 is left out.
        values: int32 [B, N]. Where several go to one position their mean is written,
            rounded down: for different tokens that is some third one.

    Returns:
        int32 [B, T]. Example: [[9, 5, 6]], positions [[0, 1, 1]] and values [[7, 3, 4]]
        give [[9, 3, 6]].
    """
    rows = tf.range(tf.shape(positions)[0])[:, tf.newaxis] + tf.zeros_like(positions)
    places = tf.stack([rows, positions], axis=2)  # [B, N, 2]
    shape = tf.shape(input_ids)
    sums = tf.scatter_nd(places, values, shape)
    counts = tf.scatter_nd(places, tf.ones_like(values), shape)
    is_written = (counts > 0) & (tf.range(shape[1]) > 0)
    return tf.where(is_written, sums // tf.maximum(counts, 1), input_ids)


def mask_batch(
    features: Mapping[str, tf.Tensor],
    ids: SpecialIds,
    mask_prob: float,
    slots: int,
    draws: Draws,
) -> Masked:
    """Return a batch of records with fresh masks.

    Args:
        features: `input_ids` and `input_mask`, int32 [B, T].
        mask_prob: share of the tokens of an example, [CLS] and [SEP] counted.
        slots: N, at most so many.
    """
    input_ids = features["input_ids"]
    candidates = find_candidates(features, ids)
    used = tf.cast(tf.reduce_sum(features["input_mask"], axis=1), tf.float32)
    counts = tf.cast(tf.round(used * mask_prob), tf.int32)  # half to even
    counts = tf.clip_by_value(counts, 1, slots)
    # The reference's probabilities are 0 / 0 in an example that has nothing to mask.
    counts = tf.where(tf.reduce_any(candidates, axis=1), counts, 0)
    used_slots = tf.cast(tf.range(slots) < counts[:, tf.newaxis], tf.int32)
    positions = draws.positions(candidates, slots) * used_slots
    labels = tf.gather(input_ids, positions, batch_dims=1) * used_slots
    shown = tf.cast(draws.replace(slots) < _SHOWN_AS_MASK, tf.int32)
    hidden = write_tokens(
        input_ids, positions * shown, tf.fill(tf.shape(positions), ids.mask)
    )
    return Masked(hidden, positions, labels, tf.cast(used_slots, tf.float32))


def sample_tokens(
    logits: tf.Tensor,
    masked: Masked,
    uniform: tf.Tensor,
    temperature: float = 1.0,
    disallow_correct: bool = False,
) -> tf.Tensor:
    """Return tokens drawn from the generator, int32 [B, N], without a gradient.

    By the highest of logits with Gumbel noise (Gumbel, 1954), which is a draw from
    their softmax.

    Args:
        logits: float32 [B, N, V].
        uniform: float32 [B, N, V], in [0, 1).
        temperature: that logits are divided by.
        disallow_correct: whether the text's own token is never drawn.
    """
    logits = tf.stop_gradient(logits) / temperature
    if disallow_correct:
        vocab_size = logits.shape[-1]
        logits -= _IMPOSSIBLE * tf.one_hot(masked.labels, vocab_size)
    noise = -tf.math.log(-tf.math.log(uniform + _EPSILON) + _EPSILON)
    return tf.argmax(logits + noise, axis=-1, output_type=tf.int32)


def corrupt(input_ids: tf.Tensor, masked: Masked, sampled: tf.Tensor) -> Corrupted:
    """Put sampled tokens in; a correct guess is no fake.

    Args:
        input_ids: int32 [B, T], the text.
        sampled: int32 [B, N], see `sample_tokens`.
    """
    corrupted = write_tokens(input_ids, masked.positions, sampled)
    return Corrupted(corrupted, tf.cast(tf.not_equal(corrupted, input_ids), tf.int32))
