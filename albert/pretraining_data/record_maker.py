"""How the documents of a shard become records: what each objective does in its own way.

The runner, its workers and shards are the same for all; `record_makers` has the table.
"""

from __future__ import annotations

import abc
import random
from typing import Any, Callable, ClassVar, Mapping, Sequence

from albert.pretraining_data.documents import Document, TextCounts, TokenEncoder
from albert.records.features import Feature
from albert.text.vocabulary import Vocabulary


class RecordMaker(abc.ABC):
    """Makes the records of one objective, of one config and vocabulary.

    An instance is whatever `create` returns a sequence of; its tokens are whatever
    `expand` makes of it, to be given back to the other methods.

    Attributes:
        across_files: whether a document may go on from a file to the next.
        legend: explains the lines of `show`.
    """

    across_files: ClassVar[bool]
    legend: ClassVar[str]

    def __init__(self, config: Any, vocabulary: Vocabulary):
        """Keep what all shards have in common."""
        self.config = config
        self.vocabulary = vocabulary

    @staticmethod
    @abc.abstractmethod
    def feature_spec(config: Any) -> tuple[Feature, ...]:
        """Return the features of a record."""

    @staticmethod
    @abc.abstractmethod
    def estimate_memory(config: Any, tokens: float) -> float:
        """Return about how many bytes the instances of so many tokens take."""

    @staticmethod
    @abc.abstractmethod
    def describe_counts(counts: Mapping[str, Any]) -> list[str]:
        """Return the counts of `make_counts` in words, a line each."""

    @abc.abstractmethod
    def make_encoder(self) -> TokenEncoder:
        """Return what makes documents of lines; UserError where a part is not there."""

    @abc.abstractmethod
    def count_passes(self, documents: Sequence[Document]) -> int:
        """Return how often `create` will call `advance` with 1."""

    @abc.abstractmethod
    def create(
        self,
        documents: Sequence[Document],
        rng: random.Random,
        advance: Callable[[int], object],
    ) -> Sequence[Any]:
        """Return the instances of a shard, in the order to write them.

        Args:
            documents: of the shard, in the order of the text.
            rng: the shard's random stream, at its start.
            advance: called with 1 after each pass over a document.
        """

    @abc.abstractmethod
    def expand(self, instance: Any) -> Any:
        """Return the tokens of an instance."""

    @abc.abstractmethod
    def make_features(self, instance: Any, tokens: Any) -> dict[str, Sequence]:
        """Return the values of a record, not padded."""

    @abc.abstractmethod
    def make_counter(self) -> Any:
        """Return what counts instances by `add(instance, tokens)`."""

    @abc.abstractmethod
    def make_counts(self, text: TextCounts, written: Any) -> dict[str, Any]:
        """Return the counts for the metadata, as `summary.merge_counts` can add them.

        Args:
            text: what was read.
            written: the counter, after all instances.
        """

    @abc.abstractmethod
    def show(self, instance: Any, tokens: Any) -> str:
        """Return an instance as text."""
