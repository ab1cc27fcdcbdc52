"""ALBERT in the layout of google-research/albert."""

from __future__ import annotations

from typing import Optional

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.embeddings import embed_plain
from albert.modeling.output import EncoderOutput
from albert.modeling.published_config import GoogleAlbertConfig
from albert.modeling.transformer import LayerStack
from albert.modeling.transformer_encoder import build_transformer

v1 = tf.compat.v1


def _attention(
    x: tf.Tensor,
    bias: tf.Tensor,
    config: GoogleAlbertConfig,
    training: bool,
    pick: layers.Pick,
) -> tf.Tensor:
    """Return the normalised output of self-attention at the picked positions."""
    with v1.variable_scope("attention_1"):
        with v1.variable_scope("self"):
            context = layers.self_attention(
                x,
                bias,
                config.num_attention_heads,
                config.initializer_range,
                config.attention_probs_dropout_prob,
                training,
                pick,
            )
        with v1.variable_scope("output"):
            output = layers.dense(context, config.hidden_size, config.initializer_range)
    output = layers.dropout(output, config.hidden_dropout_prob, training)
    return layers.layer_norm(pick(x) + output)


def _feed_forward(
    x: tf.Tensor, config: GoogleAlbertConfig, training: bool
) -> tf.Tensor:
    """Return the normalised output of the feed-forward part."""
    stddev = config.initializer_range
    with v1.variable_scope("ffn_1/intermediate"):
        activation = layers.ACTIVATIONS[config.hidden_act]
        wide = layers.dense(x, config.intermediate_size, stddev, activation)
        with v1.variable_scope("output"):
            output = layers.dense(wide, config.hidden_size, stddev)
    output = layers.dropout(output, config.hidden_dropout_prob, training)
    return layers.layer_norm(x + output, scope="LayerNorm_1")


def _apply_layers(
    x: tf.Tensor,
    bias: tf.Tensor,
    config: GoogleAlbertConfig,
    training: bool,
    positions: Optional[tf.Tensor],
) -> LayerStack:
    """Map the embedded input to the width of the layers and apply these in turn.

    Variables under `encoder/embedding_hidden_mapping_in` and
    `encoder/transformer/group_<g>/inner_group_0`; a group's layers share them.
    """
    outputs = []
    with v1.variable_scope("encoder"):
        x = layers.dense(
            x,
            config.hidden_size,
            config.initializer_range,
            scope="embedding_hidden_mapping_in",
        )
        for index in range(config.num_hidden_layers):
            group = index * config.num_hidden_groups // config.num_hidden_layers
            last = index == config.num_hidden_layers - 1
            pick = tf.identity
            if last and positions is not None:
                pick = layers.position_picker(bias, positions)
            scope = f"transformer/group_{group}/inner_group_0"
            with v1.variable_scope(scope, reuse=v1.AUTO_REUSE):
                x = _attention(x, bias, config, training, pick)
                x = _feed_forward(x, config, training)
            outputs.append(x)
    return LayerStack(x, tuple(outputs if positions is None else outputs[:-1]))


def build_google_albert(
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    training: bool = False,
    positions: Optional[tf.Tensor] = None,
    *,
    config: GoogleAlbertConfig,
    dtype: tf.DType = tf.float32,
    scope: str = "bert",
    embeddings_scope: Optional[str] = None,
) -> EncoderOutput:
    """Build the graph; see `albert.modeling.encoder.EncoderBuilder`.

    Lan et al., "ALBERT" (2020). Embeddings are summed and normalised at width E and
    then mapped to H, so `embedding_output` is [B, T, E], and the masked LM's transform
    gives width E.

    Raises:
        UserError: the input is longer than the position embeddings.
    """
    return build_transformer(
        embed_plain,
        _apply_layers,
        input_ids,
        input_mask,
        segment_ids,
        training,
        positions,
        config,
        dtype,
        scope,
        embeddings_scope,
    )
