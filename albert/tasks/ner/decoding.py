"""The best labels of sentences, many at a time."""

from __future__ import annotations

from typing import Optional, Sequence

import numpy as np

from albert.modeling import crf_decoding

_AT_ONCE = 256  # sentences


def best_labels(
    emissions: Sequence[np.ndarray],
    transitions: Optional[np.ndarray],
    legal: np.ndarray,
) -> list[np.ndarray]:
    """Return the best path of each sentence, int64 [characters].

    Sentences of about the same length are decoded together.

    Args:
        emissions: of each sentence, float32 [characters, L], at least one.
        transitions: float32, [L, L]; None to take each character's best label.
        legal: bool, [L, L]; see `crf_decoding.make_chain`. For transitions alone.
    """
    if transitions is None:
        return [scores.argmax(axis=-1) for scores in emissions]
    paths: dict[int, np.ndarray] = {}
    order = sorted(range(len(emissions)), key=lambda index: len(emissions[index]))
    for begin in range(0, len(order), _AT_ONCE):
        chosen = order[begin : begin + _AT_ONCE]
        lengths = np.array([len(emissions[index]) for index in chosen])
        padded = np.zeros([len(chosen), lengths[-1], len(legal)], np.float32)
        for row, index in enumerate(chosen):
            padded[row, : lengths[row]] = emissions[index]
        chain = crf_decoding.make_chain(padded, lengths, transitions, legal)
        for row, path in enumerate(crf_decoding.best_paths(chain)):
            paths[chosen[row]] = path[: lengths[row]]
    return [paths[index] for index in range(len(emissions))]
