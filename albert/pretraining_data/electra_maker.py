"""Records for replaced token detection, as a row of the table."""

from __future__ import annotations

import random
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from albert.pretraining_data import electra, summary
from albert.pretraining_data.documents import Document, TextCounts, TokenEncoder
from albert.pretraining_data.electra import Example, ExampleCounts
from albert.pretraining_data.electra_config import ElectraDataConfig
from albert.pretraining_data.record_maker import RecordMaker
from albert.records import features as records
from albert.text.tokenization import Tokenizer

_BYTES_OF_AN_EXAMPLE, _BYTES_OF_A_TOKEN = 500, 4
_FILL = 0.8  # of max_seq_length, by the text that an example uses up


class ElectraMaker(RecordMaker):
    """Makes records of three features, not masked."""

    across_files = False
    legend = "Nothing is masked: run_electra_pretraining.py draws masks in each step."
    config: ElectraDataConfig

    @staticmethod
    def feature_spec(config: ElectraDataConfig) -> tuple[records.Feature, ...]:
        """Return the features of a record."""
        return records.electra_spec(config.max_seq_length)

    @staticmethod
    def estimate_memory(config: ElectraDataConfig, tokens: float) -> float:
        """Return about how many bytes the examples of so many tokens take."""
        count = tokens / (_FILL * config.max_seq_length)
        return count * _BYTES_OF_AN_EXAMPLE + tokens * _BYTES_OF_A_TOKEN

    @staticmethod
    def describe_counts(counts: Mapping[str, Any]) -> list[str]:
        """Return the counts in words, a line each."""
        count, tokens = counts["instances"], counts["tokens"]
        mean = counts["instance_tokens"] / count
        return [
            summary.describe_read(counts),
            f"wrote {count:,} examples of {mean:.1f} tokens on average; "
            f"{counts['pair_instances'] / count:.1%} of them have two segments",
            f"{counts['lost_tokens']:,} tokens ({counts['lost_tokens'] / tokens:.2%}) "
            "found no room in their example",
            summary.describe_unknown(counts),
            *summary.describe_truncated(counts),
        ]

    def make_encoder(self) -> TokenEncoder:
        """Return an encoder by ELECTRA's tokeniser, without word segmentation."""
        config = self.config
        rules = (config.do_lower_case, config.strip_accents)
        tokenizer = Tokenizer(self.vocabulary, *rules, drop_all_other=True)
        return TokenEncoder(tokenizer, config.max_seq_length - 2)

    def count_passes(self, documents: Sequence[Document]) -> int:
        """Return the number of documents."""
        return len(documents)

    def create(
        self,
        documents: Sequence[Document],
        rng: random.Random,
        advance: Callable[[int], object],
    ) -> list[Example]:
        """Return the examples of a shard."""
        return electra.create_examples(documents, self.config, rng, advance)

    def expand(self, instance: Example) -> np.ndarray:
        """Return the ids of an example with [CLS] and [SEP]."""
        return electra.join_example(instance, self.vocabulary)

    def make_features(
        self, instance: Example, tokens: np.ndarray
    ) -> dict[str, Sequence]:
        """Return the values of a record, not padded."""
        first, count = len(instance.first) + 2, len(tokens)
        return {
            "input_ids": tokens.tolist(),
            "input_mask": b"\x01" * count,
            "segment_ids": bytes(first) + b"\x01" * (count - first),
        }

    def make_counter(self) -> ExampleCounts:
        """Return what counts examples."""
        return ExampleCounts()

    def make_counts(self, text: TextCounts, written: ExampleCounts) -> dict[str, Any]:
        """Return the counts for the metadata."""
        return {
            **summary.count_text(text),
            "instances": written.instances,
            "instance_tokens": written.tokens,
            "pair_instances": written.pairs,
            "lost_tokens": written.lost,
        }

    def show(self, instance: Example, tokens: np.ndarray) -> str:
        """Return the segments of an example in a line each."""
        parts = {"first ": instance.first, "second": instance.second}
        return "\n".join(
            f"{name}  {' '.join(self.vocabulary.to_tokens(ids))}"
            for name, ids in parts.items()
        )
