"""What references of several heads need."""

from __future__ import annotations

import math

import numpy as np

from tests.modeling import local_reference as local


def log_softmax(logits):
    wide = logits - logits.max(axis=-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))


def gelu_erf(x):
    return x * 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


ACTIVATIONS = {"gelu": local.gelu, "gelu_erf": gelu_erf}


def linear(x, values, scope=""):
    """The classifiers of BERT, whose weights lie as [units, H]."""
    return x @ values[f"{scope}output_weights"].T + values[f"{scope}output_bias"]


def vocabulary_logits(hidden, values, config, scope, bias, embeddings=None):
    """Devlin et al. (2019): a dense layer, its normalisation, the word table.

    Args:
        hidden: [..., H].
        scope: of the dense layer.
        bias: the name of the variable.
        embeddings: the scope of the word table, if not the encoder's.
    """
    embeddings = embeddings or config.scope
    activation = ACTIVATIONS[config.hidden_act]
    hidden = activation(local.dense(hidden, values, scope))
    hidden = local.layer_norm(hidden, values, scope)
    table = values[f"{embeddings}/embeddings/word_embeddings"]
    if table.shape[1] != hidden.shape[-1]:  # albert_zh goes back through the factors
        table = table @ values[f"{embeddings}/embeddings/word_embeddings_2"]
    return hidden @ table.T + values[bias]


def layers_of_one_width(encoded):
    """The embeddings, where they are as wide, and all layers."""
    every = [*encoded.layers[:-1], encoded.sequence]
    if encoded.embedding_output.shape == encoded.sequence.shape and encoded.layers:
        every.insert(0, encoded.embedding_output)
    return every
