"""Convolution below attention: neighbours first, the rest of the text above them.

Pre-LN blocks (Xiong et al., 2020) of a convolution and a feed-forward part; above them,
where asked for, blocks whose attention favours near tokens by a penalty that is linear
in the distance (Press et al., 2022, "ALiBi", here to both sides).
"""

from __future__ import annotations

import functools
from typing import Optional

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.convolution import convolve, hide_padding
from albert.modeling.local_config import ConvConfig
from albert.modeling.local_encoder import Blocks, build_local

v1 = tf.compat.v1


def distance_penalty(
    query_positions: tf.Tensor, length: tf.Tensor, num_heads: int
) -> tf.Tensor:
    """Return what to add to attention scores so that each head favours near tokens.

    Head h of n adds -2 ** (-8 (h + 1) / n) for each token of distance.

    Args:
        query_positions: int32, [B, Q].
        length: int32 scalar, T.

    Returns:
        float32, [B, heads, Q, T].
    """
    slopes = [2.0 ** (-8.0 * (head + 1) / num_heads) for head in range(num_heads)]
    distance = tf.abs(query_positions[:, :, tf.newaxis] - tf.range(length))
    distance = tf.cast(distance, tf.float32)[:, tf.newaxis]  # [B, 1, Q, T]
    return -tf.reshape(slopes, [1, -1, 1, 1]) * distance


class ConvBlocks(Blocks):
    """Blocks with a convolution, then blocks with attention.

    Variables of block i: `layer_<i>/convolution/{LayerNorm,kernel,bias,output/dense}`
    or `layer_<i>/attention/{LayerNorm,self,output/dense}`, then
    `layer_<i>/intermediate/{LayerNorm,dense}` and `layer_<i>/output/dense`; after the
    last block `output/LayerNorm`.
    """

    config: ConvConfig

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return self.config.num_hidden_layers + self.config.num_attention_layers

    def apply(
        self, x: tf.Tensor, index: int, positions: Optional[tf.Tensor] = None
    ) -> tf.Tensor:
        """See `Blocks.apply`."""
        config = self.config
        if index < config.num_hidden_layers:
            name, mix = "convolution", self._convolve
        else:
            name, mix = "attention", self._attend
        with v1.variable_scope(f"layer_{index}"):
            with v1.variable_scope(name):
                mixed = mix(layers.layer_norm(x), positions)
            x = self.pick(x, positions) + self.drop(mixed)
            with v1.variable_scope("intermediate"):
                normalised = layers.layer_norm(x)
                wide = self.dense(normalised, config.intermediate_size, activate=True)
            with v1.variable_scope("output"):
                return x + self.drop(self.dense(wide, config.hidden_size))

    def finish(self, x: tf.Tensor) -> tf.Tensor:
        """Normalise what the last block gives, as pre-LN blocks need it."""
        with v1.variable_scope("output"):
            return layers.layer_norm(x)

    def _convolve(self, x: tf.Tensor, positions: Optional[tf.Tensor]) -> tf.Tensor:
        config = self.config
        seen = hide_padding(self.by_example(x), self.input_mask)
        stddev = config.kernel_range(config.kernel_size * config.hidden_size)
        mixed = convolve(
            seen, config.kernel_size, config.hidden_size, stddev, positions
        )
        with v1.variable_scope("output"):
            return self.dense(
                layers.ACTIVATIONS[config.hidden_act](mixed), config.hidden_size
            )

    def _attend(self, x: tf.Tensor, positions: Optional[tf.Tensor]) -> tf.Tensor:
        config = self.config
        length = tf.shape(self.input_mask)[1]
        queries = tf.range(length)[tf.newaxis] if positions is None else positions
        bias = layers.attention_bias(self.input_mask)
        bias += distance_penalty(queries, length, config.num_attention_heads)
        pick = tf.identity
        if positions is not None:
            pick = functools.partial(self.pick, positions=positions)
        with v1.variable_scope("self"):
            context = layers.self_attention(
                x,
                bias,
                config.num_attention_heads,
                config.kernel_range(config.hidden_size),
                config.attention_probs_dropout_prob,
                self.training,
                pick,
            )
        with v1.variable_scope("output"):
            return self.dense(context, config.hidden_size)


build_conv = functools.partial(build_local, ConvBlocks)
