"""Decoding of a linear-chain CRF for batches, in NumPy: best paths, probabilities.

Only sequences whose transitions are all legal count, as in `crf.viterbi`: label 0
stands for a sequence's edges. Probabilities are of these sequences alone. Source:
Lafferty, McCallum and Pereira, "Conditional Random Fields" (2001), section 3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Chain(NamedTuple):
    """The scores of a batch of sequences.

    Attributes:
        emissions: float, [B, T, L]; anything beyond a length.
        lengths: int, [B], at least 1.
        transitions: float, [L, L], from the row to the column; -inf where illegal.
        edges: float, [2, L]: added to the first and to the last label's score.
    """

    emissions: np.ndarray
    lengths: np.ndarray
    transitions: np.ndarray
    edges: np.ndarray


def make_chain(
    emissions: np.ndarray,
    lengths: np.ndarray,
    transitions: np.ndarray,
    legal: np.ndarray,
) -> Chain:
    """Return the chain of a CRF; `legal` is bool [L, L] as in `crf.viterbi`."""
    edges = np.where(np.stack([legal[0], legal[:, 0]]), 0.0, -np.inf)
    return Chain(
        np.asarray(emissions, np.float64),
        np.asarray(lengths),
        np.where(legal, transitions, -np.inf).astype(np.float64),
        edges,
    )


def make_free_chain(emissions: np.ndarray, lengths: np.ndarray) -> Chain:
    """Return the chain of an independent softmax per token: any label after any."""
    labels = emissions.shape[-1]
    legal = np.ones((labels, labels), bool)
    return make_chain(emissions, lengths, np.zeros((labels, labels)), legal)


def best_paths(chain: Chain) -> np.ndarray:
    """Return the best legal path of each sequence (Viterbi).

    Of equal paths the one with the lower label counts, from the end on, as in
    `crf.viterbi`.

    Returns:
        int64, [B, T]; beyond a sequence's length its last label again.
    """
    batch, length, labels = chain.emissions.shape
    came_from = np.empty((batch, length, labels), np.int64)
    score = chain.emissions[:, 0] + chain.edges[0]
    for step in range(1, length):
        arriving = score[:, :, None] + chain.transitions
        within = (step < chain.lengths)[:, None]
        best = arriving.argmax(axis=1)
        came_from[:, step] = np.where(within, best, np.arange(labels))
        moved = arriving.max(axis=1) + chain.emissions[:, step]
        score = np.where(within, moved, score)
    paths = np.empty((batch, length), np.int64)
    paths[:, -1] = (score + chain.edges[1]).argmax(axis=1)
    rows = np.arange(batch)
    for step in range(length - 1, 0, -1):
        paths[:, step - 1] = came_from[rows, step, paths[:, step]]
    return paths


class Sums(NamedTuple):
    """Sums over paths, as logarithms.

    Attributes:
        forward: float64, [B, T, L]; of all beginnings that end in a label, that label's
            emission included.
        backward: float64, [B, T, L]; of all ends after a label, that label's emission
            left out.
        total: float64, [B]; of all paths.
    """

    forward: np.ndarray
    backward: np.ndarray
    total: np.ndarray


def _log_product(logs: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return log(exp(logs) @ exp(matrix)); logs [B, L], matrix [L, L]."""
    top = np.max(logs, axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    shift = np.max(matrix)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(logs - top) @ np.exp(matrix - shift)) + top + shift


def _log_sum(logs: np.ndarray) -> np.ndarray:
    """Return log(sum(exp(logs))) over the last axis; not all may be -inf."""
    top = logs.max(axis=-1)
    return np.log(np.exp(logs - top[..., None]).sum(axis=-1)) + top


def sum_paths(chain: Chain) -> Sums:
    """Return the sums of the forward and the backward algorithm."""
    length = chain.emissions.shape[1]
    forward = np.empty_like(chain.emissions)
    backward = np.empty_like(chain.emissions)
    forward[:, 0] = chain.emissions[:, 0] + chain.edges[0]
    for step in range(1, length):
        moved = _log_product(forward[:, step - 1], chain.transitions)
        within = (step < chain.lengths)[:, None]
        moved = moved + chain.emissions[:, step]
        forward[:, step] = np.where(within, moved, forward[:, step - 1])
    backward[:, -1] = chain.edges[1]
    for step in range(length - 2, -1, -1):
        after = backward[:, step + 1] + chain.emissions[:, step + 1]
        within = (step + 1 < chain.lengths)[:, None]
        moved = _log_product(after, chain.transitions.T)
        backward[:, step] = np.where(within, moved, chain.edges[1])
    return Sums(forward, backward, _log_sum(forward[:, -1] + chain.edges[1]))


def span_probability(
    chain: Chain,
    sums: Sums,
    row: int,
    start: int,
    labels: np.ndarray,
    continues: np.ndarray,
) -> float:
    """Return the probability that exactly these labels stand from `start` on.

    Args:
        sums: of the chain.
        row: the sequence.
        labels: int, [N], at least one.
        continues: bool, [L]; labels that would continue the span, and so may not follow
            it.
    """
    emissions, transitions = chain.emissions[row], chain.transitions
    end = start + len(labels)
    score = sums.forward[row, start, labels[0]]
    score += emissions[np.arange(start + 1, end), labels[1:]].sum()
    score += transitions[labels[:-1], labels[1:]].sum()
    if end == chain.lengths[row]:
        score += chain.edges[1, labels[-1]]
    else:
        after = transitions[labels[-1]] + emissions[end] + sums.backward[row, end]
        after = np.where(continues, -np.inf, after)
        if np.isneginf(after).all():
            return 0.0
        score += _log_sum(after)
    return float(min(1.0, np.exp(score - sums.total[row])))
