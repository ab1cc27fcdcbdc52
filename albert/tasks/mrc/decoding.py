"""From scores of starts and ends to answers (no TensorFlow)."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional, Sequence

import numpy as np

from albert.tasks.mrc.config import INDEPENDENT, MrcConfig
from albert.tasks.mrc.examples import Example
from albert.tasks.mrc.readers import TextSpan, TokenSpan

_NOTHING = "empty"  # the reference's answer where no span may be one


class WindowScores(NamedTuple):
    """What the model says of a window; of the head's kind, the other's are None.

    Attributes:
        starts, ends: float, [T]; logits of the independent head.
        top_starts: int, [K]; the joint head's best starts.
        top_ends: int, [K, K]; for each of them, its best ends.
        top_start_scores, top_end_scores: float, as these; log probabilities.
        answerable: logit that the passage does not answer the question; None without
            the classifier.
    """

    starts: Optional[np.ndarray] = None
    ends: Optional[np.ndarray] = None
    top_starts: Optional[np.ndarray] = None
    top_ends: Optional[np.ndarray] = None
    top_start_scores: Optional[np.ndarray] = None
    top_end_scores: Optional[np.ndarray] = None
    answerable: Optional[float] = None


class Candidates(NamedTuple):
    """Spans in the model's input: int, int and float64, [N] each."""

    starts: np.ndarray
    ends: np.ndarray
    scores: np.ndarray


def pick_window(predictions: Mapping[str, np.ndarray], row: int) -> WindowScores:
    """Return what the model says of one window of a batch; see `MrcTask.build`."""
    fields = WindowScores._fields
    return WindowScores(**{n: predictions[n][row] for n in fields if n in predictions})


_Ranked = list[tuple[TextSpan, float]]
_NO_CANDIDATES = Candidates(np.zeros(0, int), np.zeros(0, int), np.zeros(0))


class RankedAnswer(NamedTuple):
    """An answer among those that are kept.

    Attributes:
        span: its text and place.
        score: sum of its start's and end's scores.
        probability: softmax of the score over the answers that are kept.
    """

    span: TextSpan
    score: float
    probability: float


class Reading(NamedTuple):
    """What the model says to a question.

    Attributes:
        answers: the best first; never none.
        null_score: how much speaks for no answer; see `read_question`.
    """

    answers: tuple[RankedAnswer, ...]
    null_score: Optional[float]

    def best(self) -> RankedAnswer:
        """Return the best answer that says something, or the best if none does."""
        return next((a for a in self.answers if a.span.text), self.answers[0])


def _best_places(logits: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-np.asarray(logits, np.float64), kind="stable")[:count]


def independent_candidates(scores: WindowScores, n_best_size: int) -> Candidates:
    """Return every pair of the best starts and the best ends, by the starts' rank."""
    starts = _best_places(scores.starts, n_best_size)
    ends = _best_places(scores.ends, n_best_size)
    pairs = np.add.outer(
        np.asarray(scores.starts, np.float64)[starts],
        np.asarray(scores.ends, np.float64)[ends],
    )
    return Candidates(
        np.repeat(starts, len(ends)), np.tile(ends, len(starts)), pairs.ravel()
    )


def joint_candidates(scores: WindowScores) -> Candidates:
    """Return the pairs of the beam, by the starts' rank."""
    starts = np.asarray(scores.top_start_scores, np.float64)
    ends = np.asarray(scores.top_end_scores, np.float64)
    return Candidates(
        np.repeat(np.asarray(scores.top_starts), ends.shape[1]),
        np.asarray(scores.top_ends).ravel(),
        (starts[:, None] + ends).ravel(),
    )


def _choose(
    found: Candidates, example: Example, number: int, longest: int
) -> Candidates:
    """Return the candidates that may be answers, as tokens of the passage."""
    window = example.windows[number]
    starts, ends = found.starts - example.offset, found.ends - example.offset
    length = window.end - window.start
    best = np.array([*window.best, False])  # the last for starts outside
    inside = (starts >= 0) & (starts < length) & (ends < length) & (ends >= starts)
    allowed = inside & best[np.where(inside, starts, length)]
    allowed &= ends - starts < longest
    return Candidates(
        starts[allowed] + window.start,
        ends[allowed] + window.start,
        found.scores[allowed],
    )


def _rank(found: Candidates, example: Example, settings: MrcConfig) -> _Ranked:
    """Return the best spans of different text, with their scores."""
    kept: dict[str, tuple[TextSpan, float]] = {}
    for index in np.argsort(-found.scores, kind="stable"):
        if len(kept) == settings.n_best_size:
            break
        tokens = TokenSpan(int(found.starts[index]), int(found.ends[index]))
        span = example.reader.cut(tokens)
        kept.setdefault(span.text, (span, float(found.scores[index])))
    nothing = TextSpan(_NOTHING if settings.reference_features else "")
    return list(kept.values()) or [(nothing, 0.0)]


def _find_null_score(
    windows: Sequence[WindowScores], best: float, settings: MrcConfig
) -> Optional[float]:
    """Return what speaks for no answer, the least over the windows; see `Reading`."""
    if settings.answerable_classifier:
        scores = [float(scores.answerable) for scores in windows]
    elif settings.head == INDEPENDENT:
        scores = [float(s.starts[0]) + float(s.ends[0]) - best for s in windows]
    else:
        return None
    return min(scores, default=None)


def read_question(
    example: Example, windows: Sequence[WindowScores], settings: MrcConfig
) -> Reading:
    """Return the answers to a question from what the model says of its windows.

    Spans are left out that do not lie in the window's text, begin where another window
    gives more context, or are longer than max_answer_length tokens. Of answers of like
    text the best stays.

    Args:
        example: the question.
        windows: the scores of its windows, in their order.
        settings: of the model. With the classifier the null score is its logit, without
            the logits of [CLS] as start and end less the score of the best answer; a
            joint head without the classifier has none.
    """
    found = [_NO_CANDIDATES]
    for number, scores in enumerate(windows):
        if settings.head == INDEPENDENT:
            pairs = independent_candidates(scores, settings.n_best_size)
        else:
            pairs = joint_candidates(scores)
        found.append(_choose(pairs, example, number, settings.max_answer_length))
    together = Candidates(*map(np.concatenate, zip(*found)))
    ranked = _rank(together, example, settings)
    scores = np.array([score for _, score in ranked])
    weights = np.exp(scores - scores.max())
    answers = tuple(
        RankedAnswer(span, score, float(weight))
        for (span, score), weight in zip(ranked, weights / weights.sum())
    )
    reading = Reading(answers, None)
    null_score = _find_null_score(windows, reading.best().score, settings)
    return reading._replace(null_score=null_score)
