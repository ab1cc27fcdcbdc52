"""The results of an experiment: JSON, a Markdown table, and what pictures show."""

from __future__ import annotations

import os
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from albert.base import files
from experiments.intervals import Difference, Summary, compare, f1, summarise
from experiments.plan import Run, list_runs
from experiments.scores import SEEN, UNSEEN

RESULT_FILE = "result.json"


class Cell(NamedTuple):
    """An arm on a set; R seeds, N sentences.

    Attributes:
        arm, data: their names.
        seeds: those that are done, with all of their folds.
        counts: int [R, N, 3], correct, predicted and gold entities of each sentence;
            of folds, one after the other.
        seen, unseen: int [R, 3], the same of entities that the training data has, or
            has not.
        minutes: [R], of the processor; NaN where a run was stopped on the way.
        x, panel, curve: see `Run`.
    """

    arm: str
    data: str
    seeds: tuple[int, ...]
    counts: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray
    minutes: np.ndarray
    x: Optional[float]
    panel: str
    curve: str

    @property
    def f1(self) -> np.ndarray:
        """Strict F1 of each seed, over all sentences."""
        return f1(self.counts.sum(axis=1))


def result_path(run: Run) -> str:
    """Return where the result of a run that is done lies."""
    return os.path.join(run.folder, RESULT_FILE)


def _read_cell(runs: Sequence[Run]) -> Optional[Cell]:
    """Return what the runs of an arm on a set have brought, None without a seed."""
    by_seed: dict[int, list[Run]] = {}
    for run in runs:
        by_seed.setdefault(run.seed, []).append(run)
    done: dict[int, list[Mapping[str, Any]]] = {}
    for seed, folds in by_seed.items():
        if all(os.path.exists(result_path(run)) for run in folds):
            done[seed] = [files.read_json(result_path(run)) for run in folds]
    if not done:
        return None
    parts = list(done.values())
    return Cell(
        arm=runs[0].arm,
        data=runs[0].data,
        seeds=tuple(done),
        counts=np.stack([np.concatenate([r["counts"] for r in p]) for p in parts]),
        seen=np.stack([np.sum([r[SEEN] for r in part], axis=0) for part in parts]),
        unseen=np.stack([np.sum([r[UNSEEN] for r in part], axis=0) for part in parts]),
        minutes=np.array(
            [sum(r["cpu_minutes"] or np.nan for r in part) for part in parts]
        ),
        x=runs[0].x,
        panel=runs[0].panel,
        curve=runs[0].curve,
    )


def read_cells(experiment: Mapping[str, Any], output_dir: str) -> list[Cell]:
    """Return what is done, set by set in the experiment's order."""
    by_pair: dict[tuple[str, str], list[Run]] = {
        (data, arm): [] for data in experiment["sets"] for arm in experiment["arms"]
    }
    for run in list_runs(experiment, output_dir):
        by_pair[run.data, run.arm].append(run)
    cells = [_read_cell(runs) for runs in by_pair.values()]
    return [cell for cell in cells if cell is not None]


def compare_cells(
    experiment: Mapping[str, Any], cells: Sequence[Cell]
) -> dict[tuple[str, str, str], Difference]:
    """Return (set, first arm, second arm) -> the difference, of what is done."""
    found = {(cell.data, cell.arm): cell.counts for cell in cells}
    return {
        (data, first, second): compare(found[data, first], found[data, second])
        for data in experiment["sets"]
        for first, second in experiment.get("compare", [])
        if (data, first) in found and (data, second) in found
    }


def _percent(summary: Summary) -> str:
    if summary.count == 1:
        return f"{100 * summary.mean:.1f}"
    return (
        f"{100 * summary.mean:.1f} ± {100 * summary.half_width:.1f} "
        f"(sd {100 * summary.deviation:.1f})"
    )


def _row(cell: Cell) -> str:
    correct, predicted, gold = np.moveaxis(cell.counts.sum(axis=1), -1, 0)
    precision, recall = (correct / np.maximum(n, 1) for n in (predicted, gold))
    seen, unseen = (100 * f1(part).mean() for part in (cell.seen, cell.unseen))
    timed = cell.minutes[~np.isnan(cell.minutes)]
    minutes = f"{timed.mean():.1f}" if len(timed) else "–"
    return (
        f"| {cell.data}, {cell.arm} | {_percent(summarise(cell.f1))} | "
        f"{100 * precision.mean():.1f} | {100 * recall.mean():.1f} | {seen:.1f} | "
        f"{unseen:.1f} | {len(cell.seeds)} | {minutes} |"
    )


def make_table(
    cells: Sequence[Cell], differences: Mapping[tuple[str, str, str], Difference]
) -> str:
    """Return the results in Markdown."""
    lines = [
        "Strict F1 in percent: the mean over seeds ± half of its 95 % interval; of",
        "folds, F1 of all their sentences together. Seen: entities that are in the",
        "training data, too.",
        "",
        "| set, arm | F1 | P | R | F1 seen | F1 unseen | seeds | CPU minutes |",
        "|---|---|---|---|---|---|---|---|",
        *map(_row, cells),
    ]
    if differences:
        lines += ["", "Differences in F1, paired bootstrap over sentences and seeds:"]
        lines += ["", "| set, arms | difference | 95 % interval |", "|---|---|---|"]
    for (data, first, second), found in differences.items():
        lines.append(
            f"| {data}, {first} minus {second} | {100 * found.mean:+.1f} | "
            f"{100 * found.low:+.1f} to {100 * found.high:+.1f} |"
        )
    return "\n".join(lines) + "\n"


def _cell_as_json(cell: Cell) -> dict[str, Any]:
    names = ("correct", "predicted", "gold")
    sums = {"all": cell.counts.sum(axis=1), SEEN: cell.seen, UNSEEN: cell.unseen}
    return {
        "set": cell.data,
        "arm": cell.arm,
        "x": cell.x,
        "panel": cell.panel,
        "curve": cell.curve,
        "sentences": cell.counts.shape[1],
        "mean_f1": float(cell.f1.mean()),
        "seeds": [
            {
                "seed": seed,
                "cpu_minutes": None if np.isnan(minutes) else float(minutes),
                "f1": {name: float(f1(part[i])) for name, part in sums.items()},
                "counts": {
                    name: dict(zip(names, map(int, part[i])))
                    for name, part in sums.items()
                },
            }
            for i, (seed, minutes) in enumerate(zip(cell.seeds, cell.minutes))
        ],
    }


def write_results(experiment: Mapping[str, Any], output_dir: str) -> list[Cell]:
    """Write `results.json` and `results.md` of the runs that are done; return them."""
    cells = read_cells(experiment, output_dir)
    differences = compare_cells(experiment, cells)
    compared = [
        {"set": data, "arms": [first, second], **found._asdict()}
        for (data, first, second), found in differences.items()
    ]
    value = {"cells": [_cell_as_json(cell) for cell in cells], "compare": compared}
    files.write_json(os.path.join(output_dir, "results.json"), value)
    table = make_table(cells, differences)
    files.write_text(os.path.join(output_dir, "results.md"), table)
    return cells
