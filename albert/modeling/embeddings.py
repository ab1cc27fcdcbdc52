"""Factorised embeddings of the albert_zh layout, and the decoder tied to them.

Source: Lan et al., "ALBERT" (2020), section 3.1: a [V, E] table times an [E, H]
projection in place of a [V, H] table.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.config import AlbertConfig
from albert.modeling.output import TokenDecoder

v1 = tf.compat.v1


class Embeddings(NamedTuple):
    """The embedded input, and the way back to the vocabulary.

    Attributes:
        output: float tensor, [B * T, H].
        token_decoder: takes vectors of width H.
    """

    output: tf.Tensor
    token_decoder: TokenDecoder


def embed(
    input_ids: tf.Tensor,
    segment_ids: tf.Tensor,
    config: AlbertConfig,
    training: bool,
    dtype: tf.DType = tf.float32,
) -> Embeddings:
    """Sum word, segment and position embeddings, normalise, drop out.

    Args:
        input_ids: int32, [B, T], below vocab_size.
        segment_ids: int32, [B, T], below type_vocab_size.
        dtype: the type to compute in; variables are float32.

    Variables: `embeddings/word_embeddings` [V, E], `word_embeddings_2` [E, H],
    `token_type_embeddings` [S, H], `position_embeddings` [P, H], `LayerNorm`.
    """
    stddev = config.initializer_range
    length = tf.shape(input_ids)[1]

    def table(name: str, rows: int, width: int, stddev: float = stddev) -> tf.Tensor:
        variable = v1.get_variable(
            name, [rows, width], initializer=layers.initializer(stddev)
        )
        return tf.convert_to_tensor(variable)

    with v1.variable_scope("embeddings"):
        words = table("word_embeddings", config.vocab_size, config.embedding_size)
        projection = table(
            "word_embeddings_2",
            config.embedding_size,
            config.hidden_size,
            config.projection_initializer_range or stddev,
        )
        segments = table(
            "token_type_embeddings", config.type_vocab_size, config.hidden_size
        )
        positions = table(
            "position_embeddings", config.max_position_embeddings, config.hidden_size
        )
        words, projection = tf.cast(words, dtype), tf.cast(projection, dtype)
        flat = tf.matmul(tf.gather(words, tf.reshape(input_ids, [-1])), projection)
        # A product with a one-hot of two columns: its gradient is a small product,
        # where a gather's would scatter B * T rows into two.
        one_hot = tf.one_hot(
            tf.reshape(segment_ids, [-1]), config.type_vocab_size, dtype=tf.float32
        )
        flat = tf.cast(flat, tf.float32) + tf.matmul(one_hot, segments)
        summed = tf.reshape(flat, [-1, length, config.hidden_size])
        summed += positions[:length]  # broadcast over B
        output = layers.layer_norm(tf.reshape(summed, [-1, config.hidden_size]))
        output = layers.dropout(output, config.hidden_dropout_prob, training)

    def decode(hidden: tf.Tensor) -> tf.Tensor:
        narrow = tf.matmul(tf.cast(hidden, dtype), projection, transpose_b=True)
        return tf.matmul(narrow, words, transpose_b=True)

    decoder = TokenDecoder(config.hidden_size, decode)
    return Embeddings(tf.cast(output, dtype), decoder)
