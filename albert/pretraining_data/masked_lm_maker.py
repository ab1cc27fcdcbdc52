"""Records for the masked language model and sentence order, as a row of the table."""

from __future__ import annotations

import functools
import random
from typing import Any, Callable, Mapping, Sequence

from albert.pretraining_data import instances, masking, summary
from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.documents import Document, DocumentEncoder, TextCounts
from albert.pretraining_data.instances import Instance, InstanceTokens
from albert.pretraining_data.masking import MaskingVocabulary
from albert.pretraining_data.record_maker import RecordMaker
from albert.pretraining_data.summary import InstanceCounts
from albert.records import features as records

# Measured; see the table that benchmarks/data_creation.py prints.
_BYTES_OF_AN_INSTANCE, _BYTES_OF_A_PREDICTION = 400, 8
_INSTANCE_FILL = 0.8  # of max_seq_length, by the text that an instance uses up


class MaskedLmMaker(RecordMaker):
    """Pairs of segments, masked; see `instances`."""

    across_files = True
    legend = (
        "{...} is masked and predicted together; {a -> b} is predicted too, but the "
        "model sees b: the token itself or a random one."
    )
    config: PretrainingDataConfig

    @functools.cached_property
    def _tables(self) -> MaskingVocabulary:
        config = self.config
        return masking.make_masking_vocabulary(
            self.vocabulary, config.continuation_labels, config.whole_word_spans
        )

    @staticmethod
    def feature_spec(config: PretrainingDataConfig) -> tuple[records.Feature, ...]:
        """Return the features of a record."""
        return records.feature_spec(
            *(config.max_seq_length, config.max_predictions_per_seq),
            config.word_boundaries,
        )

    @staticmethod
    def estimate_memory(config: PretrainingDataConfig, tokens: float) -> float:
        """Return about how many bytes the instances of all passes take."""
        count = tokens * config.dupe_factor / (_INSTANCE_FILL * config.max_seq_length)
        return count * (
            _BYTES_OF_AN_INSTANCE
            + _BYTES_OF_A_PREDICTION * config.max_predictions_per_seq
        )

    @staticmethod
    def describe_counts(counts: Mapping[str, Any]) -> list[str]:
        """Return the counts in words, a line each."""
        return summary.describe_counts(counts)

    def make_encoder(self) -> DocumentEncoder:
        """Return an encoder that marks words; UserError where no segmenter is there."""
        return DocumentEncoder(self.vocabulary, self.config)

    def count_passes(self, documents: Sequence[Document]) -> int:
        """Return the passes over all documents."""
        return self.config.dupe_factor * len(documents)

    def create(
        self,
        documents: Sequence[Document],
        rng: random.Random,
        advance: Callable[[int], object],
    ) -> list[Instance]:
        """Return the shuffled instances of a shard."""
        return instances.create_instances(
            documents, self.config, self._tables, rng, advance
        )

    def expand(self, instance: Instance) -> InstanceTokens:
        """Return the tokens and labels of an instance."""
        return instances.expand_instance(instance, self._tables)

    def make_features(
        self, instance: Instance, tokens: InstanceTokens
    ) -> dict[str, Sequence]:
        """Return the values of a record, not padded."""
        return instances.make_features(instance, tokens, self.config.word_boundaries)

    def make_counter(self) -> InstanceCounts:
        """Return what counts instances."""
        return InstanceCounts()

    def make_counts(self, text: TextCounts, written: InstanceCounts) -> dict[str, Any]:
        """Return the counts for the metadata."""
        return summary.make_counts(text, written, self.vocabulary)

    def show(self, instance: Instance, tokens: InstanceTokens) -> str:
        """Return an instance as text, its masked tokens in braces."""
        return summary.show_instance(
            instance, tokens, self.vocabulary, self.config.do_whole_word_mask
        )
