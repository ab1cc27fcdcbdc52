"""A task that is given what an encoder has computed, in place of computing it.

The encoder is built all the same: its variables are in the graph, and so in every
checkpoint, but nothing reads its outputs, and so nothing computes them.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Mapping, NamedTuple

import numpy as np
import tensorflow as tf

from albert.modeling.output import EncoderOutput
from albert.training.task import DataSource, Features, Task, TaskOutput

TOKENS, POOLED = "encoded_tokens", "encoded_pooled"  # features beside the task's own


class Outputs(NamedTuple):
    """What is kept of an encoder's outputs for a batch, or how wide each is.

    Attributes:
        tokens: float32, [B, T, W]: the sequence, or it, the embeddings and all layers
            side by side, where a task reads them.
        pooled: float32, [B, H].
    """

    tokens: Any
    pooled: Any


def _tokens_of(encoded: EncoderOutput, all_layers: bool) -> list[tf.Tensor]:
    if not all_layers:
        return [encoded.sequence]
    return [encoded.sequence, encoded.embedding_output, *encoded.layers]


def keep_outputs(encoded: EncoderOutput, all_layers: bool) -> Outputs:
    """Return what is kept; `all_layers` where more is read than the sequence."""
    return Outputs(tf.concat(_tokens_of(encoded, all_layers), axis=2), encoded.pooled)


def _give_back(
    encoded: EncoderOutput, kept: Outputs, all_layers: bool
) -> EncoderOutput:
    """Return an encoder's output with what was kept in place of what it computes."""
    encoded = encoded._replace(pooled=kept.pooled)
    if not all_layers:
        return encoded._replace(sequence=kept.tokens)
    sizes = [tensor.shape[-1] for tensor in _tokens_of(encoded, all_layers)]
    sequence, embeddings, *layers = tf.split(kept.tokens, sizes, axis=2)
    return encoded._replace(
        sequence=sequence, embedding_output=embeddings, layers=tuple(layers)
    )


class GivenEncoderTask(Task):
    """A task whose encoder's outputs come with the features; for training alone."""

    def __init__(self, task: Task, widths: Outputs, all_layers: bool):
        """Keep the task, and how wide the outputs are; see `keep_outputs`."""
        self._task = task
        self._widths = widths
        self._all_layers = all_layers

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`; with the outputs of the encoder."""
        return {
            **self._task.features(mode),
            TOKENS: tf.TensorSpec([None, None, self._widths.tokens], tf.float32),
            POOLED: tf.TensorSpec([None, self._widths.pooled], tf.float32),
        }

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`."""
        features = dict(features)
        kept = Outputs(features.pop(TOKENS), features.pop(POOLED))

        def give_back(*inputs: tf.Tensor, training: bool = False, **options: Any):
            del training
            encoded = build_encoder(*inputs, training=False, **options)
            return _give_back(encoded, kept, self._all_layers)

        return self._task.build(features, mode, give_back)

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: DataSource
    ) -> dict[str, float]:
        """See `Task.score`."""
        return self._task.score(batches, data)
