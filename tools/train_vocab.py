"""Train a WordPiece vocabulary on text and print how well it covers that text.

python3 tools/train_vocab.py --input_file='corpus/*.txt' --output_file=vocab.txt \
    --vocab_size=21128 --do_lower_case=False --extra_characters=gb2312
"""

from __future__ import annotations

import dataclasses
import os

from albert.base import cli, files
from albert.base.errors import UserError
from albert.text.config import VocabFiles, VocabTrainingConfig
from albert.text.vocab_training import format_coverage, train_vocabulary

cli.define_flags(VocabFiles)
cli.define_flags(VocabTrainingConfig)


def main(words: list[str]) -> None:
    """Train, write and report."""
    config = cli.read_flags(VocabTrainingConfig)
    paths, output_file = dataclasses.astuple(cli.read_flags(VocabFiles, words))
    files.check_output_file(output_file, "output_file")
    if os.path.realpath(output_file) in map(os.path.realpath, paths):
        raise UserError(f"--output_file: {output_file} is an input file too")
    vocabulary, coverages = train_vocabulary(paths, config)
    files.write_text(output_file, "".join(token + "\n" for token in vocabulary.tokens))
    print(f"{output_file}: {len(vocabulary):,} tokens")
    for lower_case, coverage in zip(config.lower_cases, coverages):
        print(format_coverage(f"do_lower_case={lower_case}", coverage))


if __name__ == "__main__":
    cli.run_main(main)
