"""Scores of predicted labels, by scikit-learn, which this file alone imports."""

from __future__ import annotations

import warnings
from typing import NamedTuple, Optional, Sequence

import numpy as np
from sklearn import metrics, model_selection
from sklearn.utils import class_weight

from albert.base.errors import UserError
from albert.tasks.classification.config import BALANCED, parse_weights


class ClassScores(NamedTuple):
    """How predicted labels compare with the right ones.

    Attributes:
        accuracy: share of examples.
        precision, recall, f1: float64, [L]; 0 where nothing was predicted or is there.
        support: int, [L]; examples of each label.
        confusion: int, [L, L]; examples by label and by predicted label.
        loss: mean negative log-likelihood of the right label.
    """

    accuracy: float
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    confusion: np.ndarray
    loss: float


def score_labels(label_ids: np.ndarray, log_probabilities: np.ndarray) -> ClassScores:
    """Compare the most probable labels with the right ones.

    Args:
        label_ids: int, [N].
        log_probabilities: float64, [N, L].
    """
    number = log_probabilities.shape[1]
    predicted = log_probabilities.argmax(axis=1)
    every = list(range(number))
    scores = metrics.precision_recall_fscore_support(
        label_ids, predicted, labels=every, zero_division=0.0
    )
    right = log_probabilities[np.arange(len(label_ids)), label_ids]
    return ClassScores(
        float(metrics.accuracy_score(label_ids, predicted)),
        *scores,
        metrics.confusion_matrix(label_ids, predicted, labels=every),
        float(-right.mean()),
    )


def weigh_classes(
    setting: Optional[str], label_ids: np.ndarray, labels: Sequence[str]
) -> np.ndarray:
    """Return the weight of each label in the training loss, float32 [L].

    Args:
        setting: None, BALANCED or `label=weight` pairs; see `ClassificationConfig`.
        label_ids: int, [N], of the training data, which has all labels.
        labels: their names.

    Raises:
        UserError: a pair names a label that there is not.
    """
    weights = np.ones(len(labels), np.float32)
    if setting is None:
        return weights
    if setting == BALANCED:
        every = np.arange(len(labels))
        found = class_weight.compute_class_weight(BALANCED, classes=every, y=label_ids)
        return found.astype(np.float32)
    for label, weight in parse_weights(setting).items():
        if label not in labels:
            raise UserError(
                f"class_weights names the label {label!r}; the training data have "
                f"{', '.join(labels)}"
            )
        weights[labels.index(label)] = weight
    return weights


def draw_parts(
    labels: Sequence[str], count: int, seed: int
) -> list[tuple[list[int], list[int]]]:
    """Return the numbers of the other examples and of those of each part.

    Args:
        labels: of the examples; each part has them in the same shares, nearly.
        count: of parts.
        seed: of the drawing.

    Raises:
        UserError: there are fewer examples than parts.
    """
    if len(labels) < count:
        raise UserError(f"num_folds is {count}, but there are {len(labels)} examples")
    cutter = model_selection.StratifiedKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # of labels rarer than there are parts
        warnings.simplefilter("ignore", UserWarning)
        try:
            parts = list(cutter.split(np.zeros(len(labels)), labels))
        except ValueError:  # every label is rarer than that
            plain = model_selection.KFold(count, shuffle=True, random_state=seed)
            parts = list(plain.split(np.zeros(len(labels))))
    return [(rest.tolist(), part.tolist()) for rest, part in parts]
