"""What a head reads of an encoder: its output, or several of its layers."""

from __future__ import annotations

from typing import Callable

import tensorflow as tf

from albert.modeling.output import EncoderOutput

v1 = tf.compat.v1

_CONCATENATED = 4
_EPSILON = 1e-6


def _last(encoded: EncoderOutput) -> tf.Tensor:
    return encoded.sequence


def _last_four_concat(encoded: EncoderOutput) -> tf.Tensor:
    """Devlin et al., "BERT" (2019), section 5.3; fewer where there are fewer."""
    return tf.concat(_all_layers(encoded)[-_CONCATENATED:], axis=2)


def _weighted(encoded: EncoderOutput) -> tf.Tensor:
    """Peters et al., "Deep contextualized word representations" (2018), section 3.2.

    Each layer is normalised first; a softmax over one weight a layer, at first all
    equal, and a common factor of 1.
    """
    every = [_standardise(layer) for layer in _all_layers(encoded)]
    with v1.variable_scope("features"):
        weights = v1.get_variable(
            "weights", [len(every)], initializer=v1.zeros_initializer()
        )
        factor = v1.get_variable("factor", [], initializer=v1.ones_initializer())
    shares = tf.unstack(tf.nn.softmax(weights) * factor)
    return tf.add_n([share * layer for share, layer in zip(shares, every)])


def _all_layers(encoded: EncoderOutput) -> list[tf.Tensor]:
    """The embeddings and each layer; the last as the encoder gives it."""
    layers = [encoded.embedding_output, *encoded.layers]
    return [*layers[:-1], encoded.sequence]


def _standardise(x: tf.Tensor) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, axes=[2], keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + _EPSILON)


FEATURES: dict[str, Callable[[EncoderOutput], tf.Tensor]] = {
    "last": _last,
    "last_four_concat": _last_four_concat,
    "weighted": _weighted,
}


def read_features(kind: str, encoded: EncoderOutput) -> tf.Tensor:
    """Return what a head reads.

    Args:
        kind: a key of FEATURES.
        encoded: at all positions; B examples, T tokens, width H.

    Returns:
        float32, [B, T, H]; with "last_four_concat" [B, T, 4 H], or fewer times H where
        the encoder has fewer layers. Variables `features/{weights,factor}` with
        "weighted".
    """
    return FEATURES[kind](encoded)
