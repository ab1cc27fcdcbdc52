"""Say what answers by offsets gain over the reference's, by words.

Example:
    python3 benchmarks/mrc_features.py ../shared/data/mrc/drcd/DRCD_dev.json

For each file: of the questions with an answer, how many have other tokens to be trained
on in the two readings, how many cannot be trained on, and how a model would score that
gives exactly these tokens: the most that a reading allows.
"""

from __future__ import annotations

import os
import sys

from absl import flags

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from albert.base import cli  # noqa: E402
from albert.tasks.mrc.readers import OffsetReader, WordReader  # noqa: E402
from albert.tasks.mrc.scores import score_predictions  # noqa: E402
from albert.tasks.mrc.squad import SquadFile, read_squad  # noqa: E402
from albert.text.tokenization import Tokenizer  # noqa: E402
from albert.text.vocabulary import load_vocabulary  # noqa: E402

FLAGS = flags.FLAGS

flags.DEFINE_string("vocab_file", "albert_config/vocab.txt", "The vocabulary.")
flags.DEFINE_bool("do_lower_case", False, "As the vocabulary wants.")

READERS = {"by words": WordReader, "by offsets": OffsetReader}


def read_answers(data: SquadFile, tokenizer: Tokenizer, reader_class: type) -> dict:
    """Return id of a question -> tokens and text of its first answer, or None."""
    found = {}
    for passage in data.passages:
        reader = reader_class(passage.text, tokenizer)
        for question in passage.questions:
            span = reader.find(question.answers[0]) if question.answers else None
            found[question.id] = span and (span, reader.cut(span).text)
    return found


def measure(path: str, tokenizer: Tokenizer) -> None:
    """Print the rows of one file."""
    data = read_squad(path)
    answers = {n: read_answers(data, tokenizer, r) for n, r in READERS.items()}
    words, offsets = answers.values()
    total = len(words)
    both = [name for name in words if words[name] and offsets[name]]
    other = sum(words[name][0] != offsets[name][0] for name in both)
    print(
        f"{os.path.basename(path)}: {total} questions; {other} "
        f"({100 * other / total:.2f} %) have other tokens in the two readings"
    )
    for name, found in answers.items():
        texts = {key: value[1] if value else "" for key, value in found.items()}
        scores = score_predictions(data, texts)
        left_out = sum(value is None for value in found.values())
        print(
            f"  {name}: {left_out} left out, at most EM {scores.em:.2f}, "
            f"F1 {scores.f1:.2f}"
        )


def main(paths: list[str]) -> None:
    """Measure each file that is named."""
    vocabulary = load_vocabulary(FLAGS.vocab_file)
    tokenizer = Tokenizer(vocabulary, FLAGS.do_lower_case)
    for path in paths:
        measure(path, tokenizer)


if __name__ == "__main__":
    cli.run_main(main)
