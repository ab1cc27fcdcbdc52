"""The files of an evaluation: scores, a table of them, what else a task has."""

from __future__ import annotations

import os
import types
from typing import Any, Mapping, NamedTuple, Optional

from absl import logging

from albert.base import files
from albert.checkpoints import storage
from albert.evaluation.evaluator import write_results
from albert.tasks.data_files import PREDICT_ONLY, name_predictions, note_source
from albert.tasks.example_source import ExampleSource
from albert.tasks.finetuning_task import FineTuningTask, Report


class Evaluated(NamedTuple):
    """What a model says of a file.

    Attributes:
        task: of the model.
        split: what the file is in this run.
        path: the file.
        data: its examples.
        decoded: see `FineTuningTask.decode`.
        suffix: of the files of scores.
        scored, predicted: whether scores, and predictions, are to be written.
        facts: of the model, which the file of scores says beside them.
    """

    task: FineTuningTask
    split: str
    path: str
    data: ExampleSource
    decoded: Any
    suffix: str
    scored: bool
    predicted: bool
    facts: Mapping[str, str] = types.MappingProxyType({})


def write_evaluated(folder: str, found: Evaluated, step: Optional[int]) -> None:
    """Write the scores and predictions that are asked for; see `write_report`."""
    task = found.task
    if found.scored:
        report = task.report(found.decoded, found.data)
        logging.info("***** Results on %s *****", found.split)
        what = (report, task.table_name, step, found.facts)
        write_report(folder, found.suffix, *what)
    if found.predicted:
        stem = name_predictions(found.split, found.path)
        written = task.write_predictions(
            os.path.join(folder, stem), found.decoded, found.data
        )
        if found.split == PREDICT_ONLY:
            note_source(folder, stem, found.path)
        logging.info("Predictions written to %s", " and ".join(written))


def write_report(
    folder: str,
    suffix: str,
    report: Report,
    table_name: str,
    step: Optional[int],
    facts: Mapping[str, str] = types.MappingProxyType({}),
) -> None:
    """Write and log scores.

    Files: `eval_results<suffix>.txt`, `<table_name><suffix>.txt` and the task's own.

    Args:
        folder: where they go.
        suffix: tells one split's files from another's.
        step: of the checkpoint that was scored; None where it has none.
        facts: what the file of scores says beside them.
    """
    results: dict[str, Any] = {**report.metrics, **facts}
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
