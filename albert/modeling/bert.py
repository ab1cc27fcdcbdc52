"""BERT, and the models of its layout: BERT-wwm, RoBERTa-wwm-ext, RBT3."""

from __future__ import annotations

from typing import Optional

import tensorflow as tf

from albert.modeling.embeddings import embed_plain
from albert.modeling.output import EncoderOutput
from albert.modeling.published_config import BertConfig
from albert.modeling.transformer import transformer_layers
from albert.modeling.transformer_encoder import build_transformer


def build_bert(
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    training: bool = False,
    positions: Optional[tf.Tensor] = None,
    *,
    config: BertConfig,
    dtype: tf.DType = tf.float32,
    scope: str = "bert",
    embeddings_scope: Optional[str] = None,
) -> EncoderOutput:
    """Build the graph; see `albert.modeling.encoder.EncoderBuilder`.

    Devlin et al., "BERT" (2019). Variables are named as in its checkpoints: each layer
    has its own, under `bert/encoder/layer_<index>`.

    Raises:
        UserError: the input is longer than the position embeddings.
    """
    return build_transformer(
        embed_plain,
        transformer_layers,
        input_ids,
        input_mask,
        segment_ids,
        training,
        positions,
        config,
        dtype,
        scope,
        embeddings_scope,
    )
