"""Create records for replaced token detection (ELECTRA) from raw text.

Input: UTF-8 text, one sentence a line, a blank line between documents. Output: record
files for run_electra_pretraining.py in a folder, and beside each its metadata.
"""

from __future__ import annotations

from albert.base import cli
from albert.base.files import making_folder
from albert.pretraining_data.config import ExecutionConfig
from albert.pretraining_data.electra_config import ElectraDataConfig
from albert.pretraining_data.execution.script import create_and_describe

cli.define_flags(ElectraDataConfig)
cli.define_flags(
    ExecutionConfig, leave_out=["check_only"], defaults={"num_workers": None}
)


def main(words: list[str]) -> None:
    """Make the records, and say what was made."""
    config = cli.read_flags(ElectraDataConfig, words)
    with making_folder(config.output_dir):
        for line in create_and_describe(config, cli.read_flags(ExecutionConfig)):
            print(line)


if __name__ == "__main__":
    cli.run_main(main)
