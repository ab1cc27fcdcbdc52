"""Transformer layers once more, in plain NumPy, without padding.

Vaswani et al. (2017); post-LN as BERT has it, pre-LN as Xiong et al. (2020). Each
example is given alone and as long as its tokens: x is [T, H].
"""

from __future__ import annotations

import math

import numpy as np

from tests.modeling.local_reference import dense, gelu, layer_norm


def attention(x, values, scope, heads):
    """Self-attention and its output projection."""

    def project(name):
        kernel = values[f"{scope}/self/{name}/kernel"]
        return x @ kernel + values[f"{scope}/self/{name}/bias"]

    query, key, value = project("query"), project("key"), project("value")
    size = x.shape[1] // heads
    context = np.zeros_like(query)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for token in range(len(x)):
            scores = key[:, part] @ query[token, part] / math.sqrt(size)
            weights = np.exp(scores - scores.max())
            context[token, part] = weights / weights.sum() @ value[:, part]
    return dense(context, values, f"{scope}/output")


def feed_forward(x, values, scope):
    return dense(
        gelu(dense(x, values, f"{scope}/intermediate")), values, f"{scope}/output"
    )


def post_norm_layer(x, values, scope, heads):
    x = x + attention(x, values, f"{scope}/attention", heads)
    x = layer_norm(x, values, f"{scope}/attention/output")
    return layer_norm(x + feed_forward(x, values, scope), values, f"{scope}/output")


def pre_norm_layer(x, values, scope, heads):
    normalised = layer_norm(x, values, f"{scope}/attention/output")
    x = x + attention(normalised, values, f"{scope}/attention", heads)
    normalised = layer_norm(x, values, f"{scope}/output")
    return x + feed_forward(normalised, values, scope)


def embed(ids, segments, values):
    """The sum of three tables, normalised; see BERT."""
    summed = values["embeddings/word_embeddings"][ids]
    summed = summed + values["embeddings/token_type_embeddings"][segments]
    summed = summed + values["embeddings/position_embeddings"][: len(ids)]
    return layer_norm(summed, values, "embeddings")


def bert(x, values, config):
    for index in range(config.num_hidden_layers):
        scope = f"encoder/layer_{index}"
        x = post_norm_layer(x, values, scope, config.num_attention_heads)
    return x


def pool_first(sequence, values):
    return np.tanh(dense(sequence[0], values, "pooler"))
