"""Create pretraining records (TFRecord) from raw text.

Input: UTF-8 text, one sentence a line, a blank line between documents. Output: record
files for run_pretraining.py, and beside each its metadata, <output>.json.
"""

from __future__ import annotations

import dataclasses
import os

from absl import flags

from albert.base import cli, files
from albert.base.errors import UserError
from albert.pretraining_data import corpus_report, summary
from albert.pretraining_data.config import (
    COMPRESSIONS,
    ExecutionConfig,
    PretrainingDataConfig,
)
from albert.pretraining_data.execution import runner
from albert.text.word_segmentation import MARKERS, SEGMENTERS

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "input_file",
    None,
    "Text files: names and globs, separated by commas. Further file names on the "
    "command line, as from a glob that the shell expands, are input files too.",
)
flags.DEFINE_string(
    "output_file",
    None,
    "TFRecord files, separated by commas; the instances go to them in turn.",
)
flags.DEFINE_string("vocab_file", None, "The vocabulary, one token a line.")
flags.DEFINE_bool("do_lower_case", True, "Lower-case the text and strip accents.")
flags.DEFINE_bool(
    "do_whole_word_mask", False, "Mask the tokens of a word together, not one by one."
)
flags.DEFINE_bool(
    "ngram_masking",
    False,
    "Mask spans of one, two or three words (tokens, without --do_whole_word_mask), "
    "with probabilities in proportion to 1, 1/2 and 1/3, as in the ALBERT paper.",
)
flags.DEFINE_integer("max_seq_length", 128, "Tokens of an instance, padded to this.")
flags.DEFINE_integer(
    "max_predictions_per_seq",
    None,
    "Masked tokens of an instance at most. Left out, it is "
    "int(max_seq_length * masked_lm_prob), the only value that is accepted.",
)
flags.DEFINE_bool(
    "allow_mismatched_predictions",
    False,
    "Accept another max_predictions_per_seq, such as BERT's 20 for 128 and 0.15, with "
    "a warning.",
)
flags.DEFINE_integer("random_seed", 12345, "Seed of the random numbers.")
flags.DEFINE_integer(
    "dupe_factor", 10, "Passes over the text, each with other pairs and masks."
)
flags.DEFINE_float("masked_lm_prob", 0.15, "Share of the tokens to mask.")
flags.DEFINE_float(
    "short_seq_prob", 0.1, "Share of the document passes that aim at shorter instances."
)
flags.DEFINE_bool(
    "non_chinese", False, "The text is not Chinese: leave out word segmentation."
)
flags.DEFINE_enum(
    "segmenter",
    "jieba",
    SEGMENTERS,
    "What finds Chinese words: jieba, or rjieba, the same in Rust and much faster.",
)
flags.DEFINE_enum(
    "whole_word_spans",
    "reference",
    tuple(MARKERS),
    "What counts as a Chinese word: reference, as in albert_zh, words of at most three "
    "characters that are anywhere among the sentence's words; or exact, the "
    "segmenter's words where they stand, of any length, so that the four characters of "
    "神经网络 are masked together.",
)
flags.DEFINE_bool(
    "continuation_labels",
    True,
    "Predict, inside a Chinese word, the ## form of a character: ##灸 for the second "
    "of 艾灸, as in albert_zh; otherwise 灸.",
)
flags.DEFINE_string(
    "text_field",
    None,
    "The input is JSON lines, a document a line, with the text in this field. It is "
    "split into sentences at line ends and after 。！？； with the closing quotes that "
    "follow. Without it, the input is text: one sentence a line, a blank line between "
    "documents. Either may be packed by gzip.",
)
flags.DEFINE_integer(
    "num_shards",
    None,
    "Deal the documents to so many shards, each with record files of its own: "
    "NAME-00000-of-00004.tfrecord. Left out, it follows from --shard_size_mb. The "
    "records depend on the number of shards, not on that of workers.",
)
flags.DEFINE_float(
    "shard_size_mb", 16.0, "Text of a shard, in millions of bytes; memory follows it."
)
flags.DEFINE_enum(
    "output_compression",
    "none",
    COMPRESSIONS,
    "Write plain or gzip record files; run_pretraining.py reads both.",
)
flags.DEFINE_string(
    "jieba_user_dict",
    None,
    "Words to add to the dictionary of the segmenter: a plain list of terms, one a "
    "line, or jieba's format (word, frequency, tag). Words of more than three "
    "characters are masked whole only with --whole_word_spans=exact.",
)
flags.DEFINE_integer(
    "num_workers", None, "Processes at work; all cores of this process by default."
)
flags.DEFINE_bool(
    "resume",
    False,
    "Keep the shards that an earlier run with the same flags and input has finished.",
)
flags.DEFINE_bool(
    "check_only",
    False,
    "Read all input, report documents, sentences, lengths, [UNK], duplicates and what "
    "looks wrong, and write nothing; --output_file is not needed.",
)


def make_execution() -> ExecutionConfig:
    """Return how the flags ask for the run to be carried out."""
    workers = FLAGS.num_workers
    if workers is None:
        workers = len(os.sched_getaffinity(0))
    return ExecutionConfig(workers, FLAGS.resume)


def make_config(extra_files: list[str]) -> PretrainingDataConfig:
    """Return the configuration that the flags and the words after them ask for."""
    for name in extra_files:
        if not os.path.exists(name):
            raise UserError(
                f"unexpected argument {name!r}: there is no such input file, and "
                "flags are given as --name=value"
            )
    values = {
        name: FLAGS[name].value
        for name in (f.name for f in dataclasses.fields(PretrainingDataConfig))
        if name not in ("input_file", "output_file")
    }
    inputs = files.expand_globs([FLAGS.input_file, *extra_files], "input_file")
    names = map(str.strip, (FLAGS.output_file or "").split(","))
    outputs = [name for name in names if name]
    return PretrainingDataConfig(tuple(inputs), tuple(outputs), **values)


def print_report(report: runner.Report) -> None:
    """Print what a run did."""
    if report.shown:
        print("\nThe first instances. " + summary.LEGEND)
    for text in report.shown:
        print("\n" + text)
    print()
    for line in summary.describe_counts(report.counts):
        print(line)
    for path, count in report.output_files.items():
        print(f"{path}: {count:,} instances; metadata in {path}.json")
    if report.replaced:
        print(
            f"removed {len(report.replaced)} files of an older run, with another "
            f"number of shards: {', '.join(report.replaced)}"
        )
    if report.kept_shards:
        print(f"{report.kept_shards} shards were finished before and were kept")
    if report.peak_memory is not None:
        memory = report.peak_memory / 1e6
        print(f"at most {memory:,.0f} MB of memory, all processes together")


def main(arguments: list[str]) -> None:
    config = make_config(arguments)
    if FLAGS.check_only:
        for line in corpus_report.describe_corpus(corpus_report.count_corpus(config)):
            print(line)
        return
    print_report(runner.create_pretraining_data(config, make_execution()))


if __name__ == "__main__":
    flags.mark_flags_as_required(["input_file", "vocab_file"])
    cli.run_main(main)
