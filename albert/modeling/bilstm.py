"""Layers of two LSTMs (Hochreiter and Schmidhuber, 1997), one from each end."""

from __future__ import annotations

import functools
from typing import Optional

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.local_config import BilstmConfig
from albert.modeling.local_encoder import Blocks, build_local

v1 = tf.compat.v1

_FORGET_BIAS = 1.0  # added to the forget gate's (Jozefowicz et al., 2015)


def lstm(x: tf.Tensor, units: int, stddev: float) -> tf.Tensor:
    """Run an LSTM without peepholes over the first dimension, from zeros.

    Args:
        x: float32, [T, B, inputs].
        units: U, width of the state.
        stddev: of the kernel's initialiser.

    Returns:
        float32, [T, B, U]. Variables `kernel` [inputs + U, 4 U] and `bias` [4 U]; the
        gates lie side by side: input, forget, candidate, output.
    """
    inputs = x.shape[-1]
    kernel = v1.get_variable(
        "kernel", [inputs + units, 4 * units], initializer=layers.initializer(stddev)
    )
    bias = v1.get_variable("bias", [4 * units], initializer=v1.zeros_initializer())
    forget = tf.one_hot(1, 4, on_value=_FORGET_BIAS)
    bias = tf.convert_to_tensor(bias) + tf.repeat(forget, units)
    length, size = tf.unstack(tf.shape(x)[:2])
    start, no_peephole = tf.zeros([size, units]), tf.zeros([units])
    return tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.cast(length, tf.int64),
        x=x,
        cs_prev=start,
        h_prev=start,
        w=kernel,
        wci=no_peephole,
        wcf=no_peephole,
        wco=no_peephole,
        b=bias,
    ).h


def both_ways(sequence: tf.Tensor, input_mask: tf.Tensor, stddev: float) -> tf.Tensor:
    """Run an LSTM from each end; padding stays behind the tokens.

    Args:
        sequence: float32, [B, T, H], H even.
        input_mask: int32, [B, T]; 1 for tokens, then 0 for padding.
        stddev: of the kernels' initialiser.

    Returns:
        float32, [B, T, H], half of it from each LSTM. Variables
        `{forward,backward}/{kernel,bias}`.
    """
    width = sequence.shape[-1]
    lengths = tf.reduce_sum(input_mask, axis=1)

    def run(sequence: tf.Tensor, scope: str) -> tf.Tensor:
        with v1.variable_scope(scope):
            by_time = tf.transpose(sequence, [1, 0, 2])
            return tf.transpose(lstm(by_time, width // 2, stddev), [1, 0, 2])

    forward = run(sequence, "forward")
    backward = run(tf.reverse_sequence(sequence, lengths, seq_axis=1), "backward")
    backward = tf.reverse_sequence(backward, lengths, seq_axis=1)
    both = tf.concat([forward, backward], axis=2)
    return tf.reshape(both, [tf.shape(both)[0], tf.shape(both)[1], width])


class BilstmBlocks(Blocks):
    """Layers of two LSTMs side by side, and a residual around them.

    Variables of layer i: `layer_<i>/{forward,backward}/{kernel,bias}`.
    """

    config: BilstmConfig

    @property
    def count(self) -> int:
        """How many layers there are."""
        return self.config.num_hidden_layers

    def apply(
        self, x: tf.Tensor, index: int, positions: Optional[tf.Tensor] = None
    ) -> tf.Tensor:
        """See `Blocks.apply`; recurrence is computed in float32, at all positions."""
        width = self.config.hidden_size
        sequence = tf.cast(self.by_example(x), tf.float32)
        stddev = self.config.kernel_range(width + width // 2)
        with v1.variable_scope(f"layer_{index}"):
            both = both_ways(sequence, self.input_mask, stddev)
        both = tf.reshape(both, [-1, width])
        output = x + tf.cast(self.drop(both), x.dtype)
        return self.pick(output, positions)


build_bilstm = functools.partial(build_local, BilstmBlocks)
