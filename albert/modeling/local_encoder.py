"""What the encoders that see neighbours by construction have in common.

Word and segment embeddings without positions, blocks on top, and a pooled vector that
is made from all tokens: the first one sees only its neighbours.
"""

from __future__ import annotations

import abc
from typing import NamedTuple, Optional

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.local_config import LocalConfig
from albert.modeling.output import EncoderOutput, TokenDecoder

v1 = tf.compat.v1


class Blocks(abc.ABC):
    """The blocks of one graph; B examples, T tokens, width H.

    Attributes:
        config: sizes.
        input_mask: int32, [B, T]; 1 for tokens, 0 for padding.
        training: whether dropout is on.
    """

    count = 0

    def __init__(
        self, config: LocalConfig, input_mask: tf.Tensor, training: bool
    ) -> None:
        """Keep what all blocks need."""
        self.config = config
        self.input_mask = input_mask
        self.training = training

    @abc.abstractmethod
    def apply(
        self, x: tf.Tensor, index: int, positions: Optional[tf.Tensor] = None
    ) -> tf.Tensor:
        """Return the output of block `index`.

        Args:
            x: float tensor, [B * T, H].
            positions: int32, [B, P], where alone to compute it.

        Returns:
            [B * T, H] or [B * P, H], in the type of x. A second call takes the
            variables of the first. No token depends on padding.
        """

    def finish(self, x: tf.Tensor) -> tf.Tensor:
        """Return what the encoder gives, from the last block's output."""
        return x

    def by_example(self, rows: tf.Tensor) -> tf.Tensor:
        """Return [B * T, H] as [B, T, H]."""
        shape = tf.shape(self.input_mask)
        return tf.reshape(rows, [shape[0], shape[1], rows.shape[-1]])

    def pick(self, rows: tf.Tensor, positions: Optional[tf.Tensor]) -> tf.Tensor:
        """Return those of the rows [B * T, H] at the positions; all without them."""
        if positions is None:
            return rows
        return layers.gather_positions(self.by_example(rows), positions)

    def drop(self, x: tf.Tensor) -> tf.Tensor:
        """Apply dropout, in training."""
        return layers.dropout(x, self.config.hidden_dropout_prob, self.training)

    def dense(self, x: tf.Tensor, units: int, activate: bool = False) -> tf.Tensor:
        """Return a dense layer of x whose initial values keep the scale."""
        activation = None
        if activate:
            activation = layers.activation(self.config.hidden_act, self.training)
        stddev = self.config.kernel_range(x.shape[-1])
        return layers.dense(x, units, stddev, activation)


class _TokenEmbeddings(NamedTuple):
    output: tf.Tensor  # [B * T, H], in the type to compute in
    token_decoder: TokenDecoder


def _embed_tokens(
    input_ids: tf.Tensor,
    segment_ids: tf.Tensor,
    config: LocalConfig,
    training: bool,
    dtype: tf.DType,
) -> _TokenEmbeddings:
    """Sum word and segment embeddings, normalise, drop out.

    Variables: `embeddings/word_embeddings` [V, E], `word_embeddings_2` [E, H] (as in
    albert_zh), `token_type_embeddings` [S, H], `LayerNorm`.
    """
    size, width = config.embedding_size, config.hidden_size

    def table(name: str, rows: int, columns: int, stddev: float) -> tf.Tensor:
        variable = v1.get_variable(
            name, [rows, columns], initializer=layers.initializer(stddev)
        )
        return tf.convert_to_tensor(variable)

    with v1.variable_scope("embeddings"):
        stddev = config.initializer_range
        words = table("word_embeddings", config.vocab_size, size, stddev)
        projection = table("word_embeddings_2", size, width, config.kernel_range(size))
        segments = table("token_type_embeddings", config.type_vocab_size, width, stddev)
        words = tf.cast(words, dtype)
        gathered = tf.gather(words, tf.reshape(input_ids, [-1]))
        flat = tf.matmul(gathered, tf.cast(projection, dtype))
        # Not a gather: see `embeddings.embed`.
        one_hot = tf.one_hot(tf.reshape(segment_ids, [-1]), config.type_vocab_size)
        flat = tf.cast(flat, tf.float32) + tf.matmul(one_hot, segments)
        output = layers.layer_norm(flat)
        output = layers.dropout(output, config.hidden_dropout_prob, training)

    def decode(hidden: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.cast(hidden, dtype), words, transpose_b=True)

    return _TokenEmbeddings(tf.cast(output, dtype), TokenDecoder(size, decode))


def _pool(sequence: tf.Tensor, input_mask: tf.Tensor, config: LocalConfig) -> tf.Tensor:
    """Return a tanh dense layer over the mean of the tokens' vectors, [B, H].

    Variables `pooler/dense/{kernel,bias}`.
    """
    mask = tf.cast(input_mask, sequence.dtype)[:, :, tf.newaxis]
    count = tf.maximum(tf.reduce_sum(mask, axis=1), 1.0)
    mean = tf.reduce_sum(sequence * mask, axis=1) / count
    width = config.hidden_size
    with v1.variable_scope("pooler"):
        return layers.dense(mean, width, config.kernel_range(width), tf.tanh)


def build_local(
    blocks_class: type[Blocks],
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    training: bool = False,
    positions: Optional[tf.Tensor] = None,
    *,
    config: LocalConfig,
    dtype: tf.DType = tf.float32,
    scope: str = "bert",
    embeddings_scope: Optional[str] = None,
) -> EncoderOutput:
    """Build an encoder of these blocks; see `albert.modeling.encoder.EncoderBuilder`.

    With `positions` the last block is in the graph twice: at these alone, and at all
    for `pooled`. A graph that does not use the pooled vector never computes the latter.
    """
    with layers.scope_for_embeddings(scope, embeddings_scope):
        embedded = _embed_tokens(input_ids, segment_ids, config, training, dtype)
    size, length = tf.unstack(tf.shape(input_ids))

    def by_example(rows: tf.Tensor, count: tf.Tensor = length) -> tf.Tensor:
        shape = [size, count, config.hidden_size]
        return tf.reshape(tf.cast(rows, tf.float32), shape)

    with v1.variable_scope(scope):
        blocks = blocks_class(config, input_mask, training)
        outputs = [embedded.output]
        with v1.variable_scope("encoder", reuse=v1.AUTO_REUSE):
            for index in range(blocks.count):
                outputs.append(blocks.apply(outputs[-1], index))
            sequence = read = by_example(blocks.finish(outputs[-1]))
            if positions is not None:
                if blocks.count:
                    rows = blocks.apply(outputs[-2], blocks.count - 1, positions)
                else:
                    rows = blocks.pick(outputs[-1], positions)
                read = by_example(blocks.finish(rows), tf.shape(positions)[1])
        pooled = _pool(sequence, input_mask, config)
    embedding_output, *sequences = map(by_example, outputs)
    return EncoderOutput(
        embedding_output, read, tuple(sequences), pooled, embedded.token_decoder
    )
