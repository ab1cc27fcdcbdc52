"""A layer of context between an encoder and the head of a task.

BERT + LSTM + CRF and BERT + Transformer + CRF, as sequence labelling has them: Huang et
al., "Bidirectional LSTM-CRF Models for Sequence Tagging" (2015).
"""

from __future__ import annotations

import math
from typing import Callable

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.bilstm import both_ways
from albert.modeling.config import AlbertConfig
from albert.modeling.transformer import transformer_layers

v1 = tf.compat.v1

_HEADS = 8  # at most; as many as divide the width


def _bilstm(
    sequence: tf.Tensor, input_mask: tf.Tensor, dropout_prob: float, training: bool
) -> tf.Tensor:
    width = sequence.shape[-1]
    if width % 2:
        sequence = tf.pad(sequence, [[0, 0], [0, 0], [0, 1]])
    stddev = 1.0 / math.sqrt(1.5 * width)
    sequence = layers.dropout(sequence, dropout_prob, training)
    return both_ways(sequence, input_mask, stddev)


def _transformer(
    sequence: tf.Tensor, input_mask: tf.Tensor, dropout_prob: float, training: bool
) -> tf.Tensor:
    width = sequence.shape[-1]
    config = AlbertConfig(
        vocab_size=1,
        hidden_size=width,
        embedding_size=1,
        num_hidden_layers=1,
        num_attention_heads=math.gcd(width, _HEADS),
        intermediate_size=2 * width,
        hidden_dropout_prob=dropout_prob,
        attention_probs_dropout_prob=dropout_prob,
        initializer_range=1.0 / math.sqrt(width),
        ln_type="preln",
        layer_sharing="none",
        final_layer_norm=True,
    )
    rows = tf.reshape(sequence, [-1, width])
    bias = layers.attention_bias(input_mask)
    output = transformer_layers(rows, bias, config, training).output
    return tf.reshape(output, tf.shape(sequence))


# By the name of a task's setting; "none" has none.
CONTEXTS: dict[str, Callable[..., tf.Tensor]] = {
    "bilstm": _bilstm,
    "transformer": _transformer,
}


def add_context(
    kind: str,
    sequence: tf.Tensor,
    input_mask: tf.Tensor,
    dropout_prob: float,
    training: bool,
) -> tf.Tensor:
    """Return the vectors of a sequence after a layer of context.

    Args:
        kind: "none" for the vectors as they are, or a key of CONTEXTS.
        sequence: float32, [B, T, H], the output of an encoder.
        input_mask: int32, [B, T]; 1 for tokens, then 0 for padding, which has no part.
        dropout_prob: before LSTMs, and in a Transformer.
        training: whether dropout is on.

    Returns:
        float32, [B, T, H] (one more than H from LSTMs where H is odd). Variables under
        `context`.
    """
    if kind == "none":
        return sequence
    with v1.variable_scope("context"):
        return CONTEXTS[kind](sequence, input_mask, dropout_prob, training)
