"""Sentences of columns -> the scores that a model gives their labels."""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from albert.serving.model_session import ModelSession
from albert.tasks.example_source import pad
from albert.tasks.ner.beside import Arrays, cut_window, pad_arrays
from albert.tasks.ner.examples import ColumnIds, Window, plan_windows
from albert.tasks.ner.task import NerTask
from albert.text.vocabulary import CLS, SEP


class _Piece(NamedTuple):
    """What the model sees at once: a window of one of the sentences."""

    row: int
    window: Window
    input_ids: list[int]
    beside: Arrays


class Emissions(NamedTuple):
    """What a model says of a batch of sentences.

    Attributes:
        scores: float64, [B, T, L]; 0 beyond a sentence's length.
        transitions: float32, [L, L], of a CRF; None of another head.
    """

    scores: np.ndarray
    transitions: Optional[np.ndarray]


class NerEmissions:
    """Runs the model on sentences of any length; threads may share it."""

    def __init__(self, task: NerTask, session: ModelSession, batch_size: int):
        """Keep the model; `batch_size` windows are computed at once."""
        ids = task.tokenizer.vocabulary.ids
        self._edges = ids[CLS], ids[SEP]
        self._ids = ColumnIds(task.tokenizer)
        self._capacity = task.settings.max_seq_length - 2
        self._tokens = task.tokenizer.vocabulary.tokens
        self._columns = task.columns
        self._num_labels = len(task.labels.labels)
        self._session = session
        self._batch_size = batch_size

    @property
    def capacity(self) -> int:
        """How many columns a window holds."""
        return self._capacity

    def compute(self, sentences: Sequence[Sequence[str]]) -> Emissions:
        """Return the scores of the columns of sentences, none of which is empty."""
        longest = max(map(len, sentences))
        scores = np.zeros((len(sentences), longest, self._num_labels))
        pieces, transitions = list(self.cut(sentences)), None
        for first in range(0, len(pieces), self._batch_size):
            part = pieces[first : first + self._batch_size]
            output = self._session.run(make_features(part))
            for (row, window, *_), found in zip(part, output["emissions"]):
                width = window.last - window.first
                scores[row, window.first : window.last] = found[:width]
            if "transitions" in output:
                transitions = output["transitions"][0]
        return Emissions(scores, transitions)

    def cut(self, sentences: Sequence[Sequence[str]]) -> Iterator[_Piece]:
        """Yield the windows of sentences."""
        cls, sep = self._edges
        for row, columns in enumerate(sentences):
            ids = [self._ids[column] for column in columns]
            beside = self._columns.compute(columns, [self._tokens[i] for i in ids])
            for window in plan_windows(len(ids), self._capacity):
                seen = ids[window.start : window.end]
                arrays = cut_window(beside, window.start, window.end)
                yield _Piece(row, window, [cls, *seen, sep], arrays)


def make_features(pieces: Sequence[_Piece]) -> Mapping[str, np.ndarray]:
    """Return the features of some windows; see `NerTask.features`."""
    input_ids = pad([piece.input_ids for piece in pieces])
    sizes = np.array([len(piece.input_ids) for piece in pieces])
    windows = np.array([piece.window for piece in pieces], np.int32)
    start, _, first, last = windows.T
    return {
        **pad_arrays([piece.beside for piece in pieces]),
        "input_ids": input_ids,
        "input_mask": (np.arange(input_ids.shape[1]) < sizes[:, None]).astype(np.int32),
        "length": last - first,
        "offset": 1 + first - start,
        "sentence": np.array([piece.row for piece in pieces], np.int32),
    }
