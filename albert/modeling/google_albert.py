"""ALBERT in the layout of google-research/albert.

Lan et al., "ALBERT" (2020). Embeddings are summed and normalised at width E and then
mapped to H, so `embedding_output` is [B, T, E], and the masked LM's transform gives
width E.
"""

from __future__ import annotations

import functools
from typing import Optional

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.embeddings import embed_plain
from albert.modeling.published_config import GoogleAlbertConfig
from albert.modeling.transformer import LayerStack, attention_sublayer
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
        output = attention_sublayer(x, bias, config, training, pick)
    return layers.layer_norm(pick(x) + output)


def _feed_forward(
    x: tf.Tensor, config: GoogleAlbertConfig, training: bool
) -> tf.Tensor:
    """Return the normalised output of the feed-forward part."""
    stddev = config.initializer_range
    with v1.variable_scope("ffn_1/intermediate"):
        activation = layers.activation(config.hidden_act, training)
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


build_google_albert = functools.partial(build_transformer, embed_plain, _apply_layers)
