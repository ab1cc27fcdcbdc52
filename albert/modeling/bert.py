"""BERT, and the models of its layout: BERT-wwm, RoBERTa-wwm-ext, RBT3.

Devlin et al., "BERT" (2019). Variables are named as in its checkpoints: each layer has
its own, under `bert/encoder/layer_<index>`.
"""

from __future__ import annotations

import functools

from albert.modeling.embeddings import embed_plain
from albert.modeling.transformer import transformer_layers
from albert.modeling.transformer_encoder import build_transformer

build_bert = functools.partial(build_transformer, embed_plain, transformer_layers)
