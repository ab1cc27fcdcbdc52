"""Files of passages, questions and answers in the layout of SQuAD (no TensorFlow).

`data[] > paragraphs[] {context, qas[] {id, question, answers[] {text, answer_start},
is_impossible}}`, as CMRC 2018 (its squad-style version), DRCD and SQuAD 2.0 have it.
"""

from __future__ import annotations

from typing import Any, Iterator, NamedTuple

from albert.base import files
from albert.base.errors import UserError

NO_PLACE = -1  # in place of an `answer_start` that a file does not give


class Answer(NamedTuple):
    """An answer, and the character of the passage where the file says it begins."""

    text: str
    start: int = NO_PLACE


class Question(NamedTuple):
    """A question to a passage.

    Attributes:
        id: names it in files of predictions.
        answers: any of them is right; none where there is no answer, or none is known.
        is_impossible: whether the passage does not answer it; its answers are then
            none.
    """

    id: str
    text: str
    answers: tuple[Answer, ...] = ()
    is_impossible: bool = False


class Passage(NamedTuple):
    """A text, and the questions to it."""

    text: str
    questions: tuple[Question, ...]


class SquadFile(NamedTuple):
    """A file as it was read."""

    path: str
    passages: tuple[Passage, ...]

    def questions(self) -> Iterator[tuple[Passage, Question]]:
        """Yield every question with its passage, in the file's order."""
        for passage in self.passages:
            for question in passage.questions:
                yield passage, question


def _take(value: Any, key: str, kind: type, where: str, default: Any = None) -> Any:
    """Return a member of a JSON object, of the right type; UserError says where."""
    if not isinstance(value, dict):
        raise UserError(f"{where} is not an object")
    if key not in value:
        if default is not None:
            return default
        raise UserError(f'{where} has no key "{key}"')
    found = value[key]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        names = {str: "a text", int: "a number", bool: "true or false", list: "a list"}
        raise UserError(f'{where}: "{key}" is not {names[kind]}')
    return found


def _parse_question(value: Any, where: str) -> Question:
    name = _take(value, "id", str, where).strip()  # as the official score does
    where = f"{where} ({name})"
    impossible = _take(value, "is_impossible", bool, where, default=False)
    answers = []
    for index, answer in enumerate(_take(value, "answers", list, where, default=[])):
        here = f"{where}.answers[{index}]"
        text = _take(answer, "text", str, here)
        answers.append(Answer(text, _take(answer, "answer_start", int, here, NO_PLACE)))
    known = () if impossible else tuple(answers)
    return Question(name, _take(value, "question", str, where), known, impossible)


def _parse_passages(value: Any, path: str) -> Iterator[Passage]:
    for i, document in enumerate(_take(value, "data", list, path)):
        where = f"{path}: data[{i}]"
        for j, paragraph in enumerate(_take(document, "paragraphs", list, where)):
            here = f"{where}.paragraphs[{j}]"
            text = _take(paragraph, "context", str, here)
            questions = (
                _parse_question(question, f"{here}.qas[{k}]")
                for k, question in enumerate(_take(paragraph, "qas", list, here))
            )
            yield Passage(text, tuple(questions))


def read_squad(path: str) -> SquadFile:
    """Read a file in the layout of SQuAD.

    Raises:
        UserError: it is not JSON (line and column are named), a key is missing or of
            the wrong type (its place is named), two questions have one id, or there is
            no question.
        OSError: it cannot be read.
    """
    found = SquadFile(path, tuple(_parse_passages(files.read_json(path), path)))
    seen: set[str] = set()
    for _, question in found.questions():
        if question.id in seen:
            raise UserError(f"{path}: two questions have the id {question.id!r}")
        seen.add(question.id)
    if not seen:
        raise UserError(f"{path} holds no question")
    return found


def check_answers(data: SquadFile) -> None:
    """Raise UserError for a question without answers that is not said to have none."""
    for _, question in data.questions():
        if not question.answers and not question.is_impossible:
            raise UserError(
                f"{data.path}: the question {question.id} has no answer; one that its "
                'passage does not answer has "is_impossible": true'
            )
