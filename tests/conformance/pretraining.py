"""The heads of pretraining: a row of `heads.HEADS`."""

from __future__ import annotations

import numpy as np

from albert.tasks.pretraining.task import PretrainingTask
from tests.conformance.kit import EXAMPLES, LENGTH, Expected, Head
from tests.conformance.parts import linear, log_softmax, vocabulary_logits

MASKED = 2  # positions


def _pretraining_examples(tokens, rng):
    masked = 1 + rng.integers(0, 2, EXAMPLES)  # one or two an example
    return {
        "input_ids": tokens.ids,
        "input_mask": tokens.mask,
        "segment_ids": tokens.segments,
        "masked_lm_positions": np.tile(np.int32([1, 2]), (EXAMPLES, 1)),
        "masked_lm_ids": tokens.ids[:, 1:3],
        "masked_lm_weights": np.float32(np.arange(2) < masked[:, None]),
        "next_sentence_labels": rng.integers(0, 2, (EXAMPLES, 1), np.int32),
    }


def _pretraining_reference(case):
    (encoded,), features, values = case.calls, case.examples, case.values
    logits = vocabulary_logits(
        encoded.sequence,
        values,
        case.config,
        "cls/predictions/transform",
        "cls/predictions/output_bias",
    )
    ids, weights = features["masked_lm_ids"], features["masked_lm_weights"]
    nll = -np.take_along_axis(log_softmax(logits), ids[..., None], axis=2)[..., 0]
    order = linear(encoded.pooled, values, "cls/seq_relationship/")
    swapped = features["next_sentence_labels"][:, 0]
    order_nll = -log_softmax(order)[np.arange(EXAMPLES), swapped]
    predictions = {
        "masked_lm_loss": (nll * weights).sum(axis=1),
        "masked_lm_weight": weights.sum(axis=1),
        "masked_lm_correct": ((logits.argmax(axis=2) == ids) * weights).sum(axis=1),
        "sentence_order_loss": order_nll,
        "sentence_order_correct": order.argmax(axis=1) == swapped,
    }
    losses = {
        "masked_lm_loss": ((nll * weights).sum(), weights.sum()),
        "sentence_order_loss": (order_nll.sum(), EXAMPLES),
    }
    return Expected(predictions, losses)


def masked_lm() -> Head:
    # Untrimmed: a bucket's longest example depends on the batch.
    return Head(
        lambda config: PretrainingTask(config, LENGTH, MASKED, False),
        _pretraining_examples,
        _pretraining_reference,
    )
