"""What comes out of machine reading: scores of a file, predictions (no TensorFlow)."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

from albert.base import files
from albert.tasks.mrc.config import MrcConfig
from albert.tasks.mrc.decoding import Reading
from albert.tasks.mrc.scores import AnswerScore, score_question
from albert.tasks.mrc.squad import Question


class Decoded(NamedTuple):
    """What a model says to the questions of a file.

    Attributes:
        readings: of each question.
        answers: the answer to each, "" for none.
        loss: the mean loss of a window; NaN where no answers are known.
    """

    readings: Sequence[Reading]
    answers: Sequence[str]
    loss: float


def choose_answer(reading: Reading, unanswerable: bool, settings: MrcConfig) -> str:
    """Return the answer to a question: the best, or "" where none speaks for more.

    Args:
        reading: of the question.
        unanswerable: whether the model has seen questions without an answer.
        settings: of the model, with the threshold.
    """
    none = reading.null_score is not None and unanswerable
    if none and reading.null_score > settings.null_score_threshold:
        return ""
    return reading.best().span.text


class MrcReport(NamedTuple):
    """Scores of the answers to questions.

    Attributes:
        scores: of each question.
        answered: whether each has an answer.
        loss: see `Decoded`.
    """

    scores: Sequence[AnswerScore]
    answered: Sequence[bool]
    loss: float

    def _rows(self) -> dict[str, list[AnswerScore]]:
        rows = {"all": list(self.scores)}
        if False in self.answered:
            for name, kind in (("with an answer", True), ("without an answer", False)):
                pairs = zip(self.scores, self.answered)
                rows[name] = [score for score, has in pairs if has == kind]
        return {name: scores for name, scores in rows.items() if scores}

    def metrics(self) -> dict[str, float]:
        """Return the scores by name, in percent."""
        em, f1 = _mean(self.scores)
        average = (em + f1) / 2
        found = {"eval_em": em, "eval_f1": f1, "eval_average": average}
        return {**found, "loss": self.loss}

    def table(self) -> str:
        """Return the scores of all questions, and of those with and without answer."""
        lines = [f"{'questions':18}{'':>8}{'EM':>8}{'F1':>8}{'average':>9}"]
        for name, scores in self._rows().items():
            em, f1 = _mean(scores)
            average = (em + f1) / 2
            lines.append(f"{name:18}{len(scores):8}{em:8.3f}{f1:8.3f}{average:9.3f}")
        return "\n".join(lines)


def _mean(scores: Sequence[AnswerScore]) -> tuple[float, float]:
    count = len(scores)
    em, f1 = sum(score.em for score in scores), sum(score.f1 for score in scores)
    return 100 * em / count, 100 * f1 / count


def make_report(
    questions: Sequence[Question], answers: Sequence[str], loss: float
) -> MrcReport:
    """Compare answers with those that are right."""
    scores = [score_question(a, question) for a, question in zip(answers, questions)]
    return MrcReport(scores, [bool(q.answers) for q in questions], loss)


def describe_answers(reading: Reading) -> list[dict[str, Any]]:
    """Return the answers that are kept of a question as JSON values, the best first."""
    return [
        {
            "text": answer.span.text,
            "start": answer.span.start,
            "end": answer.span.end,
            "score": answer.score,
            "probability": answer.probability,
        }
        for answer in reading.answers
    ]


def write_predictions(
    stem: str, ids: Sequence[str], decoded: Decoded, n_best: bool, unanswerable: bool
) -> list[str]:
    """Write `<stem>.json`, id of a question -> answer; return the names of the files.

    Args:
        stem: path without suffix.
        ids: of the questions.
        decoded: what the model says to them.
        n_best: whether to write `<stem>_nbest.json` too, all answers that are kept.
        unanswerable: whether the model may give no answer; what speaks for that is then
            written beside them, to `<stem>_null_scores.json`.
    """
    written = {f"{stem}.json": dict(zip(ids, decoded.answers))}
    if n_best:
        every = map(describe_answers, decoded.readings)
        written[f"{stem}_nbest.json"] = dict(zip(ids, every))
    if unanswerable:
        nulls = [reading.null_score for reading in decoded.readings]
        written[f"{stem}_null_scores.json"] = dict(zip(ids, nulls))
    for name, value in written.items():
        files.write_json(name, value)
    return list(written)
