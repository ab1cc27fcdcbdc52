"""Create pretraining records from raw text on Apache Beam, on one machine or many.

Flags and records are those of create_pretraining_data.py; all other flags are Beam's
pipeline options, such as --runner. Beam needs: pip install -e '.[beam]'
"""

from __future__ import annotations

import types
import warnings

from absl import logging

from albert.base import cli
from albert.base.optional import extra
from albert.pretraining_data import summary
from albert.pretraining_data.config import ExecutionConfig, PretrainingDataConfig
from albert.pretraining_data.record_makers import find_maker

cli.define_flags(PretrainingDataConfig)
# Beam has a --num_workers of its own, and --check_only needs no cluster.
cli.define_flags(ExecutionConfig, only=["resume"])


def load_runner() -> types.ModuleType:
    """Import Beam, without what it has to say of the packages that it finds or not."""
    logging.set_verbosity(logging.ERROR)
    with warnings.catch_warnings(), extra("beam"):
        warnings.simplefilter("ignore")
        from albert.pretraining_data.execution import beam_runner
    logging.set_verbosity(logging.INFO)
    return beam_runner


def main(words: list[str]) -> None:
    """Make the records and say what was made."""
    beam_runner = load_runner()
    options, extra_files = beam_runner.parse_options(words)
    config = cli.read_flags(PretrainingDataConfig, extra_files)
    resume = cli.read_flags(ExecutionConfig).resume
    report = beam_runner.create_pretraining_data(config, options, resume)
    for line in summary.describe_report(report, find_maker(config)):
        print(line)


if __name__ == "__main__":
    cli.run_main(main, known_only=True)
