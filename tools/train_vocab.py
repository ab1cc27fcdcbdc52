"""Train a WordPiece vocabulary on text and print how well it covers that text.

python3 tools/train_vocab.py --input_file='corpus/*.txt' --output_file=vocab.txt \
    --vocab_size=21128 --do_lower_case=False --extra_characters=gb2312
"""

from __future__ import annotations

import os

from absl import flags

from albert.base import cli, files
from albert.base.errors import UserError
from albert.text.config import VocabTrainingConfig
from albert.text.vocab_training import format_coverage, train_vocabulary

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "input_file", None, "Text files to train on: names and globs, comma-separated."
)
flags.DEFINE_string("output_file", None, "The vocabulary to write, one token a line.")
flags.DEFINE_integer("vocab_size", 21128, "Number of tokens, exactly.")
flags.DEFINE_bool("do_lower_case", True, "Train on lower-cased text without accents.")
flags.DEFINE_bool(
    "both_cases",
    False,
    "Train on the text both as it is and lower-cased, whatever --do_lower_case says.",
)
flags.DEFINE_integer("min_frequency", 2, "How often two pieces must meet to be joined.")
flags.DEFINE_integer(
    "min_character_frequency",
    2,
    "How often a character must occur to come before pieces of words.",
)
flags.DEFINE_list(
    "extra_characters",
    [],
    "Characters to have in any case: gb2312, or text files, comma-separated.",
)
flags.mark_flags_as_required(["input_file", "output_file"])


def main(arguments: list[str]) -> None:
    """Read the flags, train, write and report."""
    config = VocabTrainingConfig(
        vocab_size=FLAGS.vocab_size,
        do_lower_case=FLAGS.do_lower_case,
        both_cases=FLAGS.both_cases,
        min_frequency=FLAGS.min_frequency,
        min_character_frequency=FLAGS.min_character_frequency,
        extra_characters=tuple(FLAGS.extra_characters),
    )
    # A shell that expands --input_file=*.txt puts the other names after the flag.
    paths = files.expand_globs([FLAGS.input_file, *arguments], "input_file")
    files.check_output_file(FLAGS.output_file, "output_file")
    if os.path.realpath(FLAGS.output_file) in map(os.path.realpath, paths):
        raise UserError(f"--output_file: {FLAGS.output_file} is an input file too")
    vocabulary, coverages = train_vocabulary(paths, config)
    files.write_text(
        FLAGS.output_file, "".join(token + "\n" for token in vocabulary.tokens)
    )
    print(f"{FLAGS.output_file}: {len(vocabulary):,} tokens")
    for lower_case, coverage in zip(config.lower_cases, coverages):
        print(format_coverage(f"do_lower_case={lower_case}", coverage))


if __name__ == "__main__":
    cli.run_main(main)
