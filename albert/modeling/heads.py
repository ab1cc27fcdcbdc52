"""Heads over an encoder's output: masked LM, replaced tokens, sentence order, labels.

A head gives logits; tasks turn them into losses and predictions.
"""

from __future__ import annotations

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.config import EncoderConfig
from albert.modeling.output import TokenDecoder

v1 = tf.compat.v1


def masked_lm_logits(
    hidden: tf.Tensor,
    token_decoder: TokenDecoder,
    config: EncoderConfig,
    scope: str = "cls/predictions",
    transform: str = "cls/predictions/transform",
) -> tf.Tensor:
    """Return logits over the vocabulary at the masked positions.

    Args:
        hidden: float32, [N, H], the encoder's output at these positions.
        token_decoder: of the encoder; the transform gives the width it takes.
        scope, transform: where the variables lie; the defaults are BERT's.

    Returns:
        float32, [N, V]. Variables `<transform>/{dense,LayerNorm}` and
        `<scope>/output_bias` [V].
    """
    with v1.variable_scope(transform):
        activation = layers.ACTIVATIONS[config.hidden_act]
        hidden = layers.dense(
            hidden, token_decoder.width, config.initializer_range, activation
        )
        hidden = layers.layer_norm(hidden)
    with v1.variable_scope(scope):
        bias = v1.get_variable(
            "output_bias", [config.vocab_size], initializer=v1.zeros_initializer()
        )
    logits = token_decoder(hidden)
    return tf.cast(tf.nn.bias_add(logits, tf.cast(bias, logits.dtype)), tf.float32)


def _linear(
    x: tf.Tensor, units: int, stddev: float, scope: str | None = None
) -> tf.Tensor:
    """Return `x @ output_weights^T + output_bias`; x is [N, H], the result [N, units].

    The weights lie as [units, H], as in the classifiers of BERT.
    """
    with v1.variable_scope(scope or v1.get_variable_scope()):
        weights = v1.get_variable(
            "output_weights",
            [units, x.shape[-1]],
            initializer=layers.initializer(stddev),
        )
        bias = v1.get_variable(
            "output_bias", [units], initializer=v1.zeros_initializer()
        )
    return tf.nn.bias_add(tf.matmul(x, weights, transpose_b=True), bias)


def sentence_order_logits(pooled: tf.Tensor, initializer_range: float) -> tf.Tensor:
    """Return logits of "in order" (0) and "swapped" (1).

    Args:
        pooled: float32, [B, H].

    Returns:
        float32, [B, 2]. Variables `cls/seq_relationship/output_{weights,bias}`.
    """
    return _linear(pooled, 2, initializer_range, "cls/seq_relationship")


def generator_logits(
    hidden: tf.Tensor, token_decoder: TokenDecoder, config: EncoderConfig
) -> tf.Tensor:
    """Return logits over the vocabulary of ELECTRA's generator.

    As `masked_lm_logits`. Variables `generator_predictions/{dense,LayerNorm}` and
    `generator_predictions/output_bias` [V].
    """
    scope = "generator_predictions"
    return masked_lm_logits(hidden, token_decoder, config, scope, scope)


def discriminator_logits(sequence: tf.Tensor, config: EncoderConfig) -> tf.Tensor:
    """Return for each token how much it looks replaced; Clark et al. (2020).

    Args:
        sequence: float32, [B, T, H].

    Returns:
        float32, [B, T]; above 0 for "replaced". Variables
        `discriminator_predictions/dense` [H, H] and `dense_1` [H, 1].
    """
    rows = tf.reshape(sequence, [-1, sequence.shape[-1]])
    with v1.variable_scope("discriminator_predictions"):
        activation = layers.ACTIVATIONS[config.hidden_act]
        hidden = layers.dense(
            rows, config.hidden_size, config.initializer_range, activation
        )
        logits = layers.dense(hidden, 1, None, scope="dense_1")
    return tf.reshape(logits, tf.shape(sequence)[:2])


def token_label_logits(
    sequence: tf.Tensor,
    num_labels: int,
    initializer_range: float,
    dropout_prob: float,
    training: bool,
) -> tf.Tensor:
    """Return logits of each token's label.

    Args:
        sequence: float32, [B, T, H].
        num_labels: L.
        dropout_prob: of the dropout before the projection, in training.

    Returns:
        float32, [B, T, L]. Variables `output_weights` [L, H], `output_bias` [L].
    """
    width = sequence.shape[-1]
    length = tf.shape(sequence)[1]
    hidden = layers.dropout(sequence, dropout_prob, training)
    logits = _linear(tf.reshape(hidden, [-1, width]), num_labels, initializer_range)
    return tf.reshape(logits, [-1, length, num_labels])


def text_label_logits(
    vectors: tf.Tensor,
    num_labels: int,
    initializer_range: float,
    dropout_prob: float,
    training: bool,
    scope: str = "classifier",
) -> tf.Tensor:
    """Return logits of each text's label.

    Args:
        vectors: float32, [B, D].
        num_labels: L.
        dropout_prob: of the dropout before the projection, in training.
        scope: where the variables lie.

    Returns:
        float32, [B, L]. Variables `output_weights` [L, D], `output_bias` [L].
    """
    hidden = layers.dropout(vectors, dropout_prob, training)
    return _linear(hidden, num_labels, initializer_range, scope)
