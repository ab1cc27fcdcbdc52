"""ALBERT in the layout of albert_zh, post-LN or pre-LN."""

from __future__ import annotations

from typing import Optional

import tensorflow as tf

from albert.modeling.config import AlbertConfig
from albert.modeling.embeddings import embed_factorised
from albert.modeling.output import EncoderOutput
from albert.modeling.transformer import transformer_layers
from albert.modeling.transformer_encoder import build_transformer


def build_albert_zh(
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    training: bool = False,
    positions: Optional[tf.Tensor] = None,
    *,
    config: AlbertConfig,
    dtype: tf.DType = tf.float32,
    scope: str = AlbertConfig.scope,
    embeddings_scope: Optional[str] = None,
) -> EncoderOutput:
    """Build the graph; see `albert.modeling.encoder.EncoderBuilder`.

    Lan et al., "ALBERT" (2020), with the projection of the embeddings before their sum.

    Raises:
        UserError: the input is longer than the position embeddings.
    """
    return build_transformer(
        embed_factorised,
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
