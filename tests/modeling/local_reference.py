"""The encoders that see neighbours by construction once more, in plain NumPy loops.

Written from the descriptions of the papers, token by token, without padding: each
example is given alone and as long as its tokens.
"""

from __future__ import annotations

import math

import numpy as np

_SCALE = math.sqrt(2.0 / math.pi)


def gelu(x):
    return 0.5 * x * (1.0 + np.tanh(_SCALE * (x + 0.044715 * x**3)))


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def layer_norm(x, values, scope):
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    gamma, beta = values[f"{scope}/LayerNorm/gamma"], values[f"{scope}/LayerNorm/beta"]
    return centred / deviation * gamma + beta


def dense(x, values, scope):
    return x @ values[f"{scope}/dense/kernel"] + values[f"{scope}/dense/bias"]


def embed(ids, segments, values):
    words = values["embeddings/word_embeddings"][ids]
    summed = words @ values["embeddings/word_embeddings_2"]
    summed = summed + values["embeddings/token_type_embeddings"][segments]
    return layer_norm(summed, values, "embeddings")


def convolution(x, values, scope):
    """out[t] = bias + sum over k of x[t + k - K // 2] @ kernel[k]."""
    kernel, bias = values[f"{scope}/kernel"], values[f"{scope}/bias"]
    result = np.tile(bias, (len(x), 1)).astype(float)
    for token in range(len(x)):
        for tap in range(len(kernel)):
            source = token + tap - len(kernel) // 2
            if 0 <= source < len(x):
                result[token] += x[source] @ kernel[tap]
    return result


def conv(x, values, config):
    total = config.num_hidden_layers + config.num_attention_layers
    for index in range(total):
        scope = f"encoder/layer_{index}"
        if index < config.num_hidden_layers:
            normalised = layer_norm(x, values, f"{scope}/convolution")
            seen = gelu(convolution(normalised, values, f"{scope}/convolution"))
            x = x + dense(seen, values, f"{scope}/convolution/output")
        else:
            normalised = layer_norm(x, values, f"{scope}/attention")
            context = attention(normalised, values, f"{scope}/attention", config)
            x = x + dense(context, values, f"{scope}/attention/output")
        normalised = layer_norm(x, values, f"{scope}/intermediate")
        wide = gelu(dense(normalised, values, f"{scope}/intermediate"))
        x = x + dense(wide, values, f"{scope}/output")
    return layer_norm(x, values, "encoder/output")


def attention(x, values, scope, config):
    def project(name):
        kernel = values[f"{scope}/self/{name}/kernel"]
        return x @ kernel + values[f"{scope}/self/{name}/bias"]

    query, key, value = project("query"), project("key"), project("value")
    heads = config.num_attention_heads
    size = config.hidden_size // heads
    context = np.zeros_like(query)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        slope = 2.0 ** (-8.0 * (head + 1) / heads)
        for i in range(len(x)):
            scores = np.array(
                [
                    query[i, part] @ key[j, part] / math.sqrt(size) - slope * abs(i - j)
                    for j in range(len(x))
                ]
            )
            weights = np.exp(scores - scores.max())
            context[i, part] = weights / weights.sum() @ value[:, part]
    return context


def textcnn(x, values, config):
    for index in range(config.num_hidden_layers):
        scope = f"encoder/layer_{index}"
        found = [
            convolution(x, values, f"{scope}/convolution_{size}")
            for size in range(1, config.kernel_size + 1, 2)
        ]
        x = layer_norm(x + gelu(np.concatenate(found, axis=1)), values, scope)
    return x


def lstm(x, values, scope):
    kernel, bias = values[f"{scope}/kernel"], values[f"{scope}/bias"]
    units = len(bias) // 4
    hidden, cell, outputs = np.zeros(units), np.zeros(units), []
    for vector in x:
        gates = np.concatenate([vector, hidden]) @ kernel + bias
        enter, forget, candidate, leave = np.split(gates, 4)
        cell = sigmoid(forget + 1.0) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
        outputs.append(hidden)
    return np.array(outputs)


def bilstm(x, values, config):
    for index in range(config.num_hidden_layers):
        scope = f"encoder/layer_{index}"
        forward = lstm(x, values, f"{scope}/forward")
        backward = lstm(x[::-1], values, f"{scope}/backward")[::-1]
        x = x + np.concatenate([forward, backward], axis=1)
    return x


def embeddings(x, values, config):
    del values, config
    return x


def pool(sequence, values):
    return np.tanh(dense(sequence.mean(axis=0), values, "pooler"))
