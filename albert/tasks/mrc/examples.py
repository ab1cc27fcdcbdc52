"""Questions -> what the model reads of them, window by window (no TensorFlow)."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Optional

from absl import logging

from albert.base.errors import UserError
from albert.tasks.mrc.config import MrcConfig
from albert.tasks.mrc.readers import (
    OffsetReader,
    PassageReader,
    TokenSpan,
    WordReader,
    place_answer,
)
from albert.tasks.mrc.squad import Answer, Passage, Question, SquadFile
from albert.tasks.mrc.windows import Window, join_tokens, place_in_window, plan_windows
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import CLS, SEP, UNK

_NAMED = 5  # questions that a warning names


class Example(NamedTuple):
    """A question, as the model reads it.

    Attributes:
        question: as the file has it.
        reader: of its passage.
        question_tokens: at most max_query_length.
        windows: of the passage's tokens.
        answer: the tokens to train on; None where there is no answer, or none is known.
    """

    question: Question
    reader: PassageReader
    question_tokens: tuple[str, ...]
    windows: tuple[Window, ...]
    answer: Optional[TokenSpan]

    @property
    def offset(self) -> int:
        """Where each window begins in the model's input."""
        return len(self.question_tokens) + 2


class Inputs(NamedTuple):
    """A window in the model's input, unpadded.

    Attributes:
        ids, segment_ids: see `join_tokens`.
        start, end: of the answer; see `place_in_window`.
    """

    ids: list[int]
    segment_ids: list[int]
    start: int
    end: int


def make_reader(text: str, tokenizer: Tokenizer, settings: MrcConfig) -> PassageReader:
    """Return what reads a passage, by offsets or as the reference does."""
    kind = WordReader if settings.reference_features else OffsetReader
    return kind(text, tokenizer)


def make_example(
    question: Question,
    reader: PassageReader,
    tokenizer: Tokenizer,
    settings: MrcConfig,
    answer: Optional[TokenSpan] = None,
) -> Example:
    """Return a question as the model reads it.

    Args:
        question: what is asked.
        reader: of its passage.
        tokenizer: of the model.
        settings: the lengths.
        answer: the tokens to train on.
    """
    most = min(settings.max_query_length, settings.max_seq_length - 4)
    asked = tuple(tokenizer.tokenize(question.text)[:most])
    capacity = settings.max_seq_length - len(asked) - 3
    windows = plan_windows(len(reader.tokens), capacity, settings.doc_stride)
    return Example(question, reader, asked, windows, answer)


def make_inputs(example: Example, number: int, ids: dict[str, int]) -> Inputs:
    """Return the model's input of a window of an example.

    Args:
        example: the question.
        number: of the window.
        ids: token -> id.
    """
    window = example.windows[number]
    passage = example.reader.tokens[window.start : window.end]
    tokens = join_tokens(
        [ids[token] for token in example.question_tokens],
        [ids[token] for token in passage],
        ids[CLS],
        ids[SEP],
    )
    place = place_in_window(example.answer, window, example.offset)
    return Inputs(*tokens, *place)


def _find_answer(
    question: Question, reader: PassageReader, reference: bool
) -> Optional[TokenSpan]:
    """Return the tokens of the first answer (the reference's), or of any (ours)."""
    answers = question.answers[:1] if reference else question.answers
    return next(filter(None, map(reader.find, answers)), None)


def make_examples(
    data: SquadFile, tokenizer: Tokenizer, settings: MrcConfig, training: bool
) -> list[Example]:
    """Return the questions of a file as the model reads them, in the file's order.

    Args:
        data: passages and questions.
        tokenizer: of the model.
        settings: the lengths, and which reader.
        training: whether they are trained on: a question whose answer does not stand
            in its passage is then left out.

    Raises:
        UserError: none is left.
    """
    examples = []
    for passage in data.passages:
        reader = make_reader(passage.text, tokenizer, settings)
        for question in passage.questions:
            answer = _find_answer(question, reader, settings.reference_features)
            if training and answer is None and not question.is_impossible:
                continue
            example = make_example(question, reader, tokenizer, settings, answer)
            examples.append(example)
    if not examples:
        raise UserError(f"{data.path}: no answer stands in its passage")
    return examples


def _count_answer(passage: Passage, answer: Answer) -> str:
    place = place_answer(passage.text, answer)
    if place is None:
        return "absent"
    return "in place" if place == answer.start else "elsewhere"


def log_counts(name: str, data: SquadFile, examples: list[Example]) -> None:
    """Log what a file holds, and warn of answers that are not where it says."""
    answers = Counter(
        _count_answer(passage, answer)
        for passage, question in data.questions()
        for answer in question.answers
    )
    unknown = sum(
        example.reader.tokens[example.answer.first : example.answer.last + 1].count(UNK)
        > 0
        for example in examples
        if example.answer
    )
    logging.info(
        "%s (%s): %d questions, %d windows, %d questions without an answer, %d whose "
        "answer holds [UNK]",
        name,
        data.path,
        len(examples),
        sum(len(example.windows) for example in examples),
        sum(example.question.is_impossible for example in examples),
        unknown,
    )
    if answers["elsewhere"]:
        logging.warning(
            "%s: %d answers do not stand at their answer_start; the nearest place "
            "where they stand is taken",
            name,
            answers["elsewhere"],
        )
    if answers["absent"]:
        absent = [
            question.id
            for passage, question in data.questions()
            if any(_count_answer(passage, a) == "absent" for a in question.answers)
        ]
        logging.warning(
            "%s: %d answers do not stand in their passage; %d questions are left out; "
            "these answers are to %s",
            name,
            answers["absent"],
            sum(1 for _ in data.questions()) - len(examples),
            ", ".join(absent[:_NAMED]) + (", ..." if len(absent) > _NAMED else ""),
        )
