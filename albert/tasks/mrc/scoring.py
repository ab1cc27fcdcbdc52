"""Scores of a file of predictions, for `tools/score_mrc.py` (no TensorFlow)."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

from albert.base import files
from albert.base.errors import UserError
from albert.base.settings import ANY_PATH, INPUT_FILE, REQUIRED, Settings, setting
from albert.tasks.mrc.scores import MrcScores, score_question
from albert.tasks.mrc.squad import SquadFile


@dataclasses.dataclass(frozen=True)
class ScoreConfig(Settings):
    """Which files are compared."""

    data_file: str = setting(
        REQUIRED,
        "Passages, questions and right answers, in the layout of SQuAD.",
        path=INPUT_FILE,
    )
    prediction_file: str = setting(
        REQUIRED,
        "The answers to judge: a JSON object from the id of a question to its answer.",
        path=INPUT_FILE,
    )
    output_file: Optional[str] = setting(
        None, "A JSON file to write, with the scores of each question.", path=ANY_PATH
    )


def read_predictions(path: str) -> dict[str, str]:
    """Return id of a question -> answer; UserError where a file holds anything else."""
    found = files.read_json(path)
    if not isinstance(found, dict):
        raise UserError(f"{path}: not a JSON object from ids to answers")
    for name, answer in found.items():
        if not isinstance(answer, str):
            raise UserError(f"{path}: the answer to {name} is not a text")
    return found


def official_form(scores: MrcScores, path: str) -> dict[str, Any]:
    """Return scores as the official program prints them, with three decimals."""
    return {
        "AVERAGE": f"{scores.average:.3f}",
        "F1": f"{scores.f1:.3f}",
        "EM": f"{scores.em:.3f}",
        "TOTAL": scores.total,
        "SKIP": len(scores.skipped),
        "FILE": path,
    }


def list_questions(
    data: SquadFile, predictions: dict[str, str]
) -> list[dict[str, Any]]:
    """Return the question, right answers, prediction, EM and F1 of each question."""
    rows = []
    for _, question in data.questions():
        prediction = predictions.get(question.id)
        scores = {"em": 0.0, "f1": 0.0}
        if prediction is not None:
            scores = score_question(prediction, question)._asdict()
        answers = list(dict.fromkeys(answer.text for answer in question.answers))
        rows.append(
            {
                "id": question.id,
                "question": question.text,
                "answers": answers,
                "prediction": prediction,
                **scores,
            }
        )
    return rows
