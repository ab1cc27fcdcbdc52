"""Whether one labelling is better than another, by a paired bootstrap over sentences.

Source: Koehn, "Statistical significance tests for machine translation evaluation"
(2004); Berg-Kirkpatrick, Burkett and Klein (2012).
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from albert.base.errors import UserError
from albert.tasks.ner.analysis.pairs import SentencePair

_SAMPLES_AT_ONCE = 500


class Comparison(NamedTuple):
    """The strict F1 of two labellings of one text.

    Attributes:
        f1: of both, as shares of 1.
        interval: of the difference, second minus first; it holds the middle
            `confidence` of the samples.
        share_better, share_equal: samples in which the second is better, and in which
            neither is.
        samples, sentences: how many samples, and of how many sentences each.
        confidence: as a share of 1.
    """

    f1: tuple[float, float]
    interval: tuple[float, float]
    share_better: float
    share_equal: float
    samples: int
    sentences: int
    confidence: float

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.f1[1] - self.f1[0]


def count_sentences(pairs: Sequence[SentencePair]) -> np.ndarray:
    """Return int64 [sentences, 3]: entities correct, predicted, in gold of each."""
    rows = [
        (len(set(p.gold) & set(p.predicted)), len(p.predicted), len(p.gold))
        for p in pairs
    ]
    return np.array(rows, np.int64).reshape(-1, 3)


def f1_of(counts: np.ndarray) -> np.ndarray:
    """Return the F1 of summed counts [..., 3]; 0 where nothing is there."""
    correct, both = counts[..., 0], counts[..., 1] + counts[..., 2]
    return 2 * correct / np.maximum(both, 1)


def compare(
    first: Sequence[SentencePair],
    second: Sequence[SentencePair],
    samples: int = 10_000,
    seed: int = 12345,
    confidence: float = 0.95,
) -> Comparison:
    """Draw sentences with replacement and compare two labellings on each sample.

    Both labellings are scored on the same drawn sentences, so that what is hard in a
    sample is hard for both.

    Args:
        first, second: the same sentences with the predictions of one and the other.
        samples: how often as many sentences are drawn as there are.
        seed: of the drawing.
        confidence: share of the samples that the interval holds.

    Raises:
        UserError: gold has no entity, so that there is nothing to compare.
    """
    counts = np.stack([count_sentences(first), count_sentences(second)])
    totals = counts.sum(axis=1)
    if not totals[0, 2]:
        raise UserError("gold holds no entity: there is nothing to compare")
    sentences = counts.shape[1]
    rng = np.random.default_rng(seed)
    shares = np.full(sentences, 1 / sentences)
    differences = []
    for start in range(0, samples, _SAMPLES_AT_ONCE):
        size = min(_SAMPLES_AT_ONCE, samples - start)
        drawn = rng.multinomial(sentences, shares, size)  # how often each, [size, S]
        f1 = f1_of(drawn @ counts)  # [2, size]
        differences.append(f1[1] - f1[0])
    found = np.concatenate(differences)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(found, [tail, 100 - tail])
    f1_first, f1_second = f1_of(totals)
    return Comparison(
        (float(f1_first), float(f1_second)),
        (float(low), float(high)),
        float(np.mean(found > 0)),
        float(np.mean(found == 0)),
        samples,
        sentences,
        confidence,
    )
