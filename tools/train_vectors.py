"""Train vectors of tokens, of pairs of them or of words, to start a model from.

python3 tools/train_vectors.py --input_file='corpus/*.txt' --vocab_file=vocab.txt \
    --output_file=vectors.txt --vector_size=128
"""

from __future__ import annotations

import os

from albert.base import cli, files
from albert.base.errors import UserError
from albert.text.config import VectorFiles, VectorTrainingConfig
from albert.text.vector_training import format_vectors, train_vectors
from albert.text.vocabulary import load_vocabulary

cli.define_flags(VectorFiles)
cli.define_flags(VectorTrainingConfig)


def main(words: list[str]) -> None:
    """Train, write and report."""
    config = cli.read_flags(VectorTrainingConfig)
    named = cli.read_flags(VectorFiles, words)
    files.check_output_file(named.output_file, "output_file")
    if os.path.realpath(named.output_file) in map(os.path.realpath, named.input_file):
        raise UserError(f"--output_file: {named.output_file} is an input file too")
    vocabulary = load_vocabulary(named.vocab_file)
    units, values = train_vectors(named.input_file, vocabulary, config)
    files.write_text(named.output_file, "".join(format_vectors(units, values)))
    known = len(set(units) & set(vocabulary.tokens))
    print(f"{named.output_file}: {len(units):,} vectors of width {values.shape[1]}")
    print(f"{known:,} of the vocabulary's {len(vocabulary):,} tokens have one")


if __name__ == "__main__":
    cli.run_main(main)
