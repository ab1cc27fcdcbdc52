"""Embeddings, factorised or not, and the decoder tied to them.

Source of the factorised ones: Lan et al., "ALBERT" (2020), section 3.1: a [V, E] table
times an [E, H] projection in place of a [V, H] table.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.config import AlbertConfig, TransformerConfig
from albert.modeling.output import TokenDecoder

v1 = tf.compat.v1


class Embeddings(NamedTuple):
    """The embedded input, and the way back to the vocabulary.

    Attributes:
        output: float tensor, [B * T, width].
        token_decoder: takes vectors of this width.
    """

    output: tf.Tensor
    token_decoder: TokenDecoder


def _table(name: str, rows: int, width: int, stddev: float) -> tf.Tensor:
    variable = v1.get_variable(
        name, [rows, width], initializer=layers.initializer(stddev)
    )
    return tf.convert_to_tensor(variable)


def _add_places(
    flat: tf.Tensor, segment_ids: tf.Tensor, config: TransformerConfig, training: bool
) -> tf.Tensor:
    """Add segments and positions to embedded words, normalise, drop out.

    Args:
        flat: float tensor, [B * T, width].
        segment_ids: int32, [B, T].

    Returns:
        float32, [B * T, width].
    """
    stddev, width = config.initializer_range, flat.shape[-1]
    segments = _table("token_type_embeddings", config.type_vocab_size, width, stddev)
    positions = _table(
        "position_embeddings", config.max_position_embeddings, width, stddev
    )
    # A product with a one-hot of two columns: its gradient is a small product, where a
    # gather's would scatter B * T rows into two.
    one_hot = tf.one_hot(
        tf.reshape(segment_ids, [-1]), config.type_vocab_size, dtype=tf.float32
    )
    flat = tf.cast(flat, tf.float32) + tf.matmul(one_hot, segments)
    length = tf.shape(segment_ids)[1]
    summed = tf.reshape(flat, [-1, length, width])
    summed += positions[:length]  # broadcast over B
    output = layers.layer_norm(tf.reshape(summed, [-1, width]))
    return layers.dropout(output, config.hidden_dropout_prob, training)


def embed_factorised(
    input_ids: tf.Tensor,
    segment_ids: tf.Tensor,
    config: AlbertConfig,
    training: bool,
    dtype: tf.DType = tf.float32,
) -> Embeddings:
    """Embed words at width E, project to H, add segments and positions at width H.

    Args:
        input_ids: int32, [B, T], below vocab_size.
        segment_ids: int32, [B, T], below type_vocab_size.
        dtype: the type to compute in; variables are float32.

    Variables: `embeddings/word_embeddings` [V, E], `word_embeddings_2` [E, H],
    `token_type_embeddings` [S, H], `position_embeddings` [P, H], `LayerNorm`.
    """
    stddev, width = config.initializer_range, config.hidden_size
    with v1.variable_scope("embeddings"):
        words = _table(
            "word_embeddings", config.vocab_size, config.embedding_size, stddev
        )
        projection = _table(
            "word_embeddings_2",
            config.embedding_size,
            width,
            config.projection_initializer_range or stddev,
        )
        words, projection = tf.cast(words, dtype), tf.cast(projection, dtype)
        flat = tf.matmul(tf.gather(words, tf.reshape(input_ids, [-1])), projection)
        output = _add_places(flat, segment_ids, config, training)

    def decode(hidden: tf.Tensor) -> tf.Tensor:
        narrow = tf.matmul(tf.cast(hidden, dtype), projection, transpose_b=True)
        return tf.matmul(narrow, words, transpose_b=True)

    return Embeddings(tf.cast(output, dtype), TokenDecoder(width, decode))


def embed_plain(
    input_ids: tf.Tensor,
    segment_ids: tf.Tensor,
    config: TransformerConfig,
    training: bool,
    dtype: tf.DType = tf.float32,
) -> Embeddings:
    """Embed words, segments and positions at one width, as BERT does.

    The width W is `config.word_embedding_size`: H in BERT, E in Google's ALBERT, which
    maps the result to H after it.

    Args:
        input_ids: int32, [B, T], below vocab_size.
        segment_ids: int32, [B, T], below type_vocab_size.
        dtype: the type to compute in; variables are float32.

    Variables: `embeddings/word_embeddings` [V, W], `token_type_embeddings` [S, W],
    `position_embeddings` [P, W], `LayerNorm`.
    """
    width = config.word_embedding_size
    with v1.variable_scope("embeddings"):
        words = _table(
            "word_embeddings", config.vocab_size, width, config.initializer_range
        )
        words = tf.cast(words, dtype)
        flat = tf.gather(words, tf.reshape(input_ids, [-1]))
        output = _add_places(flat, segment_ids, config, training)

    def decode(hidden: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.cast(hidden, dtype), words, transpose_b=True)

    return Embeddings(tf.cast(output, dtype), TokenDecoder(width, decode))
