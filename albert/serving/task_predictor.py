"""What a predictor of any task gives to files, to the service and to Python."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, Mapping, NamedTuple, Optional, Sequence

from albert.serving.inputs import Item
from albert.serving.prediction_config import JSONL, TEXT
from albert.serving.texts import Input


class TaskResult(NamedTuple):
    """An item of the input with what the model says of it.

    Attributes:
        fields: what JSON lines hold beside the item's own.
        counted: what totals count, such as its label.
    """

    item: Item
    fields: Mapping[str, Any]
    counted: Sequence[str] = ()


class TaskPredictor(abc.ABC):
    """Predicts with a model of one task; threads may share it.

    Attributes:
        second: what the second text of an input is called, as a field of JSON objects;
            None where inputs are single texts.
        input_formats, output_formats: of files, see `prediction_config`.
        finds_entities: whether a lowest score and a user's terms mean anything.
        unit: what totals count, in the plural.
    """

    second: Optional[str] = None
    input_formats: ClassVar[tuple[str, ...]] = (TEXT, JSONL)
    output_formats: ClassVar[tuple[str, ...]] = (JSONL,)
    finds_entities: ClassVar[bool] = False
    unit: ClassVar[str]

    @abc.abstractmethod
    def predict(
        self, inputs: Sequence[Input], min_score: float = 0.0
    ) -> list[dict[str, Any]]:
        """Return what the model says of each input, ready for JSON.

        Args:
            inputs: as `second` says; see `check_inputs`.
            min_score: what is found below this probability is left out.
        """

    @abc.abstractmethod
    def answer(self, items: Sequence[Item], min_score: float) -> Sequence[Any]:
        """Return a result for each item; they have what `TaskResult` has."""
