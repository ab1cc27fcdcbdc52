"""Exact match and F1 of answers, by the rules of CMRC 2018 and DRCD (no TensorFlow).

Source: `cmrc2018_drcd_evaluate.py`, the score of both tasks, by its outputs.
"""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple, Sequence

from albert.tasks.mrc.english import load_tokenizer
from albert.tasks.mrc.squad import Question, SquadFile

# What is removed before answers are compared. ‘ ’ — … and the signs of ASCII that are
# not named are compared; the official list lacks them, but for the closing ’.
_REMOVED = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_IDEOGRAPHS_AND_RUNS = re.compile("[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")


class AnswerScore(NamedTuple):
    """How a prediction agrees with the best of the right answers, each from 0 to 1."""

    em: float
    f1: float


class MrcScores(NamedTuple):
    """The scores of a file of predictions, in percent.

    Attributes:
        em: exact matches.
        f1: the mean over questions of F1.
        total: questions.
        skipped: the ids of those without a prediction, which count 0.
    """

    em: float
    f1: float
    total: int
    skipped: tuple[str, ...]

    @property
    def average(self) -> float:
        """The mean of EM and F1, by which the tasks rank systems."""
        return (self.em + self.f1) / 2


def normalize(text: str) -> str:
    """Return a text as exact match compares it: lower case, without punctuation.

    Spaces inside stay, and full-width letters.
    """
    return text.lower().strip().translate(_REMOVED)


def segment(text: str) -> list[str]:
    """Return the tokens of a text, over which F1 is computed.

    An ideograph of U+4E00 to U+9FA5 is one; what stands between ideographs is split
    as English. Removed signs split nothing.

    Example: `segment("《Wi-Fi》有 50%")` is `wifi 有 50 %`.
    """
    tokens: list[str] = []
    for run in _IDEOGRAPHS_AND_RUNS.findall(normalize(text)):
        single = len(run) == 1 and "\u4e00" <= run <= "\u9fa5"
        tokens += [run] if single else load_tokenizer()(run)
    return tokens


def longest_common_run(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest run of tokens that stands in both."""
    longest = 0
    lengths = [0] * (len(second) + 1)  # of the common run that ends at each token
    for token in first:
        before = 0
        for index, other in enumerate(second, start=1):
            here = before + 1 if token == other else 0
            before, lengths[index] = lengths[index], here
            longest = max(longest, here)
    return longest


def _f1(prediction: str, answer: str) -> float:
    predicted, right = segment(prediction), segment(answer)
    common = longest_common_run(predicted, right)
    if common == 0:
        return 0
    precision, recall = common / len(predicted), common / len(right)
    return 2 * precision * recall / (precision + recall)


def score_answer(prediction: str, answers: Sequence[str]) -> AnswerScore:
    """Return how a prediction agrees with right answers: the maximum over them."""
    em = max(normalize(prediction) == normalize(answer) for answer in answers)
    return AnswerScore(float(em), max(_f1(prediction, answer) for answer in answers))


def score_question(prediction: str, question: Question) -> AnswerScore:
    """Return how the prediction for a question agrees with its answers.

    To a question without answers the empty text is right, as in SQuAD 2.0; the official
    rules, made for files in which each has one, know no such question.
    """
    if not question.answers:
        right = float(not prediction.strip())
        return AnswerScore(right, right)
    return score_answer(prediction, [answer.text for answer in question.answers])


def score_predictions(data: SquadFile, predictions: Mapping[str, str]) -> MrcScores:
    """Score predictions (id of a question -> answer) of a file."""
    em = f1 = 0.0
    total, skipped = 0, []
    for _, question in data.questions():
        total += 1
        if question.id not in predictions:
            skipped.append(question.id)
            continue
        found = score_question(predictions[question.id], question)
        em, f1 = em + found.em, f1 + found.f1
    return MrcScores(100 * em / total, 100 * f1 / total, total, tuple(skipped))
