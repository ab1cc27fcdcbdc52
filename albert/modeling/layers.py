"""Layers as functions on tensors; each creates its variables in the current scope.

Variable names and shapes are those of BERT and albert_zh, so their checkpoints load.
Matrix products run in the type of their input; norms and softmax run in float32.
"""

from __future__ import annotations

import functools
import math
from typing import Callable, Optional

import tensorflow as tf

v1 = tf.compat.v1

Pick = Callable[[tf.Tensor], tf.Tensor]  # all rows -> those that a sublayer returns

_LAYER_NORM_EPSILON = 1e-12
_MASKED_SCORE = -10000.0  # added to the attention score of a padded position


def initializer(stddev: Optional[float]) -> v1.keras.initializers.Initializer:
    """Return the truncated normal initialiser of a kernel; for None, Glorot uniform."""
    if stddev is None:
        return v1.glorot_uniform_initializer()
    return v1.initializers.truncated_normal(stddev=stddev)


def scope_for_embeddings(scope: str, shared: Optional[str]) -> v1.variable_scope:
    """Return the scope to make embeddings in: an encoder's own, or a shared one.

    Args:
        scope: the encoder's.
        shared: see `EncoderBuilder`; variables that are there already are taken.
    """
    if shared is None:
        return v1.variable_scope(scope)
    return v1.variable_scope(shared, reuse=v1.AUTO_REUSE)


@tf.custom_gradient
def gelu(x: tf.Tensor) -> tf.Tensor:
    """Gaussian error linear unit, tanh approximation (Hendrycks and Gimpel, 2016).

    With 1 + tanh(u) = 2 sigmoid(2 u) it is x * sigmoid(x * (a + b x^2)). Computed in
    float32. The derivative is computed at once and kept in the type of `x`: one tensor
    for the backward pass, where differentiating the formula keeps eight.
    """
    a = 2.0 * math.sqrt(2.0 / math.pi)
    b = a * 0.044715
    wide = tf.cast(x, tf.float32)
    square = wide * wide
    gate = tf.sigmoid(wide * (square * b + a))
    slope = tf.raw_ops.SigmoidGrad(y=gate, dy=wide * (square * (3.0 * b) + a))
    derivative = tf.cast(gate + slope, x.dtype)
    return tf.cast(wide * gate, x.dtype), lambda upstream: upstream * derivative


@tf.custom_gradient
def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return -log softmax(logits) at the labels, for a large number of classes.

    As TensorFlow's sparse softmax cross entropy, which takes three times as long on a
    CPU: the gradient's probabilities give the loss too, without a second exponential.

    Args:
        logits: float32, [N, C].
        labels: integer, [N], each in [0, C).

    Returns:
        float32, [N].
    """
    probabilities = tf.nn.softmax(logits)
    # log(sum(exp(logits))), from the likeliest class: its probability is 1 / C or more.
    likeliest = tf.math.log(tf.reduce_max(probabilities, axis=-1))
    normaliser = tf.reduce_max(logits, axis=-1) - likeliest
    losses = normaliser - tf.gather(logits, labels, batch_dims=1)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        scaled = probabilities * upstream[:, tf.newaxis]
        rows = tf.range(tf.size(labels, out_type=labels.dtype), dtype=labels.dtype)
        places = tf.stack([rows, labels], axis=1)
        return tf.tensor_scatter_nd_sub(scaled, places, upstream), None

    return losses, gradient


def gelu_erf(x: tf.Tensor) -> tf.Tensor:
    """Gaussian error linear unit as defined, x times the normal distribution of x."""
    return tf.cast(tf.nn.gelu(tf.cast(x, tf.float32), approximate=False), x.dtype)


ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": gelu,
    "gelu_erf": gelu_erf,
    "relu": tf.nn.relu,
    "tanh": tf.tanh,
    "linear": tf.identity,
}


# Without training these take the place of the functions above: TensorFlow's optimiser
# knows their pattern, and makes them part of the matrix product before them.
_FUSED: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": functools.partial(tf.nn.gelu, approximate=True),
    "gelu_erf": functools.partial(tf.nn.gelu, approximate=False),
}


def activation(name: str, training: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return an activation by its name in a config, as it is fastest."""
    return ACTIVATIONS[name] if training else _FUSED.get(name, ACTIVATIONS[name])


def dense(
    x: tf.Tensor,
    units: int,
    stddev: Optional[float],
    activation: Optional[Callable[[tf.Tensor], tf.Tensor]] = None,
    scope: str = "dense",
) -> tf.Tensor:
    """Apply `activation(x @ kernel + bias)` over the last dimension.

    Args:
        x: float tensor, [N, inputs].
        units: width of the result.
        stddev: of the kernel's initialiser, see `initializer`.

    Returns:
        [N, units], in the type of `x`. Variables `<scope>/kernel` [inputs, units] and
        `<scope>/bias` [units], float32.
    """
    kernel, bias = _dense_variables(scope, x.shape[-1], units, stddev)
    output = _affine(x, kernel, bias)
    return activation(output) if activation else output


