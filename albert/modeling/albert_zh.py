"""ALBERT in the layout of albert_zh, post-LN or pre-LN.

Lan et al., "ALBERT" (2020), with the projection of the embeddings before their sum.
"""

from __future__ import annotations

import functools

from albert.modeling.embeddings import embed_factorised
from albert.modeling.transformer import transformer_layers
from albert.modeling.transformer_encoder import build_transformer

build_albert_zh = functools.partial(
    build_transformer, embed_factorised, transformer_layers
)
