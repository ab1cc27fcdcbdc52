"""Means with intervals over seeds, and paired comparisons over examples."""

from __future__ import annotations

import math
from typing import Callable, NamedTuple, Sequence

import numpy as np
from scipy import special

_UPPER = 0.975  # of the distribution lies below the upper end of a 95 % interval


class Summary(NamedTuple):
    """A mean over seeds.

    Attributes:
        mean: of the values.
        deviation: their standard deviation, NaN for one value.
        half_width: of the 95 % interval of the mean by Student's t, NaN for one value.
        count: of the values.
    """

    mean: float
    deviation: float
    half_width: float
    count: int


def summarise(values: Sequence[float]) -> Summary:
    """Return mean, spread and interval of at least one value."""
    mean = float(np.mean(values))
    count = len(values)
    if count == 1:
        return Summary(mean, math.nan, math.nan, 1)
    deviation = float(np.std(values, ddof=1))
    quantile = float(special.stdtrit(count - 1, _UPPER))  # Student's t
    return Summary(mean, deviation, quantile * deviation / math.sqrt(count), count)


def f1(counts: np.ndarray) -> np.ndarray:
    """Return F1 of counts [..., 3]: correct, predicted, gold; 0 without any."""
    correct, predicted, gold = np.moveaxis(np.asarray(counts, float), -1, 0)
    total = predicted + gold
    return np.divide(2 * correct, total, out=np.zeros_like(total), where=total > 0)


def share(counts: np.ndarray) -> np.ndarray:
    """Return the mean of counts [..., 2]: the sum of a score, and of how many."""
    score, count = np.moveaxis(np.asarray(counts, float), -1, 0)
    return score / count


class Difference(NamedTuple):
    """How much better one arm is than another.

    Attributes:
        mean: of the difference in score, over seeds, on all examples.
        low, high: the 95 % interval by paired bootstrap over examples.
    """

    mean: float
    low: float
    high: float


def compare(
    first: np.ndarray,
    second: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray] = f1,
    samples: int = 2000,
    seed: int = 0,
) -> Difference:
    """Return by how much the first arm's score is above the second's.

    Koehn, "Statistical Significance Tests for Machine Translation Evaluation" (2004):
    examples are drawn with replacement, the same for both arms and all seeds. Seeds
    are drawn too, with replacement, of each arm by itself: so the interval holds what
    another training would change.

    Args:
        first, second: [seeds, examples, K]: what each example adds to the score. Arms
            may have different numbers of seeds.
        score: sums over examples, [..., K] -> scores, [...].
        samples: draws.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    count = first.shape[1]
    found = np.zeros(samples)
    for index in range(samples):
        weights = np.bincount(rng.integers(0, count, count), minlength=count)
        means = []
        for arm in (first, second):
            drawn = rng.integers(0, len(arm), len(arm))
            sums = np.einsum("s,rsk->rk", weights, arm)
            means.append(score(sums)[drawn].mean())
        found[index] = means[0] - means[1]
    mean = score(first.sum(axis=1)).mean() - score(second.sum(axis=1)).mean()
    low, high = np.percentile(found, [2.5, 97.5])
    return Difference(float(mean), float(low), float(high))
