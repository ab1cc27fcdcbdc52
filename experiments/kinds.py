"""What is scored of each kind of task: a row a kind.

A run's result holds "counts", what each example of test adds to the main score: so
runs can be compared example by example. The other scores are made of it, or are what
the task's own program says.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, NamedTuple, Sequence

import numpy as np

from albert.tasks.classification.files import SUFFIXES as TABLE_SUFFIXES
from albert.tasks.ner.conll import SUFFIXES as CONLL_SUFFIXES
from experiments import scores
from experiments.intervals import f1, share

Result = Mapping[str, Any]


class Column(NamedTuple):
    """A score in the table.

    Attributes:
        name: in `results.json`.
        heading: in the table.
        percent: whether it is a share, shown in percent.
        spread: whether its interval is shown.
    """

    name: str
    heading: str
    percent: bool = True
    spread: bool = True


class Kind(NamedTuple):
    """How runs of a task are scored; N examples, K numbers of each.

    Attributes:
        main: the main score, as pictures and comparisons name it.
        examples: what is drawn in comparisons.
        about: the lines above the table.
        suffixes: of the data files.
        predictions: the name of a run's predictions on test.
        divides: whether the driver can make folds and shares of the data.
        read: the data's files by split and a model's folder -> the result: "counts",
            [N, K], and what else `measure` needs.
        score: sums of counts, [..., K] -> the main score, a share, [...].
        measure: the results of a seed, one or that of each fold -> name of a column
            -> value.
        columns: of the table, the main score first.
    """

    main: str
    examples: str
    about: tuple[str, ...]
    suffixes: tuple[str, ...]
    predictions: str
    divides: bool
    read: Callable[[Mapping[str, str], str], dict[str, Any]]
    score: Callable[[np.ndarray], np.ndarray]
    measure: Callable[[Sequence[Result]], dict[str, float]]
    columns: tuple[Column, ...]


def _read_entities(found: Mapping[str, str], model: str) -> dict[str, Any]:
    predicted = os.path.join(model, NER.predictions)
    return scores.score_entities(found["test"], predicted, found["train"])


def _measure_entities(parts: Sequence[Result]) -> dict[str, float]:
    """Return the scores of all folds' entities together."""
    correct, predicted, gold = sums = np.sum(
        [np.sum(part["counts"], axis=0) for part in parts], axis=0
    )
    seen, unseen = (
        np.sum([part[name] for part in parts], axis=0)
        for name in (scores.SEEN, scores.UNSEEN)
    )
    return {
        "f1": float(f1(sums)),
        "precision": float(correct / max(predicted, 1)),
        "recall": float(correct / max(gold, 1)),
        "f1_seen": float(f1(seen)),
        "f1_unseen": float(f1(unseen)),
    }


def _read_labels(found: Mapping[str, str], model: str) -> dict[str, Any]:
    del found  # the predictions have the right labels, too
    return scores.score_labels(model, CLASSIFICATION.predictions)


def _read_answers(found: Mapping[str, str], model: str) -> dict[str, Any]:
    return scores.score_answers(found["test"], model, MRC.predictions)


def _measured(parts: Sequence[Result]) -> dict[str, float]:
    """Return what the task's own program says; such tasks have no folds here."""
    (part,) = parts
    return part["scores"]


_MEAN = "the mean over seeds ± half of its 95 % interval"
NER = Kind(
    main="strict F1",
    examples="sentences",
    about=(
        f"Strict F1 in percent: {_MEAN}; of",
        "folds, F1 of all their sentences together. Seen: entities that are in the",
        "training data, too.",
    ),
    suffixes=CONLL_SUFFIXES,
    predictions="predictions_test.conll",
    divides=True,
    read=_read_entities,
    score=f1,
    measure=_measure_entities,
    columns=(
        Column("f1", "F1"),
        Column("precision", "P", spread=False),
        Column("recall", "R", spread=False),
        Column("f1_seen", "F1 seen", spread=False),
        Column("f1_unseen", "F1 unseen", spread=False),
    ),
)
CLASSIFICATION = Kind(
    main="accuracy",
    examples="examples",
    about=(f"Accuracy and macro F1 in percent, and the loss: {_MEAN}.",),
    suffixes=TABLE_SUFFIXES,
    predictions="predictions_test.jsonl",
    divides=False,
    read=_read_labels,
    score=share,
    measure=_measured,
    columns=(
        Column("accuracy", "accuracy"),
        Column("macro_f1", "macro F1"),
        Column("loss", "loss", percent=False),
    ),
)
MRC = Kind(
    main="mean of EM and F1",
    examples="questions",
    about=(f"The mean of EM and F1, and both, in percent: {_MEAN}.",),
    suffixes=(".json",),
    predictions="predictions_test.json",
    divides=False,
    read=_read_answers,
    score=share,
    measure=_measured,
    columns=(
        Column("average", "EM and F1"),
        Column("em", "EM"),
        Column("f1", "F1"),
        Column("loss", "loss", percent=False),
    ),
)
