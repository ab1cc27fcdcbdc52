"""Scores of labels from the n-grams around a token, beside an encoder.

What makes a linear CRF over character n-grams strong on small sets: the n-grams that
are a few tokens away, each with a weight for each label. They are hashed to rows of a
table (Weinberger et al., 2009), so that no list of them is needed.
"""

from __future__ import annotations

import tensorflow as tf

v1 = tf.compat.v1

# Places of an n-gram's tokens, counted from the token that is scored.
TEMPLATES = (
    *((offset,) for offset in range(-3, 4)),
    *((offset, offset + 1) for offset in range(-3, 3)),
    *((offset, offset + 1, offset + 2) for offset in range(-2, 1)),
    (-1, 1),
)
NUM_ROWS = 1 << 17
_FACTOR = 1_000_003  # of the hash; odd, so that every token counts
_MODULUS = (1 << 31) - 1


def _shift(ids: tf.Tensor, offset: int) -> tf.Tensor:
    """Return the id `offset` places on at each place, 0 beyond both ends."""
    length = tf.shape(ids)[1]
    reach = abs(offset)
    padded = tf.pad(ids, [[0, 0], [reach, reach]])
    start = reach + offset
    return padded[:, start : start + length]


def ngram_rows(
    input_ids: tf.Tensor, input_mask: tf.Tensor, num_rows: int = NUM_ROWS
) -> tf.Tensor:
    """Return the row of each template's n-gram at each token.

    Args:
        input_ids, input_mask: int32, [B, T]; padding has no part.
        num_rows: rows of the table.

    Returns:
        int32, [B, T, templates], in [0, num_rows).
    """
    ids = tf.cast(input_ids * input_mask, tf.int64)
    rows = []
    for index, template in enumerate(TEMPLATES):
        value = tf.fill(tf.shape(ids), tf.constant(index + 1, tf.int64))
        for offset in template:
            value = (value * _FACTOR + _shift(ids, offset) + 1) % _MODULUS
        rows.append(tf.cast(value % num_rows, tf.int32))
    return tf.stack(rows, axis=2)


def ngram_scores(
    input_ids: tf.Tensor, input_mask: tf.Tensor, num_labels: int
) -> tf.Tensor:
    """Return the sum of the weights of the n-grams around each token.

    Args:
        input_ids, input_mask: int32, [B, T].
        num_labels: L.

    Returns:
        float32, [B, T, L], zero at first. Variable `ngrams/weights` [NUM_ROWS, L].
    """
    with v1.variable_scope("ngrams"):
        weights = v1.get_variable(
            "weights", [NUM_ROWS, num_labels], initializer=v1.zeros_initializer()
        )
    rows = ngram_rows(input_ids, input_mask)
    return tf.reduce_sum(tf.gather(weights, rows), axis=2)
