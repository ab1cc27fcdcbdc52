"""The configuration of pretraining data."""

from __future__ import annotations

import dataclasses
import decimal
from typing import Any, Optional

from absl import logging

from albert.base.checks import check_choice, check_range
from albert.base.errors import UserError
from albert.pretraining_data.sharding import MOST_SHARDS
from albert.text.word_segmentation import MARKERS, SEGMENTERS

COMPRESSIONS = ("none", "gzip")
_SHORTEST = 5  # [CLS] a [SEP] b [SEP]


def derive_max_predictions(max_seq_length: int, masked_lm_prob: float) -> int:
    """Return int(max_seq_length * masked_lm_prob), as one would by hand.

    The product is taken of the decimal that was written, not of its binary neighbour:
    100 * 0.29 is 28.999999999999996 in binary and would give 28; this gives 29.
    """
    return int(max_seq_length * decimal.Decimal(repr(float(masked_lm_prob))))


@dataclasses.dataclass(frozen=True)
class PretrainingDataConfig:
    """What to make pretraining records of, and how; one field a flag.

    Attributes:
        input_file: text files: one sentence a line, a blank line between documents.
        output_file: TFRecord files, which the instances go to in turn; empty where
            nothing is to be made.
        vocab_file: the vocabulary, one token a line.
        do_lower_case: whether to lower-case the text and strip its accents.
        do_whole_word_mask: whether to mask the tokens of a word together.
        max_seq_length: tokens of an instance with [CLS] and two [SEP].
        max_predictions_per_seq: masked tokens of an instance at most; derived when
            None, see `derive_max_predictions`.
        random_seed: seed of the stream of random numbers, one a shard.
        dupe_factor: passes over the documents, each with other pairs and masks.
        masked_lm_prob: share of the tokens to mask.
        short_seq_prob: share of the document passes that aim at shorter instances.
        non_chinese: whether to leave out the marking of Chinese words.
        segmenter: "jieba" or "rjieba".
        whole_word_spans: "reference" (words of at most three tokens, found in the
            sentence's word set) or "exact" (the segmenter's spans of any length).
        continuation_labels: whether the label of a token that continues a Chinese word
            is its ## form, as in the reference, or the bare character.
        allow_mismatched_predictions: whether a max_predictions_per_seq that differs
            from the derived one is a warning instead of an error.
        text_field: with it, the input is JSON lines, and this their field of text.
        num_shards: how many shards the documents are dealt to; None to follow from
            shard_size_mb.
        shard_size_mb: text of a shard in millions of bytes.
        output_compression: "none" or "gzip".
        ngram_masking: whether to mask spans of up to three words.
        jieba_user_dict: a file of words to add to the segmenter's dictionary.
    """

    input_file: tuple[str, ...]
    output_file: tuple[str, ...]
    vocab_file: str
    do_lower_case: bool = True
    do_whole_word_mask: bool = False
    max_seq_length: int = 128
    max_predictions_per_seq: Optional[int] = None
    random_seed: int = 12345
    dupe_factor: int = 10
    masked_lm_prob: float = 0.15
    short_seq_prob: float = 0.1
    non_chinese: bool = False
    segmenter: str = "jieba"
    whole_word_spans: str = "reference"
    continuation_labels: bool = True
    allow_mismatched_predictions: bool = False
    text_field: Optional[str] = None
    num_shards: Optional[int] = None
    shard_size_mb: float = 16.0
    output_compression: str = "none"
    jieba_user_dict: Optional[str] = None
    ngram_masking: bool = False

    def __post_init__(self) -> None:
        """Derive max_predictions_per_seq; UserError for values out of range."""
        check_range("max_seq_length", self.max_seq_length, low=_SHORTEST)
        check_range("dupe_factor", self.dupe_factor, low=1)
        check_range("masked_lm_prob", self.masked_lm_prob, 0, 1, low_open=True)
        check_range("short_seq_prob", self.short_seq_prob, 0, 1)
        check_choice("segmenter", self.segmenter, SEGMENTERS)
        check_choice("whole_word_spans", self.whole_word_spans, tuple(MARKERS))
        shards = 1 if self.num_shards is None else self.num_shards
        check_range("num_shards", shards, 1, MOST_SHARDS)
        check_range("shard_size_mb", self.shard_size_mb, 0, low_open=True)
        check_choice("output_compression", self.output_compression, COMPRESSIONS)
        if self.jieba_user_dict and self.non_chinese:
            raise UserError("jieba_user_dict has no use with non_chinese: drop one")
        if not self.input_file:
            raise UserError("--input_file must be given")
        object.__setattr__(self, "max_predictions_per_seq", self._check_predictions())

    def _check_predictions(self) -> int:
        derived = derive_max_predictions(self.max_seq_length, self.masked_lm_prob)
        given = self.max_predictions_per_seq
        if given is not None:
            check_range("max_predictions_per_seq", given, 1, self.max_seq_length)
        if given == derived or (given is None and derived >= 1):
            return derived
        formula = (
            f"int(max_seq_length * masked_lm_prob) = int({self.max_seq_length} * "
            f"{self.masked_lm_prob:g}) = {derived}"
        )
        if given is None:
            raise UserError(
                f"{formula}: no token would be masked; raise max_seq_length or "
                "masked_lm_prob"
            )
        if not self.allow_mismatched_predictions:
            raise UserError(
                f"max_predictions_per_seq is {given}, but with max_seq_length "
                f"{self.max_seq_length} and masked_lm_prob {self.masked_lm_prob:g} it "
                f"must be {formula}; pass --max_predictions_per_seq={derived} or leave "
                "it out (--allow_mismatched_predictions keeps yours)"
            )
        logging.warning("max_predictions_per_seq is %d although %s", given, formula)
        return given

    def to_dict(self) -> dict[str, Any]:
        """Return every parameter, as the metadata beside the records holds them."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class ExecutionConfig:
    """How a run is carried out; the records do not depend on it.

    Attributes:
        num_workers: processes at work.
        resume: whether to keep the finished shards of a run that ended early.
    """

    num_workers: int = 1
    resume: bool = False

    def __post_init__(self) -> None:
        """Raise UserError for values out of range."""
        check_range("num_workers", self.num_workers, low=1)
