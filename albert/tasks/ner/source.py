"""Windows of sentences as a source of batches."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from albert.tasks.example_source import ExampleSource, pad
from albert.tasks.ner.beside import pad_arrays
from albert.tasks.ner.conll import ConllFile, Sentence
from albert.tasks.ner.examples import Examples


class NerSource(ExampleSource):
    """The sentences of one file, seen through windows."""

    def __init__(
        self,
        conll: ConllFile,
        examples: Examples,
        features: Callable[[str], Mapping[str, tf.TensorSpec]],
        seed: int = 12345,
    ):
        """Keep what to label.

        Args:
            conll: what scores compare with, and predictions stand beside.
            examples: the windows of its sentences.
            features: see `Task.features`.
            seed: of the shuffling in TRAIN.
        """
        super().__init__(features, [len(ids) for ids in examples.input_ids], seed)
        self.num_examples = len(conll.sentences)
        self.conll = conll
        self._examples = examples

    @property
    def sentences(self) -> Sequence[Sentence]:
        """The sentences, in their order."""
        return self.conll.sentences

    def make_batch(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """See `ExampleSource.make_batch` and `NerTask.features`."""
        ids = [self._examples.input_ids[i] for i in numbers]
        labels = [self._examples.label_ids[i] for i in numbers]
        beside = pad_arrays([self._examples.beside[i] for i in numbers])
        return {
            **beside,
            "input_ids": pad(ids),
            "input_mask": pad([np.ones(len(row), np.int32) for row in ids]),
            "label_ids": pad(labels),
            "length": np.array([len(row) for row in labels]),
            "offset": np.array([self._examples.offset[i] for i in numbers]),
            "sentence": np.array([self._examples.sentence[i] for i in numbers]),
        }
