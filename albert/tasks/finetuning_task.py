"""What a fine-tuning task adds to `Task`: its files, its labels, what it writes."""

from __future__ import annotations

import abc
import types
from typing import (
    Any,
    Callable,
    ClassVar,
    Iterable,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
)

import numpy as np

from albert.base.errors import UserError
from albert.modeling.config import EncoderConfig
from albert.tasks.example_source import ExampleSource
from albert.tasks.finetuning_config import ModelSettings
from albert.text.tokenization import Tokenizer
from albert.training.task import Task


class Report(NamedTuple):
    """How predictions compare with what is right.

    Attributes:
        metrics: see `Task.score`.
        table: scores in more detail, for people; None for none.
        more: name of a further file, such as `matrix.png` -> what writes it to a path.
    """

    metrics: Mapping[str, float]
    table: Optional[str] = None
    more: Mapping[str, Callable[[str], None]] = types.MappingProxyType({})


class FineTuningTask(Task):
    """A model of one task over an encoder, as `albert.tasks.finetuning` runs it.

    Attributes:
        name: of the task, kept with the model.
        unit: what its examples are called, in the plural.
        suffixes: of its data files.
        settings_class: what is kept of the model beside its labels.
        fixed_settings: settings that a trained model cannot change.
        table_name: of the file that holds `Report.table`, without suffix.
        logged_metrics: those that the log shows after each evaluation; empty for all.
    """

    name: ClassVar[str]
    unit: ClassVar[str] = "examples"
    suffixes: ClassVar[tuple[str, ...]]
    settings_class: ClassVar[type[ModelSettings]]
    fixed_settings: ClassVar[tuple[str, ...]] = ("do_lower_case",)
    table_name: ClassVar[str] = "scores"
    logged_metrics: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        settings: ModelSettings,
        labels: Any,
        tokenizer: Tokenizer,
        encoder: EncoderConfig,
    ):
        """Keep what the model consists of beside its encoder.

        Args:
            settings: of `settings_class`.
            labels: see `collect_labels`.
            tokenizer: with the model's vocabulary.
            encoder: its config.
        """
        self.settings = settings
        self.labels = labels
        self.tokenizer = tokenizer
        self.encoder = encoder

    @classmethod
    @abc.abstractmethod
    def read_file(cls, path: str, need_labels: bool, settings: Any) -> Any:
        """Return what a data file holds, checked; UserError names file and line.

        Args:
            need_labels: whether a file without labels is wrong.
            settings: of `settings_class`, which may say how files are laid out.
        """

    @classmethod
    @abc.abstractmethod
    def collect_labels(cls, train_file: Any) -> Any:
        """Return what the model must know of its training data, as its labels.

        Raises:
            UserError: there is nothing to be learned from it.
        """

    @classmethod
    def complete_labels(cls, labels: Any, train_file: Any, settings: Any) -> Any:
        """Return the labels with what further files of the settings add to a new model.

        Args:
            labels, train_file: see `collect_labels`.
            settings: name the files.

        Raises:
            UserError: a file is wrong.
        """
        del train_file, settings
        return labels

    @classmethod
    def continue_labels(cls, labels: Any, stored: Any) -> Any:
        """Return the labels with which training goes on in a folder.

        Args:
            labels: of the training data.
            stored: of the model there, which say, beside what both must have in
                common, how that model reads its data.
        """
        del stored
        return labels

    @classmethod
    @abc.abstractmethod
    def labels_to_json(cls, labels: Any) -> dict[str, Any]:
        """Return the labels as JSON values, to be kept with the model."""

    @classmethod
    @abc.abstractmethod
    def labels_from_json(cls, value: Mapping[str, Any]) -> Any:
        """Return what `labels_to_json` was given.

        Raises:
            KeyError, TypeError: it did not write this.
        """

    def describe_labels(self) -> dict[str, Any]:
        """Return the model's labels as JSON values, for people and other programs."""
        return self.labels_to_json(self.labels)

    @abc.abstractmethod
    def make_source(self, name: str, file: Any, seed: int) -> ExampleSource:
        """Turn what `read_file` returned into examples; log what it holds.

        Args:
            name: of the split.
            seed: of the shuffling in training.

        Raises:
            UserError: the file does not fit the model's labels.
        """

    @abc.abstractmethod
    def decode(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: ExampleSource
    ) -> Any:
        """Return the prediction for each example, with the loss if there is one.

        Args:
            batches: as in `Task.score`.
        """

    @abc.abstractmethod
    def report(self, decoded: Any, data: ExampleSource) -> Report:
        """Return how `decode`'s result compares with what is right."""

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: ExampleSource
    ) -> dict[str, float]:
        """See `Task.score`."""
        return dict(self.report(self.decode(batches, data), data).metrics)

    @classmethod
    def texts_of(cls, file: Any) -> list[str]:
        """Return the texts of a file, without labels; for further pretraining."""
        raise UserError(f"the task {cls.name} has no further pretraining")

    @classmethod
    def cut_parts(cls, file: Any, count: int, seed: int) -> list[tuple[Any, Any]]:
        """Return the parts of a file for cross-validation: (train, held out) pairs.

        Args:
            file: what `read_file` returned.
            count: of parts; each example is held out once.
            seed: of the drawing.

        Raises:
            UserError: there are too few examples.
        """
        raise UserError(f"the task {cls.name} has no cross-validation")

    @classmethod
    def join_files(cls, first: Any, second: Any) -> Any:
        """Return what two files hold together; for cross-validation."""
        raise UserError(f"the task {cls.name} has no cross-validation")

    @classmethod
    def examples_to_json(cls, file: Any) -> list[Any]:
        """Return what a file's examples are, as JSON values; for cross-validation.

        Equal for files that hold the same, wherever they lie.
        """
        raise UserError(f"the task {cls.name} has no cross-validation")

    @classmethod
    def average(cls, decoded: Sequence[Any]) -> Any:
        """Return the mean of what several models say of the same examples."""
        raise UserError(f"the task {cls.name} has no average of predictions")

    @abc.abstractmethod
    def write_predictions(
        self, stem: str, decoded: Any, data: ExampleSource
    ) -> Sequence[str]:
        """Write the predictions to files `<stem>.<suffix>`; return their names."""
