"""The metrics of ELECTRA's evaluation, as the reference counts them."""

from __future__ import annotations

from typing import Iterable, Mapping

import numpy as np

from albert.tasks.electra.config import ObjectiveConfig

_EPSILON = 1e-6  # see `task`
_THRESHOLDS = 200  # of the area under the curve, as `tf.metrics.auc` has by default


def find_thresholds(count: int = _THRESHOLDS) -> np.ndarray:
    """Return the thresholds of `tf.metrics.auc`: a grid over [0, 1] and beyond."""
    inner = [(index + 1) / (count - 1) for index in range(count - 2)]
    return np.float32([-1e-7, *inner, 1 + 1e-7])


class AucCounts:
    """Counts of examples above thresholds; the area under the curve comes of them."""

    def __init__(self):
        """Begin with no example."""
        self._thresholds = find_thresholds()
        self._above = np.zeros([2, _THRESHOLDS])  # of label 0, of label 1
        self._counts = np.zeros(2)

    def add(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        """Count examples; labels 0 or 1, probabilities float32, of one shape."""
        for label in (0, 1):
            values = np.sort(probabilities[labels == label], axis=None)
            below = np.searchsorted(values, self._thresholds, side="right")
            self._above[label] += len(values) - below
            self._counts[label] += len(values)

    def area(self) -> float:
        """Return the area under the ROC curve by trapezoids; 0 without both labels."""
        if not self._counts.all():
            return 0.0
        rates = self._above / self._counts[:, np.newaxis]  # false, true positives
        steps = rates[0, :-1] - rates[0, 1:]
        heights = (rates[1, :-1] + rates[1, 1:]) / 2
        return float(np.sum(steps * heights))


class _Mean:
    """A weighted mean, 0 where nothing has a weight."""

    def __init__(self):
        self.total = self.weight = 0.0

    def add(self, values: np.ndarray, weights: np.ndarray) -> None:
        self.total += float(np.sum(values * weights, dtype=float))
        self.weight += float(np.sum(weights, dtype=float))

    @property
    def value(self) -> float:
        return self.total / self.weight if self.weight else 0.0


def _add_generator(means: Mapping[str, _Mean], batch: Mapping) -> None:
    labels, weights = batch["masked_lm_ids"], batch["masked_lm_weights"]
    means["masked_lm_loss"].add(batch["masked_lm_losses"], weights)
    means["masked_lm_accuracy"].add(batch["masked_lm_preds"] == labels, weights)
    if "sampled_ids" in batch:
        right = batch["sampled_ids"] == labels
        means["sampled_masked_lm_accuracy"].add(right, weights)


def _add_discriminator(means: Mapping[str, _Mean], batch: Mapping) -> None:
    mask, labels = batch["input_mask"], batch["is_fake"]
    found = (batch["disc_logits"] > 0).astype(int)
    right = found == labels
    means["disc_accuracy"].add(right, mask)
    means["disc_precision"].add(right, found * mask)
    means["disc_recall"].add(right, labels * mask)
    means["disc_fake_share"].add(labels, mask)
    per_example = batch["disc_loss_sum"] / (mask.sum(axis=1) + _EPSILON)
    means["disc_loss"].add(per_example, np.ones(len(mask)))


_GENERATOR = ("masked_lm_loss", "masked_lm_accuracy")
_DISCRIMINATOR = (
    *("sampled_masked_lm_accuracy", "disc_loss", "disc_accuracy"),
    *("disc_precision", "disc_recall", "disc_fake_share"),
)


def score_predictions(
    batches: Iterable[Mapping[str, np.ndarray]],
    objective: ObjectiveConfig,
    max_seq_length: int,
) -> dict[str, float]:
    """Return the metrics of an evaluation.

    `disc_loss` is the mean over examples; in `loss`, the sum of both losses with their
    weights, that of the discriminator is the mean over tokens, as in training.
    `disc_fake_share` is the share of replaced tokens: calling nothing replaced has the
    accuracy of 1 less this. `disc_auc` counts padding as tokens that were rightly taken
    for real.

    Args:
        batches: the predictions of `ElectraTask.build`.
        max_seq_length: what examples are padded to.
    """
    has_discriminator = objective.electra_objective
    names = _GENERATOR + (_DISCRIMINATOR if has_discriminator else ())
    means = {name: _Mean() for name in names}
    tokens, auc = _Mean(), AucCounts()
    for batch in batches:
        _add_generator(means, batch)
        if not has_discriminator:
            continue
        _add_discriminator(means, batch)
        mask = batch["input_mask"]
        tokens.total += float(np.sum(batch["disc_loss_sum"], dtype=float))
        tokens.weight += float(mask.sum())
        auc.add(batch["is_fake"] * mask, batch["disc_probs"] * mask.astype(np.float32))
        trimmed = len(mask) * (max_seq_length - mask.shape[1])
        auc.add(np.zeros(trimmed, int), np.zeros(trimmed, np.float32))
    results = {name: mean.value for name, mean in means.items()}
    results["loss"] = objective.gen_weight * results["masked_lm_loss"]
    if has_discriminator:
        results["disc_auc"] = auc.area()
        results["loss"] += objective.disc_weight * tokens.value
    return results
