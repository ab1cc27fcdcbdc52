"""ELECTRA's encoder, of the discriminator and of the generator.

Clark et al., "ELECTRA" (2020). Layers as in BERT, with the exact GELU; embeddings of
another width than the layers are mapped to it by a dense layer after their sum. There
is no pooler: the pooled vector is the last layer's first one. Variables are named as in
google-research/electra.
"""

from __future__ import annotations

import functools

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.embeddings import embed_plain
from albert.modeling.published_config import ElectraConfig
from albert.modeling.transformer import transformer_layers
from albert.modeling.transformer_encoder import build_transformer


def _project(x: tf.Tensor, config: ElectraConfig) -> tf.Tensor:
    """Map embeddings [B * T, E] to the layers' width [B * T, H], where they differ."""
    if x.shape[-1] == config.hidden_size:
        return x
    return layers.dense(x, config.hidden_size, None, scope="embeddings_project")


def _first_vector(sequence: tf.Tensor, config: ElectraConfig) -> tf.Tensor:
    del config
    return sequence[:, 0]


build_electra = functools.partial(
    build_transformer,
    embed_plain,
    transformer_layers,
    scope=ElectraConfig.scope,
    project=_project,
    pool=_first_vector,
)
