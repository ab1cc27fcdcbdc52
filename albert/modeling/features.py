"""What a head reads of an encoder: its output, or several of its layers."""

from __future__ import annotations

from typing import Callable, Optional

import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling.output import EncoderOutput

v1 = tf.compat.v1

_CONCATENATED = 4
_EPSILON = 1e-6


def _last(encoded: EncoderOutput) -> tf.Tensor:
    return encoded.sequence


def _last_four_concat(encoded: EncoderOutput) -> tf.Tensor:
    """Devlin et al., "BERT" (2019), section 5.3; fewer where there are fewer."""
    return tf.concat(_even_layers(encoded)[-_CONCATENATED:], axis=2)


def _weighted(encoded: EncoderOutput) -> tf.Tensor:
    """Peters et al., "Deep contextualized word representations" (2018), section 3.2.

    Each layer is normalised first; a softmax over one weight a layer, at first all
    equal, and a common factor of 1.
    """
    every = [_standardise(layer) for layer in _even_layers(encoded)]
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


def _even_layers(encoded: EncoderOutput) -> list[tf.Tensor]:
    """Those of one width: Google's ALBERT maps its embeddings to that of the layers."""
    width = encoded.sequence.shape[-1]
    return [layer for layer in _all_layers(encoded) if layer.shape[-1] == width]


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


def masked_mean(sequence: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Return the mean of the vectors whose mask is 1, float32 [B, H].

    Args:
        sequence: float32, [B, T, H].
        mask: int32, [B, T]; where all is 0, so is the mean.
    """
    weights = tf.cast(mask, sequence.dtype)[:, :, tf.newaxis]
    count = tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)
    return tf.reduce_sum(sequence * weights, axis=1) / count


def choose_layer(encoded: EncoderOutput, layer: Optional[int]) -> tf.Tensor:
    """Return the output of a layer, float32 [B, T, H].

    Args:
        layer: from 1; 0 is the embeddings, None the encoder's output.

    Raises:
        UserError: there is no such layer.
    """
    if layer is None:
        return encoded.sequence
    every = _all_layers(encoded)
    if layer >= len(every):
        raise UserError(
            f"feature_layer is {layer}, but the encoder has {len(every) - 1} layers"
        )
    return every[layer]


def _pooled(encoded: EncoderOutput, mask: tf.Tensor, layer: Optional[int]) -> tf.Tensor:
    del mask, layer
    return encoded.pooled


def _first(encoded: EncoderOutput, mask: tf.Tensor, layer: Optional[int]) -> tf.Tensor:
    del mask
    return choose_layer(encoded, layer)[:, 0]


def _mean(encoded: EncoderOutput, mask: tf.Tensor, layer: Optional[int]) -> tf.Tensor:
    return masked_mean(choose_layer(encoded, layer), mask)


def _first_of_four(
    encoded: EncoderOutput, mask: tf.Tensor, layer: Optional[int]
) -> tf.Tensor:
    del mask, layer
    return _last_four_concat(encoded)[:, 0]


def _largest_of_four(
    encoded: EncoderOutput, mask: tf.Tensor, layer: Optional[int]
) -> tf.Tensor:
    del mask, layer
    firsts = [every[:, 0] for every in _even_layers(encoded)[-_CONCATENATED:]]
    return tf.reduce_max(tf.stack(firsts), axis=0)


# Those of the last four layers: Sun et al., "How to Fine-Tune BERT for Text
# Classification?" (2019), section 5.2.3.
TEXT_FEATURES: dict[str, Callable[..., tf.Tensor]] = {
    "pooled": _pooled,
    "first": _first,
    "last_four_concat": _first_of_four,
    "last_four_max": _largest_of_four,
    "mean": _mean,
}


def read_text_vector(
    kind: str,
    encoded: EncoderOutput,
    input_mask: tf.Tensor,
    layer: Optional[int] = None,
) -> tf.Tensor:
    """Return one vector of each text, float32 [B, D].

    Args:
        kind: "pooled", the encoder's own; "first", the vector at [CLS] of a layer;
            "last_four_concat" and "last_four_max", of the last four layers at [CLS];
            "mean" over the tokens of a layer.
        encoded: at all positions.
        input_mask: int32, [B, T]; 1 for tokens, 0 for padding.
        layer: see `choose_layer`; for "first" and "mean".

    Returns:
        D is the encoder's width; times 4, or the layers there are, for
        "last_four_concat".
    """
    return TEXT_FEATURES[kind](encoded, input_mask, layer)
