"""Answers to questions about passages, with their places and probabilities."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

from albert.base.errors import UserError
from albert.serving.dictionary import NO_TERMS, Terms
from albert.serving.inputs import Item
from albert.serving.model_session import ModelSession
from albert.serving.task_predictor import TaskPredictor, TaskResult
from albert.serving.texts import Input, check_inputs
from albert.tasks.mrc.decoding import Reading, WindowScores, pick_window
from albert.tasks.mrc.examples import make_example, make_reader
from albert.tasks.mrc.source import MrcSource
from albert.tasks.mrc.squad import Question
from albert.tasks.mrc.task import MrcTask

QUESTION = "question"  # what the second text of an input is called
_FIELDS = ("answer", "start", "end", "score")


class MrcPredictor(TaskPredictor):
    """Answers questions by a part of their passage; threads may share it."""

    second = QUESTION
    unit = "answers"

    def __init__(
        self,
        task: MrcTask,
        session: ModelSession,
        batch_size: int = 64,
        terms: Terms = NO_TERMS,
    ):
        """Keep the model.

        Args:
            batch_size: windows of passages that the model computes at once.
            terms: of no use here.
        """
        if terms is not NO_TERMS:
            raise UserError("--dictionary is for models that find named entities")
        self._task, self._session, self._batch_size = task, session, batch_size

    def predict(
        self, inputs: Sequence[Input], min_score: float = 0.0
    ) -> list[dict[str, Any]]:
        """Return the answer to each question.

        Args:
            inputs: `(passage, question)`.
            min_score: of no use here.

        Returns:
            For each a dict of "text", "question", "answer", its characters in the text
            "start" and "end" (text[start:end]) and "score", its probability among the
            answers that are kept. A model that has seen questions without an answer may
            give none, "" with the places None, and says by "null_score" what speaks for
            that.
        """
        del min_score
        check_inputs(inputs, self.second)
        return [
            {"text": text, QUESTION: question, **self._describe(reading)}
            for (text, question), reading in zip(inputs, self._read(inputs))
        ]

    def answer(self, items: Sequence[Item], min_score: float) -> list[TaskResult]:
        """See `TaskPredictor.answer`; totals count answers that say something."""
        found = self.predict([(item.text, item.second) for item in items], min_score)
        results = []
        for item, value in zip(items, found):
            fields = {k: v for k, v in value.items() if k not in ("text", QUESTION)}
            counted = ("answer",) if value["answer"] else ()
            results.append(TaskResult(item, fields, counted))
        return results

    def _describe(self, reading: Reading) -> dict[str, Any]:
        best = reading.best()
        values = (best.span.text, best.span.start, best.span.end, best.probability)
        fields = dict(zip(_FIELDS, values))
        if self._task.labels.unanswerable and reading.null_score is not None:
            fields["null_score"] = reading.null_score
            if not self._task.answer(reading):
                fields.update(answer="", start=None, end=None)
        return fields

    def _read(self, inputs: Sequence[Sequence[str]]) -> list[Reading]:
        """Return what the model says of each passage and question."""
        task = self._task
        readers = {
            text: make_reader(text, task.tokenizer, task.settings)
            for text in dict.fromkeys(text for text, _ in inputs)
        }
        examples = [
            make_example(
                Question("", question), readers[text], task.tokenizer, task.settings
            )
            for text, question in inputs
        ]
        source = MrcSource(examples, task.tokenizer.vocabulary, task.features)
        scores: list[Optional[WindowScores]] = [None] * len(source.lengths)
        order = np.argsort(source.lengths, kind="stable")  # little is then padding
        for start in range(0, len(order), self._batch_size):
            chosen = order[start : start + self._batch_size]
            found = self._session.run(source.make_batch(chosen))
            for row, number in enumerate(chosen):
                scores[number] = pick_window(found, row)
        return task.read(examples, scores)
