"""Encoders: what a task gets to build upon, and the table of architectures."""

from __future__ import annotations

import functools
from typing import Callable, NamedTuple, Optional

import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling import embeddings, layers, transformer
from albert.modeling.config import AlbertConfig

v1 = tf.compat.v1


class EncoderOutput(NamedTuple):
    """What an encoder makes of a batch; B examples, T tokens, width H.

    Attributes:
        embedding_output: [B, T, H], the input of the first layer.
        sequence: the output of the last layer: [B, T, H], or [B, P, H] at the P
            positions that were asked for.
        layers: the output of each layer that was computed at all positions, [B, T, H].
        pooled: [B, H], a tanh dense layer over the first token.
        token_decoder: [N, H] -> [N, V], logits over the vocabulary without a bias.
    """

    embedding_output: tf.Tensor
    sequence: tf.Tensor
    layers: tuple[tf.Tensor, ...]
    pooled: tf.Tensor
    token_decoder: embeddings.TokenDecoder


# (input_ids, input_mask, segment_ids, training=False, positions=None,
# dtype=tf.float32) -> EncoderOutput, see `build_albert_zh`.
EncoderBuilder = Callable[..., EncoderOutput]


def build_albert_zh(
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    training: bool = False,
    positions: Optional[tf.Tensor] = None,
    *,
    config: AlbertConfig,
    dtype: tf.DType = tf.float32,
) -> EncoderOutput:
    """Build ALBERT in the layout of albert_zh; variables under the scope `bert`.

    Args:
        input_ids: int32, [B, T], T at most max_position_embeddings.
        input_mask: int32, [B, T]; 1 for tokens, 0 for padding.
        segment_ids: int32, [B, T].
        training: whether dropout is on.
        positions: int32, [B, P], the positions whose output is read. The last layer is
            then computed for these and the first token alone, with the same result.
        dtype: the type of matrix products; variables and outputs are float32.

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
    with v1.variable_scope("bert"):
        embedded = embeddings.embed(input_ids, segment_ids, config, training, dtype)
        if positions is not None:  # after the first token, for the pooler
            positions = tf.pad(positions, [[0, 0], [1, 0]])
        outputs = transformer.transformer_layers(
            embedded.output,
            layers.attention_bias(input_mask),
            config,
            training,
            positions,
        )
        shape = [tf.shape(input_ids)[0], -1, width]
        embedding_output, *sequences = [
            tf.reshape(tf.cast(x, tf.float32), shape)
            for x in (embedded.output, *outputs)
        ]
        sequence = sequences[-1]
        with v1.variable_scope("pooler"):
            pooled = layers.dense(
                sequence[:, 0], width, config.initializer_range, tf.tanh
            )
    if positions is not None:
        sequence = sequences.pop()[:, 1:]
    return EncoderOutput(
        embedding_output, sequence, tuple(sequences), pooled, embedded.token_decoder
    )


ARCHITECTURES = {"albert_zh": build_albert_zh}


def make_encoder_builder(
    config: AlbertConfig, architecture: str = "albert_zh"
) -> EncoderBuilder:
    """Return the builder of `architecture` with `config` filled in."""
    return functools.partial(ARCHITECTURES[architecture], config=config)
