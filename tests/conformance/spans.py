"""Heads that find spans, in NumPy: rows of `heads.HEADS`."""

from __future__ import annotations

import numpy as np
from scipy import special

from albert.tasks.mrc.config import MrcConfig
from albert.tasks.mrc.task import Labels, MrcTask
from tests.conformance.kit import (
    EXAMPLES,
    LENGTH,
    TOKENIZER,
    Expected,
    Head,
    make_tokens,
)


def _log_softmax(logits):
    return special.log_softmax(logits, axis=-1)


def _gelu(x):
    return x * special.ndtr(x)


def _span_examples(tokens, rng):
    # Drawn anew: with the tokens of other heads some scores are equal, or nearly so.
    tokens = make_tokens(rng)
    starts = rng.integers(3, tokens.lengths)  # in the second segment
    return {
        "input_ids": tokens.ids,
        "input_mask": tokens.mask,
        "segment_ids": tokens.segments,
        "start": starts.astype(np.int32),
        "end": rng.integers(starts, tokens.lengths).astype(np.int32),
        "is_impossible": rng.integers(0, 2, EXAMPLES, np.int32),
    }


def _dense(x, values, scope):
    return x @ values[f"{scope}/kernel"] + values[f"{scope}/bias"]


def _joint_ends(sequence, starts, values):
    """Clark et al. (2020): a hidden layer over both vectors; [N, T]."""
    both = np.concatenate([np.broadcast_to(starts, sequence.shape), sequence], axis=2)
    hidden = _gelu(_dense(both, values, "reading/joint_end_hidden"))
    return _dense(hidden, values, "reading/joint_end")[..., 0]


def _largest(scores, size):
    """Places of the largest, [N, size], in an order that float32 keeps, too."""
    order = np.argsort(-scores, axis=1)[:, : size + 1]
    gaps = -np.diff(np.take_along_axis(scores, order, axis=1), axis=1)
    assert gaps.min() > 1e-5
    return order[:, :size]


def _beam(sequence, starts, forbidden, values, size):
    """The best starts and ends, one example after the other."""
    rows = np.arange(EXAMPLES)
    scores = _log_softmax(starts)
    best = _largest(scores, size)
    ends, end_scores = [], []
    for place in best.T:
        vectors = sequence[rows, place][:, None]
        found = _log_softmax(_joint_ends(sequence, vectors, values) + forbidden)
        ends.append(_largest(found, size))
        end_scores.append(np.take_along_axis(found, ends[-1], axis=1))
    return {
        "top_starts": best,
        "top_ends": np.stack(ends, axis=1),
        "top_start_scores": np.take_along_axis(scores, best, axis=1),
        "top_end_scores": np.stack(end_scores, axis=1),
    }


def _unanswerable(sequence, starts, values, uses_start_logits):
    read = sequence[:, 0]
    if not uses_start_logits:
        return _dense(read, values, "reading/answerable_first")[:, 0]
    shares = np.exp(_log_softmax(starts))[:, :, None]
    read = np.concatenate([read, (shares * sequence).sum(axis=1)], axis=1)
    hidden = _gelu(_dense(read, values, "reading/answerable_hidden"))
    return _dense(hidden, values, "reading/answerable")[:, 0]


def _span_reference(case):
    (encoded,), features, values = case.calls, case.examples, case.values
    settings, sequence = case.task.settings, encoded.sequence
    allowed = features["input_mask"] * features["segment_ids"]
    allowed[:, 0] = 1
    forbidden = -1000.0 * (1 - allowed)
    starts = _dense(sequence, values, "reading/start")[..., 0] + forbidden
    rows = np.arange(EXAMPLES)
    if settings.head == "joint":
        gold = sequence[rows, features["start"]][:, None]
        ends = _joint_ends(sequence, gold, values) + forbidden
        predictions = _beam(sequence, starts, forbidden, values, settings.beam_size)
    else:
        ends = _dense(sequence, values, "reading/end")[..., 0] + forbidden
        predictions = {"starts": starts, "ends": ends}
    right = _log_softmax(starts)[rows, features["start"]]
    right = right + _log_softmax(ends)[rows, features["end"]]
    whole = -right / 2
    losses = {"span_loss": (whole.sum(), EXAMPLES)}
    if settings.answerable_classifier:
        uses = settings.answerable_uses_start_logits
        logits = _unanswerable(sequence, starts, values, uses)
        # -log of the sigmoid, of the logit or of its negative.
        nll = np.log1p(np.exp(np.where(features["is_impossible"], -logits, logits)))
        predictions["answerable"] = logits
        losses["answerable_loss"] = (nll.sum(), EXAMPLES)
        whole = whole + settings.answerable_weight * nll
    return Expected({**predictions, "loss": whole}, losses)


def spans(variant=False, **settings):
    """A row of HEADS."""

    def make(config):
        chosen = MrcConfig(max_seq_length=LENGTH, beam_size=2, **settings)
        return MrcTask(chosen, Labels(True), TOKENIZER, config)

    # Scores of ends are small differences of sums over 512.
    return Head(make, _span_examples, _span_reference, None, variant, 2e-4)
