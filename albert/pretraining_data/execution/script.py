"""What the scripts that make records do with their configs."""

from __future__ import annotations

from typing import Iterator

from albert.base import cli
from albert.pretraining_data import summary
from albert.pretraining_data.config import ExecutionConfig, RecordsConfig
from albert.pretraining_data.execution import runner
from albert.pretraining_data.record_makers import find_maker


def create_and_describe(
    config: RecordsConfig, execution: ExecutionConfig
) -> Iterator[str]:
    """Make records, and return lines on them; see `runner.create_pretraining_data`.

    A run that a signal stops says how to go on, and ends as `cli.end_stopped` does.
    """
    try:
        report = runner.create_pretraining_data(config, execution)
    except runner.Interrupted as stop:
        resume = "" if execution.resume else " --resume"
        cli.end_stopped(
            stop.reason,
            f"Stopped by {stop.reason}: {stop.whole} of {stop.count} shards are "
            f"whole. To go on: {cli.command_line()}{resume}",
        )
    return summary.describe_report(report, find_maker(config))
