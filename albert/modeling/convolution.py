"""Convolution over tokens, with no part for padding."""

from __future__ import annotations

from typing import Optional

import tensorflow as tf

from albert.modeling import layers

v1 = tf.compat.v1


def hide_padding(x: tf.Tensor, input_mask: tf.Tensor) -> tf.Tensor:
    """Return x [B, T, H] with zeros where the mask, int32 [B, T], is 0."""
    return x * tf.cast(input_mask, x.dtype)[:, :, tf.newaxis]


def convolve(
    x: tf.Tensor,
    kernel_size: int,
    units: int,
    stddev: float,
    positions: Optional[tf.Tensor] = None,
) -> tf.Tensor:
    """Convolve over tokens; beyond both ends there are zeros.

    Args:
        x: float tensor, [B, T, H], zero at padding, see `hide_padding`.
        kernel_size: K, odd: a token sees (K - 1) / 2 neighbours on each side.
        units: width of the result.
        stddev: of the kernel's initialiser.
        positions: int32, [B, P], where alone to compute it.

    Returns:
        [B * T, units] or [B * P, units], in the type of x. Variables `kernel`
        [K, H, units] and `bias` [units], float32.
    """
    width = x.shape[-1]
    kernel = v1.get_variable(
        "kernel", [kernel_size, width, units], initializer=layers.initializer(stddev)
    )
    bias = v1.get_variable("bias", [units], initializer=v1.zeros_initializer())
    kernel = tf.cast(tf.convert_to_tensor(kernel), x.dtype)
    if positions is None:
        output = tf.reshape(tf.nn.conv1d(x, kernel, 1, "SAME"), [-1, units])
    else:
        reach = kernel_size // 2
        padded = tf.pad(x, [[0, 0], [reach, reach], [0, 0]])
        windows = positions[:, :, tf.newaxis] + tf.range(kernel_size)  # [B, P, K]
        seen = tf.gather(padded, windows, batch_dims=1)  # [B, P, K, H]
        seen = tf.reshape(seen, [-1, kernel_size * width])
        output = tf.matmul(seen, tf.reshape(kernel, [-1, units]))
    return tf.nn.bias_add(output, tf.cast(bias, x.dtype))
