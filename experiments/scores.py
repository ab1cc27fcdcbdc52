"""How good one run's predictions are, example by example."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping, Sequence

import numpy as np

from albert.base import files
from albert.base.errors import UserError
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


def score_entities(gold: str, predicted: str, train: str) -> dict[str, Any]:
    """Return what a run's entities get right.

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


def read_results(model: str, names: Mapping[str, str]) -> dict[str, float]:
    """Return scores on test from a run's `eval_results.txt`.

    Args:
        model: the folder.
        names: name of a score -> what the file calls it.

    Raises:
        UserError: a score is missing.
    """
    path = os.path.join(model, "eval_results.txt")
    found = dict(line.split(" = ", 1) for line in files.read_lines(path))
    for name in names.values():
        if name not in found:
            raise UserError(f"{path} says nothing of {name}")
    return {name: float(found[theirs]) for name, theirs in names.items()}


def score_labels(model: str, predictions: str) -> dict[str, Any]:
    """Return what a classifier's labels get right.

    Args:
        model: the folder of its scores and predictions.
        predictions: the name of the latter, JSON lines with "label" and "gold".

    Returns:
        "counts": of each example whether it is right, and 1, [N, 2]; "scores":
        accuracy and macro F1, shares, and the loss.
    """
    rows = map(json.loads, files.read_lines(os.path.join(model, predictions)))
    counts = [[int(row["label"] == row["gold"]), 1] for row in rows]
    names = {"accuracy": "eval_accuracy", "macro_f1": "eval_macro_f1", "loss": "loss"}
    return {"counts": counts, "scores": read_results(model, names)}


def score_answers(gold: str, model: str, predictions: str) -> dict[str, Any]:
    """Return what answers get right.

    Args:
        gold: the questions, in the layout of SQuAD.
        model: the folder of scores and predictions.
        predictions: the name of the latter, a JSON object id -> answer.

    Returns:
        "counts": of each question the mean of EM and F1, a share, and 1, [N, 2];
        "scores": EM, F1 and their mean, shares, and the loss.
    """
    from albert.tasks.mrc.scores import score_question  # needs the extra "mrc"
    from albert.tasks.mrc.scoring import read_predictions
    from albert.tasks.mrc.squad import read_squad

    answers = read_predictions(os.path.join(model, predictions))
    found = [
        score_question(answers[question.id], question)
        for _, question in read_squad(gold).questions()
    ]
    shares = {name: f"eval_{name}" for name in ("average", "em", "f1")}
    percent = read_results(model, {**shares, "loss": "loss"})
    loss = percent.pop("loss")
    return {
        "counts": [[(score.em + score.f1) / 2, 1] for score in found],
        "scores": {**{n: value / 100 for n, value in percent.items()}, "loss": loss},
    }
