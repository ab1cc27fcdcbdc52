"""What the encoders made of embeddings and Transformer layers have in common."""

from __future__ import annotations

from typing import Callable, Optional

import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling import layers
from albert.modeling.config import TransformerConfig
from albert.modeling.embeddings import Embeddings
from albert.modeling.output import EncoderOutput
from albert.modeling.transformer import LayerStack

v1 = tf.compat.v1


def _check_length(length: Optional[int], config: TransformerConfig) -> None:
    if length is not None and length > config.max_position_embeddings:
        raise UserError(
            f"max_seq_length {length} is more than the model's "
            f"max_position_embeddings {config.max_position_embeddings}"
        )


def _tanh_pooler(sequence: tf.Tensor, config: TransformerConfig) -> tf.Tensor:
    """Return a tanh dense layer over the first vector, as BERT does.

    Args:
        sequence: float32, [B, T, H].
    """
    with v1.variable_scope("pooler"):
        return layers.dense(
            sequence[:, 0], config.hidden_size, config.initializer_range, tf.tanh
        )


def _keep(x: tf.Tensor, config: TransformerConfig) -> tf.Tensor:
    del config
    return x


def build_transformer(
    embed: Callable[..., Embeddings],
    apply_layers: Callable[..., LayerStack],
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    training: bool = False,
    positions: Optional[tf.Tensor] = None,
    *,
    config: TransformerConfig,
    dtype: tf.DType = tf.float32,
    scope: str = TransformerConfig.scope,
    embeddings_scope: Optional[str] = None,
    project: Callable[[tf.Tensor, TransformerConfig], tf.Tensor] = _keep,
    pool: Callable[[tf.Tensor, TransformerConfig], tf.Tensor] = _tanh_pooler,
) -> EncoderOutput:
    """Build an encoder of these parts; see `albert.modeling.encoder.EncoderBuilder`.

    Args:
        embed: called with input_ids, segment_ids, config, training and dtype, in the
            scope of the embeddings.
        apply_layers: called with the embedded input [B * T, width], the attention bias,
            config, training and positions, in `scope`.
        project: makes the embedded input from the embeddings, in `scope`: so what maps
            them to the layers' width is the encoder's own where they are shared.
        pool: the pooled vector [B, H] from the output [B, T, H], in `scope`.

    Raises:
        UserError: the input is longer than the position embeddings.
    """
    _check_length(input_ids.shape[1], config)
    with layers.scope_for_embeddings(scope, embeddings_scope):
        embedded = embed(input_ids, segment_ids, config, training, dtype)
    with v1.variable_scope(scope):
        if positions is not None:  # after the first token, for the pooler
            positions = tf.pad(positions, [[0, 0], [1, 0]])
        bias = layers.attention_bias(input_mask)
        x = project(embedded.output, config)
        stack = apply_layers(x, bias, config, training, positions)
        embedding_output, sequence, *sequences = [
            tf.reshape(
                tf.cast(x, tf.float32), [tf.shape(input_ids)[0], -1, x.shape[-1]]
            )
            for x in (x, stack.output, *stack.layers)
        ]
        pooled = pool(sequence, config)
    if positions is not None:
        sequence = sequence[:, 1:]
    return EncoderOutput(
        embedding_output, sequence, tuple(sequences), pooled, embedded.token_decoder
    )
