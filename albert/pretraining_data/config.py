"""The configuration of pretraining data."""

from __future__ import annotations

import dataclasses
import decimal
import os
from typing import Any, ClassVar, Optional

from absl import logging

from albert.base.checks import check_range
from albert.base.errors import UserError
from albert.base.settings import (
    ANY_PATH,
    INPUT_FILE,
    INPUT_FILES,
    REQUIRED,
    Settings,
    above,
    at_least,
    in_range,
    is_seed,
    setting,
)
from albert.pretraining_data.sharding import MOST_SHARDS
from albert.records.features import MASKED_LM
from albert.text.word_segmentation import MARKERS, SEGMENTERS

COMPRESSIONS = ("none", "gzip")
_SHORTEST = 5  # [CLS] a [SEP] b [SEP]


def derive_max_predictions(max_seq_length: int, masked_lm_prob: float) -> int:
    """Return int(max_seq_length * masked_lm_prob), as one would by hand.

    The product is taken of the decimal that was written, not of its binary neighbour:
    100 * 0.29 is 28.999999999999996 in binary and would give 28; this gives 29.
    """
    return int(max_seq_length * decimal.Decimal(repr(float(masked_lm_prob))))


class RecordsConfig(Settings):
    """What the configs of all record files have in common.

    Each has the attributes input_file, output_file, vocab_file, max_seq_length,
    random_seed, text_field, num_shards, shard_size_mb and output_compression of
    `PretrainingDataConfig`.

    Attributes:
        objective: what the records are made for, of `records.features`.
        output_flag: the flag that says where they go, for messages.
    """

    objective: ClassVar[str]
    output_flag: ClassVar[str] = "output_file"

    @property
    def replaced_files(self) -> tuple[str, ...]:
        """Return outputs of other settings, without shards, that this run replaces."""
        return ()

    @property
    def user_dictionary(self) -> Optional[str]:
        """Return a file of words that the records depend on, or None."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return every parameter, as the metadata beside the records holds them."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class PretrainingDataConfig(RecordsConfig):
    """What to make pretraining records of, and how; the metadata hold all of it."""

    objective: ClassVar[str] = MASKED_LM

    input_file: tuple[str, ...] = setting(
        REQUIRED,
        "UTF-8 text files, plain or gzip: names and globs, separated by commas. "
        "One sentence a line, a blank line between documents; see also --text_field. "
        "Further file names on the command line, as from a glob that the shell "
        "expands, are input files too.",
        path=INPUT_FILES,
    )
    # Empty where nothing is to be made.
    output_file: tuple[str, ...] = setting(
        (),
        "TFRecord files to write, separated by commas; the instances go to them in "
        "turn. Needed unless --check_only is given.",
        path=ANY_PATH,
    )
    vocab_file: str = setting(
        REQUIRED, "The vocabulary, one token a line.", path=INPUT_FILE
    )
    do_lower_case: bool = setting(
        True, "Lower-case the text and strip its accents, as suits the vocabulary."
    )
    do_whole_word_mask: bool = setting(
        False, "Mask all tokens of a word together (whole word masking)."
    )
    max_seq_length: int = setting(
        128,
        "Tokens of an instance, [CLS] and two [SEP] included; shorter ones are padded.",
        check=at_least(_SHORTEST),
    )
    max_predictions_per_seq: Optional[int] = setting(
        None,
        "Masked tokens of an instance at most. Default: int(max_seq_length * "
        "masked_lm_prob); another value needs --allow_mismatched_predictions.",
    )
    random_seed: int = setting(
        12345,
        "Seed of sentence pairs and masks; each shard has a stream of its own.",
        check=is_seed(),
    )
    dupe_factor: int = setting(
        10,
        "Passes over the text, each with other sentence pairs and masks.",
        check=at_least(1),
    )
    masked_lm_prob: float = setting(
        0.15,
        "Share of the tokens to mask.",
        check=in_range(0, 1, low_open=True),
    )
    short_seq_prob: float = setting(
        0.1,
        "Share of the passes over a document that aim at instances shorter than "
        "--max_seq_length.",
        check=in_range(0, 1),
    )
    non_chinese: bool = setting(
        False, "The text is not Chinese: do without word segmentation."
    )
    segmenter: str = setting(
        "jieba",
        "What finds Chinese words: jieba, or rjieba, the same in Rust and faster.",
        choices=SEGMENTERS,
    )
    whole_word_spans: str = setting(
        "reference",
        "What counts as a Chinese word: reference, as in albert_zh, words of at most "
        "three characters that are anywhere among the sentence's words; or exact, the "
        "segmenter's words where they stand, of any length, so that the four "
        "characters of 神经网络 are masked together.",
        choices=tuple(MARKERS),
    )
    continuation_labels: bool = setting(
        True,
        "Predict, inside a Chinese word, the ## form of a character: ##灸 for the "
        "second of 艾灸, as in albert_zh; otherwise 灸.",
    )
    word_boundaries: bool = setting(
        False,
        "Write into each record which tokens continue a word, for masks by whole words "
        "that are drawn while training (run_pretraining.py --whole_word_share).",
    )
    allow_mismatched_predictions: bool = setting(
        False,
        "Accept another max_predictions_per_seq than the default, such as BERT's 20 "
        "for 128 and 0.15, with a warning.",
    )
    text_field: Optional[str] = setting(
        None,
        "The input is JSON lines, a document a line, with the text in this field. It "
        "is split into sentences at line ends and after 。！？； with the closing "
        "quotes that follow.",
    )
    num_shards: Optional[int] = setting(
        None,
        "Shards that the documents are split into, each with record files of its own: "
        "NAME-00000-of-00004.tfrecord. Default: by --shard_size_mb. The records depend "
        "on the number of shards, not on that of workers.",
        check=in_range(1, MOST_SHARDS),
    )
    shard_size_mb: float = setting(
        16.0,
        "Text of a shard, in millions of bytes; a worker's memory grows with it.",
        check=above(0),
    )
    output_compression: str = setting(
        "none",
        "Compression of the record files; run_pretraining.py reads all.",
        choices=COMPRESSIONS,
    )
    jieba_user_dict: Optional[str] = setting(
        None,
        "Words to add to the segmenter's dictionary: a plain list of terms, one a "
        "line, or jieba's format (word, frequency, tag). Words of more than three "
        "characters are masked whole only with --whole_word_spans=exact.",
        path=INPUT_FILE,
    )
    ngram_masking: bool = setting(
        False,
        "Mask spans of one, two or three words (tokens, without --do_whole_word_mask), "
        "with probabilities in proportion to 1, 1/2 and 1/3, as in the ALBERT paper.",
    )

    def validate(self) -> None:
        """Derive max_predictions_per_seq, and check what goes together."""
        if self.jieba_user_dict and self.non_chinese:
            raise UserError("jieba_user_dict has no use with non_chinese: drop one")
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

    @property
    def user_dictionary(self) -> Optional[str]:
        """Return the file of words that the segmenter is given, or None."""
        return self.jieba_user_dict


@dataclasses.dataclass(frozen=True)
class ExecutionConfig(Settings):
    """How a run is carried out; the records do not depend on it."""

    # None is replaced by the number of cores.
    num_workers: Optional[int] = setting(
        1, "Worker processes. Default: one per core.", check=at_least(1)
    )
    resume: bool = setting(
        False,
        "Keep the shards that an earlier run with the same flags and input has "
        "finished.",
    )
    check_only: bool = setting(
        False,
        "Read all input, report documents, sentences, lengths, [UNK], duplicates and "
        "what looks wrong, and write nothing; --output_file is not needed.",
    )

    def validate(self) -> None:
        """Count the cores that this process may use."""
        if self.num_workers is None:
            object.__setattr__(self, "num_workers", len(os.sched_getaffinity(0)))
