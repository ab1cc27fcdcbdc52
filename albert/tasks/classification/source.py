"""Encoded texts as a source of batches."""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple, Sequence

import numpy as np
import tensorflow as tf

from albert.tasks.classification.examples import Encoded
from albert.tasks.classification.files import Row
from albert.tasks.example_source import ExampleSource, pad


class Examples(NamedTuple):
    """The examples of a file.

    Attributes:
        rows: what they were made of.
        windows: of each example, one or more.
        label_ids: int32 [N]; 0 where a row has no label.
        weights: float32 [N], in the training loss.
    """

    rows: Sequence[Row]
    windows: Sequence[Sequence[Encoded]]
    label_ids: np.ndarray
    weights: np.ndarray


def pad_windows(rows: Sequence[Sequence[Sequence[int]]]) -> np.ndarray:
    """Return int32 [rows, most windows, longest], filled up with 0."""
    most = max(map(len, rows))
    flat = pad([row for windows in rows for row in windows])
    padded = np.zeros((len(rows), most, flat.shape[1]), np.int32)
    start = 0
    for target, windows in zip(padded, rows):
        target[: len(windows)] = flat[start : start + len(windows)]
        start += len(windows)
    return padded


def make_inputs(
    windows: Sequence[Sequence[Encoded]], several: bool
) -> dict[str, np.ndarray]:
    """Return `input_ids`, `input_mask` and `segment_ids` of examples, int32.

    Args:
        windows: of each example.
        several: whether there may be more than one, and the arrays are [B, W, T]; else
            [B, T].
    """
    ids = pad_windows([[w.input_ids for w in part] for part in windows])
    masks = pad_windows([[[1] * len(w.input_ids) for w in part] for part in windows])
    types = pad_windows([[w.segment_ids for w in part] for part in windows])
    found = {"input_ids": ids, "input_mask": masks, "segment_ids": types}
    return found if several else {name: value[:, 0] for name, value in found.items()}


class ClassificationSource(ExampleSource):
    """The texts of one file."""

    def __init__(
        self,
        examples: Examples,
        features: Callable[[str], Mapping[str, tf.TensorSpec]],
        several: bool,
        seed: int = 12345,
    ):
        """Keep the examples.

        Args:
            features: see `Task.features`.
            several: see `make_inputs`.
            seed: of the shuffling in TRAIN.
        """
        lengths = [sum(len(w.input_ids) for w in part) for part in examples.windows]
        super().__init__(features, lengths, seed)
        self._examples = examples
        self._several = several

    @property
    def rows(self) -> Sequence[Row]:
        """What the examples were made of, in their order."""
        return self._examples.rows

    @property
    def label_ids(self) -> np.ndarray:
        """The ids of their labels, int32 [N]."""
        return self._examples.label_ids

    def make_batch(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """See `ExampleSource.make_batch` and `ClassificationTask.features`."""
        windows = [self._examples.windows[i] for i in numbers]
        return {
            **make_inputs(windows, self._several),
            "label_ids": self._examples.label_ids[numbers],
            "weights": self._examples.weights[numbers],
        }
