"""One vector of a long text from those of its windows.

Pappagari et al., "Hierarchical Transformers for Long Document Classification" (2019);
attention as Yang et al., "Hierarchical Attention Networks" (2016), section 2.2.
"""

from __future__ import annotations

from typing import Callable

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.features import masked_mean

v1 = tf.compat.v1

_ABSENT = -1e9  # the score of a window that a text does not have


def _max(vectors: tf.Tensor, mask: tf.Tensor, stddev: float) -> tf.Tensor:
    del stddev
    return tf.reduce_max(vectors + _bias(mask), axis=1)


def _mean(vectors: tf.Tensor, mask: tf.Tensor, stddev: float) -> tf.Tensor:
    del stddev
    return masked_mean(vectors, mask)


def _attention(vectors: tf.Tensor, mask: tf.Tensor, stddev: float) -> tf.Tensor:
    """Weights: a softmax over a learned vector's product with tanh of a layer."""
    width = vectors.shape[-1]
    rows = tf.reshape(vectors, [-1, width])
    with v1.variable_scope("windows"):
        hidden = layers.dense(rows, width, stddev, tf.tanh)
        context = v1.get_variable(
            "context", [width], initializer=layers.initializer(stddev)
        )
    scores = tf.reshape(tf.linalg.matvec(hidden, context), tf.shape(mask))
    weights = tf.nn.softmax(scores + _bias(mask)[:, :, 0])
    return tf.einsum("bw,bwd->bd", weights, vectors)


def _bias(mask: tf.Tensor) -> tf.Tensor:
    return (1.0 - tf.cast(mask, tf.float32))[:, :, tf.newaxis] * _ABSENT


JOINED: dict[str, Callable[..., tf.Tensor]] = {
    "mean": _mean,
    "max": _max,
    "attention": _attention,
}


def join_windows(
    kind: str, vectors: tf.Tensor, mask: tf.Tensor, stddev: float
) -> tf.Tensor:
    """Return a vector of each text, float32 [B, D].

    Args:
        kind: a key of JOINED.
        vectors: float32, [B, W, D], of its windows.
        mask: int32, [B, W]; 1 where a text has a window, at least one.
        stddev: of the initial variables, `windows/{dense,context}` of
            "attention".
    """
    return JOINED[kind](vectors, mask, stddev)
