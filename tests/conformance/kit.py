"""Small models of every row of the table of encoders, and what a row of HEADS is.

A row of `heads.HEADS` is all that a head needs to be in the suite, and the row of
`encoder.ARCHITECTURES` together with one of `goldens.GOLDENS` all that an encoder
needs.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf

from albert.modeling.encoder import ARCHITECTURES
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from albert.training.task import TRAIN, DataSource, Task

Arrays = Mapping[str, np.ndarray]

TOKENS = [*SPECIAL_TOKENS, *"用支持向量机识别图像中的文字模型数据"]
TOKENIZER = Tokenizer(Vocabulary(TOKENS))
LENGTH, EXAMPLES = 8, 12
SMALL = {
    "vocab_size": len(TOKENS),
    "hidden_size": 12,
    "embedding_size": 6,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_attention_layers": 1,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
}


def small_config(architecture: str, **changes):
    """A config of a few hundred weights."""
    config_class = ARCHITECTURES[architecture].config_class
    fields = {field.name for field in dataclasses.fields(config_class)}
    sizes = {**SMALL, **changes}
    return config_class(**{k: v for k, v in sizes.items() if k in fields})


class Tokens(NamedTuple):
    """The texts of the examples; N examples, T = LENGTH.

    Attributes:
        ids, mask: int32, [N, T]; 1 for tokens, then 0 for padding.
        segments: int32, [N, T]; 0, then 1 from the fourth token on.
        lengths: int64, [N]; tokens of each, up to T.
    """

    ids: np.ndarray
    mask: np.ndarray
    segments: np.ndarray
    lengths: np.ndarray


class Encoded(NamedTuple):
    """What an encoder gave for the examples, float32; see `EncoderOutput`."""

    embedding_output: np.ndarray
    sequence: np.ndarray
    layers: Sequence[np.ndarray]
    pooled: np.ndarray


class Expected(NamedTuple):
    """What a head should give.

    Attributes:
        predictions: all of EVAL's by name, [N, ...]; NaN where anything may stand.
        losses: name -> total and weight, see `LossTerm`.
    """

    predictions: Arrays
    losses: Mapping[str, tuple[float, float]]


class Case(NamedTuple):
    """What a head was given, for its reference.

    Attributes:
        task: of the head.
        config: of the encoder.
        values: of all variables in float64, by name.
        calls: what the encoder gave, each time that the task built it.
        examples: what the task read.
    """

    task: Task
    config: Any
    values: Arrays
    calls: Sequence[Encoded]
    examples: Arrays


class Head(NamedTuple):
    """A row of HEADS.

    Attributes:
        task: the task with the head, for an encoder's config; without dropout.
        examples: what TRAIN and EVAL read of the texts, with random labels.
        reference: NumPy alone: what the head should give.
        encoders: those that it is for; None for all of the table.
        variant: whether another row differs from it in a setting alone. With every
            encoder its outputs are compared; it is exported with one.
        tolerance: of predictions, to the largest wanted value.
    """

    task: Callable[[Any], Task]
    examples: Callable[[Tokens, np.random.Generator], dict[str, np.ndarray]]
    reference: Callable[[Case], Expected]
    encoders: Optional[tuple[str, ...]] = None
    variant: bool = False
    tolerance: float = 3e-5


def make_tokens(rng: np.random.Generator, shortest: int = 4) -> Tokens:
    lengths = rng.integers(shortest, LENGTH + 1, EXAMPLES)
    lengths[::3] = LENGTH  # a replica's share of a batch holds a full one
    mask = (np.arange(LENGTH) < lengths[:, None]).astype(np.int32)
    ids = rng.integers(5, len(TOKENS), (EXAMPLES, LENGTH)).astype(np.int32) * mask
    segments = mask * (np.arange(LENGTH) > 2).astype(np.int32)
    return Tokens(ids, mask, segments, lengths)


def make_examples(head: Head, seed: int = 11) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return head.examples(make_tokens(rng), rng)


class FixedExamples(DataSource):
    """The same examples in the same order: in TRAIN over and over, else once."""

    def __init__(self, examples: Arrays):
        self.examples = dict(examples)

    def read(self, mode, batch_size):
        dataset = tf.data.Dataset.from_tensor_slices(self.examples)
        if mode == TRAIN:
            return dataset.repeat().batch(batch_size, drop_remainder=True).map(dict)
        return dataset.batch(batch_size)
