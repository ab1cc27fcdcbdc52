"""What every encoder returns."""

from __future__ import annotations

from typing import Callable, NamedTuple

import tensorflow as tf


class TokenDecoder(NamedTuple):
    """The way from vectors back to the vocabulary, tied to the word embeddings.

    Attributes:
        width: D, the width of the vectors it takes.
        decode: float32 [N, D] -> logits without a bias, [N, V].
    """

    width: int
    decode: Callable[[tf.Tensor], tf.Tensor]

    def __call__(self, hidden: tf.Tensor) -> tf.Tensor:
        return self.decode(hidden)


class EncoderOutput(NamedTuple):
    """The outputs of an encoder for a batch; B examples, T tokens, width H.

    Attributes:
        embedding_output: [B, T, H], the input of the first layer.
        sequence: the encoder's output: [B, T, H], or [B, P, H] at the P positions that
            were asked for.
        layers: the output of each layer that was computed at all positions, [B, T, H].
        pooled: [B, H], one vector of each example.
        token_decoder: logits over the vocabulary.
    """

    embedding_output: tf.Tensor
    sequence: tf.Tensor
    layers: tuple[tf.Tensor, ...]
    pooled: tf.Tensor
    token_decoder: TokenDecoder
