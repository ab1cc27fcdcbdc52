"""Create pretraining records (TFRecord) from raw text.

Input: UTF-8 text, one sentence a line, a blank line between documents. Output: record
files for run_pretraining.py, and beside each its metadata, <output>.json.
"""

from __future__ import annotations

from albert.base import cli
from albert.pretraining_data import corpus_report
from albert.pretraining_data.config import ExecutionConfig, PretrainingDataConfig
from albert.pretraining_data.execution.script import create_and_describe

cli.define_flags(PretrainingDataConfig)
cli.define_flags(ExecutionConfig, defaults={"num_workers": None})


def main(words: list[str]) -> None:
    """Make the records, or look at the text only, and say what was found."""
    config = cli.read_flags(PretrainingDataConfig, words)
    execution = cli.read_flags(ExecutionConfig)
    if execution.check_only:
        lines = corpus_report.describe_corpus(corpus_report.count_corpus(config))
    else:
        lines = create_and_describe(config, execution)
    for line in lines:
        print(line)


if __name__ == "__main__":
    cli.run_main(main)
