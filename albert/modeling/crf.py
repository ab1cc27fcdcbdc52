"""Linear-chain CRF in the graph: log-likelihood, sums over paths, Viterbi.

A path's score is the sum of its emissions and of the transitions between neighbours;
there are no scores for beginning and end. `crf_decoding` decodes in NumPy. Source:
Lafferty, McCallum and Pereira, "Conditional Random Fields" (2001).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

# Added to the score of an illegal transition in training. Finite, so that no path and
# no gradient is ever NaN; exp() of it is 0.
ILLEGAL_SCORE = -1e4
# Added to leave a path no probability at all, where nothing is trained. Finite: -inf
# less itself is NaN.
_NEVER = -1e9


def transition_scores(legal: np.ndarray) -> tf.Tensor:
    """Return the transition scores of the variable `crf/transitions`.

    Args:
        legal: bool, [L, L]; whether the column may follow the row. What is illegal
            gets `ILLEGAL_SCORE` on top.

    Returns:
        float32, [L, L]; zero at first where legal.
    """
    with v1.variable_scope("crf"):
        transitions = v1.get_variable(
            "transitions", legal.shape, initializer=v1.zeros_initializer()
        )
    penalty = np.where(legal, 0.0, ILLEGAL_SCORE).astype(np.float32)
    return transitions + penalty


def path_score(
    emissions: tf.Tensor, labels: tf.Tensor, lengths: tf.Tensor, transitions: tf.Tensor
) -> tf.Tensor:
    """Return the score of one path through each sequence; arguments and result as
    `log_likelihood`."""
    mask = tf.sequence_mask(lengths, tf.shape(labels)[1], emissions.dtype)
    emitted = tf.gather(emissions, labels, batch_dims=2)
    pairs = tf.stack([labels[:, :-1], labels[:, 1:]], axis=-1)  # [B, T - 1, 2]
    moved = tf.gather_nd(transitions, pairs)
    return tf.reduce_sum(emitted * mask, 1) + tf.reduce_sum(moved * mask[:, 1:], 1)


def log_partition(
    emissions: tf.Tensor, lengths: tf.Tensor, transitions: tf.Tensor
) -> tf.Tensor:
    """Return the log of the summed exp(score) of all paths (the forward algorithm);
    arguments and result as `log_likelihood`."""
    by_time = tf.transpose(emissions, [1, 0, 2])  # [T, B, L]
    steps = tf.range(1, tf.shape(by_time)[0])

    def advance(alpha: tf.Tensor, place: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        emitted, step = place
        arriving = tf.reduce_logsumexp(alpha[:, :, None] + transitions[None], axis=1)
        return tf.where((step < lengths)[:, None], arriving + emitted, alpha)

    # Emissions are handed over, not taken by number: the gradient of taking one is as
    # large as all of them, at each of T steps.
    places = (by_time[1:], steps)
    last = tf.foldl(advance, places, initializer=by_time[0])  # [B, L]
    return tf.reduce_logsumexp(last, axis=-1)


def log_likelihood(
    emissions: tf.Tensor, labels: tf.Tensor, lengths: tf.Tensor, transitions: tf.Tensor
) -> tf.Tensor:
    """Return the log-probability of each sequence's labels.

    Args:
        emissions: float32, [B, T, L]; T at least 1.
        labels: int32, [B, T], in [0, L); anything from `lengths` on.
        lengths: int32, [B], at least 1; what lies beyond has no part in the result.
        transitions: float32, [L, L], from the row to the column.

    Returns:
        float32, [B], at most 0.
    """
    score = path_score(emissions, labels, lengths, transitions)
    return score - log_partition(emissions, lengths, transitions)


def add_miss_cost(emissions: tf.Tensor, labels: tf.Tensor, cost: float) -> tf.Tensor:
    """Return emissions with which training avoids to miss entities.

    Label 0 (no entity) scores `cost` more wherever the truth is another one, so its
    competitors have to win by that margin. Source: Mohit et al., "Recall-Oriented
    Learning of Named Entities in Arabic Wikipedia" (2012), a softmax-margin loss.

    Args:
        emissions: float32, [B, T, L].
        labels: int32, [B, T].
        cost: at least 0; 0 changes nothing.
    """
    missed = tf.cast(tf.not_equal(labels, 0), emissions.dtype)[:, :, None]
    return emissions + cost * missed * tf.one_hot(0, emissions.shape[-1])


class PathSums(NamedTuple):
    """Sums over paths, as logarithms; in the type of the emissions.

    Attributes:
        forward: [B, T, L]; of all beginnings that end in a label, that label's emission
            included; beyond a length of no meaning.
        backward: [B, T, L]; of all ends after a label, that label's emission left out;
            0 from the last place on.
        total: [B]; of all paths.
    """

    forward: tf.Tensor
    backward: tf.Tensor
    total: tf.Tensor


def path_sums(
    emissions: tf.Tensor, lengths: tf.Tensor, transitions: tf.Tensor
) -> PathSums:
    """Return the sums of the forward and the backward algorithm.

    Args:
        emissions: float32 or float64, [B, T, L]; T at least 1.
        lengths: int32, [B], at least 1.
        transitions: [L, L], of the emissions' type.
    """
    by_time = tf.transpose(emissions, [1, 0, 2])  # [T, B, L]
    steps = tf.range(tf.shape(by_time)[0])
    following = tf.concat([by_time[1:], by_time[-1:]], axis=0)

    def go_on(alpha: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        arriving = tf.reduce_logsumexp(alpha[:, :, None] + transitions, axis=1)
        within = tf.logical_and(step > 0, step < lengths)[:, None]
        return tf.where(within, arriving + by_time[step], alpha)

    def go_back(beta: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        after = (beta + following[step])[:, None, :]
        leaving = tf.reduce_logsumexp(after + transitions, axis=2)
        within = (step + 1 < lengths)[:, None]
        return tf.where(within, leaving, tf.zeros_like(beta))

    forward = tf.scan(go_on, steps, initializer=by_time[0])
    nothing = tf.zeros_like(by_time[0])
    backward = tf.scan(go_back, steps, initializer=nothing, reverse=True)
    return PathSums(
        tf.transpose(forward, [1, 0, 2]),
        tf.transpose(backward, [1, 0, 2]),
        tf.reduce_logsumexp(forward[-1], axis=-1),
    )


def marginals(sums: PathSums, lengths: tf.Tensor) -> tf.Tensor:
    """Return the probability of each label at each place.

    Returns:
        [B, T, L]; the labels of a place sum to 1, or are 0 beyond the length.
    """
    # A place's sum over the labels is the total; dividing by it is exacter than by
    # `total`, since what rounding has done to all labels alike cancels out.
    shares = tf.nn.softmax(sums.forward + sums.backward)
    mask = tf.sequence_mask(lengths, tf.shape(shares)[1], shares.dtype)
    return shares * mask[:, :, None]


def leave_legal_paths(
    emissions: tf.Tensor, lengths: tf.Tensor, transitions: tf.Tensor, legal: np.ndarray
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return emissions and transitions of which illegal paths have no probability.

    Args:
        emissions, lengths, transitions: as for `path_sums`.
        legal: bool, [L, L]; see `crf_decoding.make_chain`.
    """
    dtype = emissions.dtype.as_numpy_dtype
    opening, closing, moving = (
        tf.constant(np.where(part, 0.0, _NEVER).astype(dtype))
        for part in (legal[0], legal[:, 0], legal)
    )
    places = tf.range(tf.shape(emissions)[1])[None, :, None]
    last = lengths[:, None, None] - 1
    nothing = tf.zeros_like(opening)
    edges = tf.where(tf.equal(places, 0), opening, nothing)
    edges += tf.where(tf.equal(places, last), closing, nothing)
    return emissions + edges, transitions + moving


