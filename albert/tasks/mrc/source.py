"""Windows of questions as a source of batches."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from albert.tasks.example_source import ExampleSource, pad
from albert.tasks.mrc.examples import Example, make_inputs
from albert.text.vocabulary import Vocabulary


class MrcSource(ExampleSource):
    """Questions, each seen through the windows of its passage.

    Attributes:
        examples: the questions, in their order.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        vocabulary: Vocabulary,
        features: Callable[[str], Mapping[str, tf.TensorSpec]],
        seed: int = 12345,
    ):
        """Keep what to answer.

        Args:
            examples: the questions.
            vocabulary: of the model.
            features: see `Task.features`.
            seed: of the shuffling in TRAIN.
        """
        self.examples = examples
        self._ids = vocabulary.ids
        self._places = [
            (number, window)
            for number, example in enumerate(examples)
            for window in range(len(example.windows))
        ]
        lengths = []
        for number, index in self._places:
            window = examples[number].windows[index]
            lengths.append(examples[number].offset + window.end - window.start + 1)
        super().__init__(features, lengths, seed)

    def make_batch(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """See `ExampleSource.make_batch` and `MrcTask.features`."""
        places = [self._places[i] for i in numbers]
        rows = [make_inputs(self.examples[n], w, self._ids) for n, w in places]
        impossible = [self.examples[n].question.is_impossible for n, _ in places]
        return {
            "input_ids": pad([row.ids for row in rows]),
            "input_mask": pad([[1] * len(row.ids) for row in rows]),
            "segment_ids": pad([row.segment_ids for row in rows]),
            "start": np.array([row.start for row in rows]),
            "end": np.array([row.end for row in rows]),
            "is_impossible": np.array(impossible),
        }
