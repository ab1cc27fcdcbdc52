"""How good one run's predictions are, sentence by sentence."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from albert.tasks.ner.analysis.compare import count_sentences
from albert.tasks.ner.analysis.pairs import SentencePair, read_predictions
from albert.tasks.ner.analysis.report import surface_of

SEEN, UNSEEN = "seen", "unseen"  # in training, as an entity of any type


def _restrict(
    pairs: Sequence[SentencePair], known: set[str], seen: bool
) -> list[SentencePair]:
    """Keep the entities, in gold and predicted, whose surface is known, or not."""
    return [
        pair._replace(
            **{
                side: [
                    span
                    for span in getattr(pair, side)
                    if (surface_of(pair, span) in known) == seen
                ]
                for side in ("gold", "predicted")
            }
        )
        for pair in pairs
    ]


def score_run(gold: str, predicted: str, train: str) -> dict[str, Any]:
    """Return what a run's predictions get right.

    Args:
        gold, predicted, train: files in CoNLL form.

    Returns:
        "counts": of each sentence the entities that are correct, were predicted and
        are in gold, strictly read, [N, 3]; "seen" and "unseen": the same, summed, of
        the entities whose surface is, or is not, an entity of the training data, [3].
    """
    (pairs,), training = read_predictions(gold, [predicted], train_file=train)
    known = set().union(*training.values())
    parts = {
        name: count_sentences(_restrict(pairs, known, name == SEEN)).sum(axis=0)
        for name in (SEEN, UNSEEN)
    }
    counts = {"counts": count_sentences(pairs), **parts}
    return {name: np.asarray(value).tolist() for name, value in counts.items()}
