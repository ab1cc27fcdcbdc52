"""The stack of Transformer layers, post-LN or pre-LN, with or without shared variables.

Source: Vaswani et al. (2017); sharing across layers: Lan et al. (2020), section 3.1;
pre-LN: Xiong et al. (2020).
"""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional, Union

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.config import AlbertConfig, TransformerConfig
from albert.modeling.published_config import BertConfig, ElectraConfig

v1 = tf.compat.v1

StackConfig = Union[AlbertConfig, BertConfig, ElectraConfig]
Sublayer = Callable[[tf.Tensor], tf.Tensor]


class LayerStack(NamedTuple):
    """What a stack of layers makes of its input.

    Attributes:
        output: [B * T, H], or [B * P, H] at the positions that were asked for.
        layers: the output of each layer that was computed at all positions,
            [B * T, H], before a final normalisation.
    """

    output: tf.Tensor
    layers: tuple[tf.Tensor, ...]


def _layer_scope(index: int, shared: bool) -> v1.variable_scope:
    """Return the scope of a part of layer `index`; equal names share variables."""
    name = "layer_shared" if shared else f"layer_{index}"
    return v1.variable_scope(name, reuse=v1.AUTO_REUSE)


def _post_norm(
    x: tf.Tensor, sublayer: Sublayer, scope: str, pick: layers.Pick
) -> tf.Tensor:
    output = sublayer(x)
    with v1.variable_scope(scope):
        return layers.layer_norm(pick(x) + output)


def _pre_norm(
    x: tf.Tensor, sublayer: Sublayer, scope: str, pick: layers.Pick
) -> tf.Tensor:
    with v1.variable_scope(scope):
        normalised = layers.layer_norm(x)
    return pick(x) + sublayer(normalised)


# How a sublayer, its residual and its normalisation combine; by `ln_type`.
_RESIDUALS = {"postln": _post_norm, "preln": _pre_norm}


def attention_sublayer(
    x: tf.Tensor,
    bias: tf.Tensor,
    config: TransformerConfig,
    training: bool,
    pick: layers.Pick,
) -> tf.Tensor:
    """Return self-attention, projected and dropped out, before the residual.

    Arguments as for `layers.self_attention`. Variables `self/{query,key,value}` and
    `output/dense`.
    """
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
    return layers.dropout(output, config.hidden_dropout_prob, training)


def _attention(
    x: tf.Tensor,
    bias: tf.Tensor,
    config: StackConfig,
    training: bool,
    pick: layers.Pick,
) -> tf.Tensor:
    with v1.variable_scope("attention"):
        return attention_sublayer(x, bias, config, training, pick)


def _feed_forward(x: tf.Tensor, config: StackConfig, training: bool) -> tf.Tensor:
    stddev = config.initializer_range
    with v1.variable_scope("intermediate"):
        activation = layers.activation(config.hidden_act, training)
        wide = layers.dense(x, config.intermediate_size, stddev, activation)
    with v1.variable_scope("output"):
        output = layers.dense(wide, config.hidden_size, stddev)
    return layers.dropout(output, config.hidden_dropout_prob, training)


def transformer_layers(
    x: tf.Tensor,
    bias: tf.Tensor,
    config: StackConfig,
    training: bool,
    positions: Optional[tf.Tensor] = None,
) -> LayerStack:
    """Apply the layers in turn.

    Args:
        x: float tensor, [B * T, H], the embedded input.
        bias: float32, [B, 1, 1, T]; see `layers.attention_bias`.
        positions: int32, [B, P], where alone the last layer is computed; None for all.
            The other positions only enter its keys and values.

    Returns:
        The layers' outputs. Variables under `encoder/layer_shared` or
        `encoder/layer_<index>`, as `config.layer_sharing` says; those of a final
        normalisation, which albert_zh lacks, under `encoder/output`.
    """
    residual = _RESIDUALS[config.ln_type]
    share_attention = config.layer_sharing in ("all", "attention")
    share_feed_forward = config.layer_sharing == "all"

    outputs = []
    with v1.variable_scope("encoder"):
        for index in range(config.num_hidden_layers):
            last = index == config.num_hidden_layers - 1
            pick = tf.identity
            if last and positions is not None:
                pick = layers.position_picker(bias, positions)
            with _layer_scope(index, share_attention):
                x = residual(
                    x,
                    lambda y, pick=pick: _attention(y, bias, config, training, pick),
                    "attention/output",
                    pick,
                )
            with _layer_scope(index, share_feed_forward):
                x = residual(
                    x,
                    lambda y: _feed_forward(y, config, training),
                    "output",
                    tf.identity,
                )
            outputs.append(x)
        if config.final_layer_norm:
            with v1.variable_scope("output"):
                x = layers.layer_norm(x)
    return LayerStack(x, tuple(outputs if positions is None else outputs[:-1]))
