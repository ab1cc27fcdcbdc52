"""Decoding of a linear-chain CRF in NumPy: best paths, probabilities of spans.

Only sequences whose transitions are all legal count, probabilities are of these alone:
label 0 also stands for a sequence's edges. `crf` trains and decodes in the graph.
Source: Lafferty, McCallum and Pereira, "Conditional Random Fields" (2001), section 3.
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
    """Return the chain of a CRF, in the precision of its emissions.

    Args:
        emissions, lengths: see `Chain`.
        transitions: float, [L, L], from the row to the column.
        legal: bool, [L, L]. Label 0 also stands for a sequence's edges: its row says
            what may come first, its column what may come last. Some path must be legal
            (label 0 all along always is, where it may follow itself).
    """
    emissions = np.asarray(emissions)
    edges = np.where(np.stack([legal[0], legal[:, 0]]), 0.0, -np.inf)
    return Chain(
        emissions,
        np.asarray(lengths),
        np.where(legal, transitions, -np.inf).astype(emissions.dtype),
        edges.astype(emissions.dtype),
    )


def make_free_chain(emissions: np.ndarray, lengths: np.ndarray) -> Chain:
    """Return the chain of an independent softmax per token: any label after any."""
    labels = emissions.shape[-1]
    legal = np.ones((labels, labels), bool)
    return make_chain(emissions, lengths, np.zeros((labels, labels)), legal)


def best_paths(chain: Chain) -> np.ndarray:
    """Return the best legal path of each sequence (Viterbi).

    Of equal paths the one with the lower label counts, from the end on. Scores are
    summed in the chain's precision: in float32 as `crf.viterbi_batch` sums them.

    Returns:
        int64, [B, T]; beyond a sequence's length its last label again.
    """
    batch, length, labels = chain.emissions.shape
    came_from = np.empty((batch, length, labels), np.int64)
    scores = np.empty_like(chain.emissions)
    scores[:, 0] = chain.emissions[:, 0] + chain.edges[0]
    for step in range(1, length):
        arriving = scores[:, step - 1, :, None] + chain.transitions
        came_from[:, step] = arriving.argmax(axis=1)
        scores[:, step] = arriving.max(axis=1) + chain.emissions[:, step]
    came_from[np.arange(length) >= chain.lengths[:, None]] = np.arange(labels)
    paths = np.empty((batch, length), np.int64)
    rows = np.arange(batch)
    paths[:, -1] = (scores[rows, chain.lengths - 1] + chain.edges[1]).argmax(axis=1)
    for step in range(length - 1, 0, -1):
        paths[:, step - 1] = came_from[rows, step, paths[:, step]]
    return paths


class Sums(NamedTuple):
    """Sums over paths, as logarithms.

    Attributes:
        forward: float64, [B, T, L]; of all beginnings that end in a label, that label's
            emission included; beyond a length of no meaning.
        backward: float64, [B, T, L]; of all ends after a label, that label's emission
            left out.
        total: float64, [B]; of all paths.
    """

    forward: np.ndarray
    backward: np.ndarray
    total: np.ndarray


def _log_product(logs: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return log(exp(logs) @ matrix); logs [B, L], matrix [L, L]."""
    top = logs.max(axis=-1, keepdims=True)
    return np.log(np.exp(logs - top) @ matrix) + top


def _log_sum(logs: np.ndarray) -> np.ndarray:
    """Return log(sum(exp(logs))) over the last axis; not all may be -inf."""
    top = logs.max(axis=-1)
    return np.log(np.exp(logs - top[..., None]).sum(axis=-1)) + top


def _in_double(chain: Chain) -> Chain:
    emissions, lengths, *others = chain
    others = [scores.astype(np.float64) for scores in others]
    return Chain(emissions.astype(np.float64), lengths, *others)


@np.errstate(divide="ignore")
def sum_paths(chain: Chain) -> Sums:
    """Return the sums of the forward and the backward algorithm."""
    chain = _in_double(chain)
    batch, length, _ = chain.emissions.shape
    shift = chain.transitions.max()
    matrix = np.exp(chain.transitions - shift)
    emissions = chain.emissions + shift  # of every step but the first
    forward = np.empty_like(emissions)
    backward = np.empty_like(emissions)
    forward[:, 0] = chain.emissions[:, 0] + chain.edges[0]
    for step in range(1, length):
        moved = _log_product(forward[:, step - 1], matrix)
        forward[:, step] = moved + emissions[:, step]
    backward[:, -1] = chain.edges[1]
    for step in range(length - 2, -1, -1):
        after = backward[:, step + 1] + emissions[:, step + 1]
        within = (step + 1 < chain.lengths)[:, None]
        moved = _log_product(after, matrix.T)
        backward[:, step] = np.where(within, moved, chain.edges[1])
    ends = forward[np.arange(batch), chain.lengths - 1] + chain.edges[1]
    return Sums(forward, backward, _log_sum(ends))


@np.errstate(divide="ignore")
def span_probabilities(
    chain: Chain,
    sums: Sums,
    paths: np.ndarray,
    spans: np.ndarray,
    continues: np.ndarray,
) -> np.ndarray:
    """Return the probability that exactly a path's labels stand in each span.

    Args:
        sums: of the chain.
        paths: int, [B, T]; the labels. Their transitions inside spans are legal.
        spans: int, [N, 3]; sequence, first place, the one after the last.
        continues: bool, [N, L]; labels that would continue a span, and so may not
            follow it.

    Returns:
        float64, [N].
    """
    chain = _in_double(chain)
    rows, starts, ends = spans.T
    # The steps inside spans, and which span each belongs to.
    sizes = ends - starts - 1
    owners = np.repeat(np.arange(len(spans)), sizes)
    firsts = np.repeat(np.cumsum(sizes) - sizes - starts - 1, sizes)
    places = np.arange(len(owners)) - firsts
    of, labels = rows[owners], paths[rows[owners], places]
    steps = chain.transitions[paths[of, places - 1], labels]
    steps = steps + chain.emissions[of, places, labels]
    score = np.bincount(owners, steps, minlength=len(spans))
    score = score + sums.forward[rows, starts, paths[rows, starts]]

    last = paths[rows, ends - 1]
    closing = ends == chain.lengths[rows]
    following = np.minimum(ends, chain.emissions.shape[1] - 1)
    after = chain.emissions[rows, following] + sums.backward[rows, following]
    after = np.where(continues, -np.inf, chain.transitions[last] + after)
    top = after.max(axis=1)
    top = np.where(np.isneginf(top), 0.0, top)
    after = np.log(np.exp(after - top[:, None]).sum(axis=1)) + top
    score = score + np.where(closing, chain.edges[1, last], after)
    return np.minimum(1.0, np.exp(score - sums.total[rows]))
