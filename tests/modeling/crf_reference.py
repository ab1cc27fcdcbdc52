"""Viterbi of one sequence, step by step: what decoding in batches is compared with."""

from __future__ import annotations

import numpy as np


def viterbi(emissions, transitions, legal):
    """Return the best path on which every transition is legal, int64 [T].

    Args:
        emissions: float, [T, L].
        transitions: float, [L, L], from the row to the column.
        legal: bool, [L, L]; label 0 also stands for a sentence's edges.
    """
    allowed = np.where(legal, transitions, -np.inf)
    length = len(emissions)
    came_from = np.zeros(emissions.shape, np.int64)
    score = np.where(legal[0], emissions[0], -np.inf)
    for step in range(1, length):
        arriving = score[:, None] + allowed
        came_from[step] = arriving.argmax(axis=0)
        score = arriving.max(axis=0) + emissions[step]
    path = np.zeros(length, np.int64)
    path[-1] = np.where(legal[:, 0], score, -np.inf).argmax()
    for step in range(length - 1, 0, -1):
        path[step - 1] = came_from[step, path[step]]
    return path
