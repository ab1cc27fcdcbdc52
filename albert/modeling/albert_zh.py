"""ALBERT in the layout of albert_zh, post-LN or pre-LN."""

from __future__ import annotations

from typing import Optional

import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling import embeddings, layers, transformer
from albert.modeling.config import AlbertConfig
from albert.modeling.output import EncoderOutput

v1 = tf.compat.v1


def build_albert_zh(
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    training: bool = False,
    positions: Optional[tf.Tensor] = None,
    *,
    config: AlbertConfig,
    dtype: tf.DType = tf.float32,
    scope: str = "bert",
    embeddings_scope: Optional[str] = None,
) -> EncoderOutput:
    """Build the graph; see `albert.modeling.encoder.EncoderBuilder`.

    Lan et al., "ALBERT" (2020). The pooled vector is a tanh dense layer over the first
    token's.

    Raises:
        UserError: the input is longer than the position embeddings.
    """
    length = input_ids.shape[1]
    if length is not None and length > config.max_position_embeddings:
        raise UserError(
            f"max_seq_length {length} is more than the model's "
            f"max_position_embeddings {config.max_position_embeddings}"
        )
    width = config.hidden_size
    with layers.scope_for_embeddings(scope, embeddings_scope):
        embedded = embeddings.embed(input_ids, segment_ids, config, training, dtype)
    with v1.variable_scope(scope):
        if positions is not None:  # after the first token, for the pooler
            positions = tf.pad(positions, [[0, 0], [1, 0]])
        stack = transformer.transformer_layers(
            embedded.output,
            layers.attention_bias(input_mask),
            config,
            training,
            positions,
        )
        shape = [tf.shape(input_ids)[0], -1, width]
        embedding_output, sequence, *sequences = [
            tf.reshape(tf.cast(x, tf.float32), shape)
            for x in (embedded.output, stack.output, *stack.layers)
        ]
        with v1.variable_scope("pooler"):
            pooled = layers.dense(
                sequence[:, 0], width, config.initializer_range, tf.tanh
            )
    if positions is not None:
        sequence = sequence[:, 1:]
    return EncoderOutput(
        embedding_output, sequence, tuple(sequences), pooled, embedded.token_decoder
    )
