"""A task that is given what an encoder has computed, in place of computing it.

The encoder is built all the same: its variables are in the graph, and so in every
checkpoint, but nothing reads its outputs, and so nothing computes them.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Mapping, NamedTuple, Sequence

import numpy as np
import tensorflow as tf

from albert.modeling.output import EncoderOutput
from albert.training.task import DataSource, Features, Task, TaskOutput

TOKENS, POOLED = "encoded_tokens", "encoded_pooled"  # features beside the task's own


class Read(NamedTuple):
    """Which outputs of an encoder a task reads.

    Attributes:
        tokens: the numbers of those at all tokens: 0 for the sequence, 1 for the
            embeddings, then the layers.
        pooled: whether it reads the vectors of whole examples.
    """

    tokens: tuple[int, ...]
    pooled: bool


class Outputs(NamedTuple):
    """What is kept of an encoder's outputs for a batch, or how wide each is.

    Attributes:
        tokens: float32, [B, T, W]: those at all tokens that a task reads, side by side.
        pooled: float32, [B, H]; [B, 0] where it is not read.
    """

    tokens: Any
    pooled: Any


def _tokens_of(encoded: EncoderOutput) -> list[tf.Tensor]:
    return [encoded.sequence, encoded.embedding_output, *encoded.layers]


def _with_tokens(encoded: EncoderOutput, tokens: Sequence[tf.Tensor]) -> EncoderOutput:
    sequence, embeddings, *layers = tokens
    return encoded._replace(
        sequence=sequence, embedding_output=embeddings, layers=tuple(layers)
    )


def watch(encoded: EncoderOutput) -> EncoderOutput:
    """Return the same outputs in tensors that nothing reads yet, see `find_read`."""
    watched = _with_tokens(encoded, [tf.identity(x) for x in _tokens_of(encoded)])
    return watched._replace(pooled=tf.identity(encoded.pooled))


def find_read(watched: EncoderOutput) -> Read:
    """Return which outputs are read in the graph by now; `watched` as of `watch`."""
    tokens = enumerate(_tokens_of(watched))
    return Read(
        tuple(number for number, tensor in tokens if tensor.consumers()),
        bool(watched.pooled.consumers()),
    )


def keep_outputs(encoded: EncoderOutput, read: Read) -> Outputs:
    """Return what is kept of the outputs of a batch."""
    tokens, sequence = _tokens_of(encoded), encoded.sequence
    chosen = [tokens[number] for number in read.tokens] or [sequence[:, :, :0]]
    pooled = encoded.pooled if read.pooled else sequence[:, 0, :0]
    return Outputs(tf.concat(chosen, axis=2), pooled)


def _give_back(encoded: EncoderOutput, kept: Outputs, read: Read) -> EncoderOutput:
    """Return an encoder's output with what was kept in place of what it computes."""
    if read.pooled:
        encoded = encoded._replace(pooled=kept.pooled)
    tokens = _tokens_of(encoded)
    if read.tokens:
        sizes = [tokens[number].shape[-1] for number in read.tokens]
        for number, part in zip(read.tokens, tf.split(kept.tokens, sizes, axis=2)):
            tokens[number] = part
    return _with_tokens(encoded, tokens)


class GivenEncoderTask(Task):
    """A task whose encoder's outputs come with the features; for training alone."""

    def __init__(self, task: Task, widths: Outputs, read: Read):
        """Keep the task, what it reads, and how wide that is; see `keep_outputs`."""
        self._task = task
        self._widths = widths
        self._read = read

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
            return _give_back(encoded, kept, self._read)

        return self._task.build(features, mode, give_back)

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: DataSource
    ) -> dict[str, float]:
        """See `Task.score`."""
        return self._task.score(batches, data)