def viterbi_batch(
    emissions: tf.Tensor, lengths: tf.Tensor, transitions: tf.Tensor, legal: np.ndarray
) -> tf.Tensor:
    """Return the best path of each sequence on which every transition is legal.

    Args:
        emissions: float32, [B, T, L]; T at least 1.
        lengths: int32, [B], at least 1.
        transitions: float32, [L, L].
        legal: bool, [L, L]; see `crf_decoding.make_chain`.

    Returns:
        int32, [B, T]; 0 from `lengths` on. Of equal paths the one that
        `crf_decoding.best_paths` takes.
    """
    never = tf.constant(-np.inf, emissions.dtype)
    allowed = tf.where(legal, transitions, never)
    by_time = tf.transpose(emissions, [1, 0, 2])  # [T, B, L]
    start = tf.where(legal[0], by_time[0], never)  # [B, L]
    stay = tf.zeros_like(start, tf.int32) + tf.range(legal.shape[0])

    def advance(
        state: tuple[tf.Tensor, tf.Tensor], step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        score, _ = state
        arriving = score[:, :, None] + allowed  # [B, from, to]
        best = tf.argmax(arriving, axis=1, output_type=tf.int32)
        moved = tf.reduce_max(arriving, axis=1) + by_time[step]
        within = tf.logical_and(step > 0, step < lengths)[:, None]
        return tf.where(within, moved, score), tf.where(within, best, stay)

    # Step 0 changes nothing: it only keeps the scan from being empty.
    steps = tf.range(tf.shape(by_time)[0])
    scores, came_from = tf.scan(advance, steps, initializer=(start, stay))
    final = tf.where(legal[:, 0], scores[-1], never)
    last = tf.argmax(final, axis=-1, output_type=tf.int32)  # [B]

    def go_back(label: tf.Tensor, origins: tf.Tensor) -> tf.Tensor:
        return tf.gather(origins, label, batch_dims=1)

    # Entry t is the label of step t - 1.
    before = tf.scan(go_back, came_from, initializer=last, reverse=True)
    path = tf.transpose(tf.concat([before[1:], last[None]], axis=0))
    return path * tf.sequence_mask(lengths, tf.shape(path)[1], tf.int32)
