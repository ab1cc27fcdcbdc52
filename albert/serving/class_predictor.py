"""Labels of texts and pairs of texts, with the probabilities of all labels."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
from scipy import special

from albert.base.errors import UserError
from albert.serving.dictionary import NO_TERMS, Terms
from albert.serving.inputs import Item
from albert.serving.model_session import ModelSession
from albert.serving.task_predictor import TaskPredictor, TaskResult
from albert.serving.texts import Input, check_inputs
from albert.tasks.classification.layout import TEXT_B
from albert.tasks.classification.output import describe_prediction
from albert.tasks.classification.source import make_inputs
from albert.tasks.classification.task import ClassificationTask


class ClassPredictor(TaskPredictor):
    """Labels texts of any length, or pairs; threads may share it."""

    unit = "labels"

    def __init__(
        self,
        task: ClassificationTask,
        session: ModelSession,
        batch_size: int = 64,
        terms: Terms = NO_TERMS,
    ):
        """Keep the model.

        Args:
            batch_size: texts that the model computes at once.
            terms: of no use here.
        """
        if terms is not NO_TERMS:
            raise UserError("--dictionary is for models that find named entities")
        self.second = TEXT_B if task.labels.pairs else None
        self._task, self._session, self._batch_size = task, session, batch_size

    def predict(
        self, inputs: Sequence[Input], min_score: float = 0.0
    ) -> list[dict[str, Any]]:
        """Return label and probabilities of each text or pair.

        Args:
            inputs: texts; of a model for pairs, `(text, text_b)`.
            min_score: of no use here.

        Returns:
            For each a dict of "text" (and "text_b"), "label" and "probabilities", a
            dict of label -> probability.
        """
        del min_score
        check_inputs(inputs, self.second)
        pairs = [(i, None) if isinstance(i, str) else tuple(i) for i in inputs]
        names = self._task.labels.names
        return [
            {
                "text": text,
                **({} if other is None else {TEXT_B: other}),
                **describe_prediction(logs, names),
            }
            for (text, other), logs in zip(pairs, self._compute(pairs))
        ]

    def answer(self, items: Sequence[Item], min_score: float) -> list[TaskResult]:
        """See `TaskPredictor.answer`."""
        inputs = [i.text if i.second is None else (i.text, i.second) for i in items]
        found = self.predict(inputs, min_score)
        keys = ("label", "probabilities")
        return [
            TaskResult(item, {key: value[key] for key in keys}, (value["label"],))
            for item, value in zip(items, found)
        ]

    def _compute(self, pairs: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return the logarithms of probabilities, float64 [N, L]."""
        windows = [self._task.encode(*pair) for pair in pairs]
        sizes = [sum(len(w.input_ids) for w in part) for part in windows]
        order = np.argsort(sizes, kind="stable")  # like lengths: little is padding
        logits = np.zeros((len(pairs), len(self._task.labels.names)))
        for start in range(0, len(order), self._batch_size):
            chosen = order[start : start + self._batch_size]
            inputs = make_inputs([windows[i] for i in chosen], self._task.has_windows)
            logits[chosen] = self._session.run(inputs)["logits"]
        return special.log_softmax(logits, axis=1)
