"""The files of an evaluation: scores, a table of them, what else a task has."""

from __future__ import annotations

import os
from typing import Optional

from absl import logging

from albert.base import files
from albert.checkpoints import storage
from albert.evaluation.evaluator import write_results
from albert.tasks.finetuning_task import Report


def write_report(
    folder: str, suffix: str, report: Report, table_name: str, step: Optional[int]
) -> None:
    """Write and log scores.

    Files: `eval_results<suffix>.txt`, `<table_name><suffix>.txt` and the task's own.

    Args:
        folder: where they go.
        suffix: tells one split's files from another's.
        step: of the checkpoint that was scored; None where it has none.
    """
    results = dict(report.metrics)
    if step is not None:
        results[storage.GLOBAL_STEP] = step
    path = os.path.join(folder, f"eval_results{suffix}.txt")
    write_results(path, results)
    if report.table is not None:
        name = f"{table_name}{suffix}.txt"
        files.write_text(os.path.join(folder, name), report.table + "\n")
        logging.info("%s:\n%s", name, report.table)
    for name, write in report.more.items():
        stem, ending = os.path.splitext(name)
        write(os.path.join(folder, f"{stem}{suffix}{ending}"))
    for name in sorted(results):
        logging.info("  %s = %s", name, results[name])
    logging.info("Written to %s", path)