def _dense_variables(
    scope: str, inputs: int, units: int, stddev: Optional[float]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the values of `<scope>/kernel` and `<scope>/bias`, see `dense`."""
    with v1.variable_scope(scope):
        kernel = v1.get_variable(
            "kernel", [inputs, units], initializer=initializer(stddev)
        )
        bias = v1.get_variable("bias", [units], initializer=v1.zeros_initializer())
    return tf.convert_to_tensor(kernel), tf.convert_to_tensor(bias)


def _affine(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    product = tf.matmul(x, tf.cast(kernel, x.dtype))
    return tf.nn.bias_add(product, tf.cast(bias, x.dtype))


def layer_norm(x: tf.Tensor, scope: str = "LayerNorm") -> tf.Tensor:
    """Normalise the last dimension (Ba et al., 2016), epsilon 1e-12.

    Args:
        x: float tensor, [..., width].

    Returns:
        The same shape and type; computed in float32. Variables `<scope>/gamma` and
        `<scope>/beta` [width].
    """
    width = [x.shape[-1]]
    with v1.variable_scope(scope):
        beta = v1.get_variable("beta", width, initializer=v1.zeros_initializer())
        gamma = v1.get_variable("gamma", width, initializer=v1.ones_initializer())
    normalised = _standardise(tf.cast(x, tf.float32))
    return tf.cast(normalised * gamma + beta, x.dtype)


@tf.custom_gradient
def _standardise(x: tf.Tensor) -> tf.Tensor:
    """Return (x - mean) / deviation over the last dimension.

    The gradient is that of the formula, without the terms that cancel out.
    """
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    inverse = tf.math.rsqrt(variance + _LAYER_NORM_EPSILON)
    output = centred * inverse

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(upstream, axis=-1, keepdims=True)
        along = tf.reduce_mean(upstream * output, axis=-1, keepdims=True)
        return ((upstream - mean) - output * along) * inverse

    return output, gradient


def dropout(x: tf.Tensor, probability: float, training: bool) -> tf.Tensor:
    """Zero entries with `probability` in training and scale the rest up."""
    if not training or probability == 0.0:
        return x
    return tf.nn.dropout(x, rate=probability)


def attention_bias(input_mask: tf.Tensor) -> tf.Tensor:
    """Return what to add to attention scores so that padding gets no weight.

    Args:
        input_mask: int tensor, [B, T]; 1 for tokens, 0 for padding.

    Returns:
        float32, [B, 1, 1, T]. Computed once and used by every layer.
    """
    mask = tf.cast(input_mask, tf.float32)
    return ((1.0 - mask) * _MASKED_SCORE)[:, tf.newaxis, tf.newaxis, :]


def self_attention(
    x: tf.Tensor,
    bias: tf.Tensor,
    num_heads: int,
    stddev: float,
    dropout_prob: float,
    training: bool,
    pick: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> tf.Tensor:
    """Multi-head scaled dot-product attention (Vaswani et al., 2017) of x to itself.

    Args:
        x: float tensor, [B * T, H].
        bias: float32, [B, 1, 1, T]; see `attention_bias`.
        num_heads: a divisor of H.
        pick: [B * T, H] -> [B * P, H], the positions that attend; all by default.

    Returns:
        [B * P, H], the heads side by side, before the output projection. Variables
        `query`, `key` and `value` (dense).
    """
    width = x.shape[-1]
    head_size = width // num_heads
    examples = tf.shape(bias)[0]
    names = ("query", "key", "value")
    kernels, biases = zip(*(_dense_variables(n, width, width, stddev) for n in names))
    # The scores' factor goes into the query's weights: they are few, scores are many.
    factors = (1.0 / math.sqrt(head_size), 1.0, 1.0)
    kernels = [k * f for k, f in zip(kernels, factors)]
    biases = [b * f for b, f in zip(biases, factors)]

    def project(rows: tf.Tensor, chosen: slice) -> list[tf.Tensor]:
        """Return [B, heads, rows of an example, head size] of each chosen one."""
        kernel = tf.concat(kernels[chosen], axis=1)
        projected = _affine(rows, kernel, tf.concat(biases[chosen], axis=0))
        count = len(kernels[chosen])
        split = tf.reshape(projected, [examples, -1, count, num_heads, head_size])
        return tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]))

    if pick is tf.identity:
        query, key, value = project(x, slice(3))
    else:
        (query,) = project(pick(x), slice(1))
        key, value = project(x, slice(1, 3))
    scores = tf.matmul(query, key, transpose_b=True)  # [B, heads, P, T]
    scores = tf.cast(scores, tf.float32) + bias
    weights = tf.cast(tf.nn.softmax(scores), x.dtype)
    weights = dropout(weights, dropout_prob, training)
    context = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
    return tf.reshape(context, [-1, width])


def gather_positions(sequence: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """Pick the vectors at some positions of each example.

    Args:
        sequence: float tensor, [B, T, H].
        positions: int32, [B, P], each in [0, T).

    Returns:
        [B * P, H]. Example: positions [[2, 0]] of one example gives its third vector,
        then its first.
    """
    picked = tf.gather(sequence, positions, batch_dims=1)
    return tf.reshape(picked, [-1, sequence.shape[-1]])


def position_picker(bias: tf.Tensor, positions: tf.Tensor) -> Pick:
    """Return what takes the rows of some positions, [B * T, H] -> [B * P, H].

    Args:
        bias: float32, [B, 1, 1, T]; see `attention_bias`. It tells T.
        positions: int32, [B, P].
    """

    def pick(rows: tf.Tensor) -> tf.Tensor:
        sequence = tf.reshape(rows, [-1, tf.shape(bias)[-1], rows.shape[-1]])
        return gather_positions(sequence, positions)

    return pick
