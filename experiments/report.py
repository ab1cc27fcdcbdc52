"""The results of an experiment: JSON, a Markdown table, and what pictures show."""

from __future__ import annotations

import os
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from albert.base import files
from experiments.intervals import Difference, Summary, compare, summarise
from experiments.kinds import Column, Kind
from experiments.plan import Run, list_runs

RESULT_FILE = "result.json"


class Cell(NamedTuple):
    """An arm on a set; R seeds, N examples, K numbers of each.

    Attributes:
        arm, data: their names.
        kind: how both are scored.
        seeds: those that are done, with all of their folds.
        counts: [R, N, K], what each example adds to the main score; of folds, one after
            the other.
        measures: name of a column -> its values, [R].
        minutes: [R], of the processor; NaN where a run was stopped on the way.
        x, panel, curve: see `Run`.
    """

    arm: str
    data: str
    kind: Kind
    seeds: tuple[int, ...]
    counts: np.ndarray
    measures: Mapping[str, np.ndarray]
    minutes: np.ndarray
    x: Optional[float]
    panel: str
    curve: str

    @property
    def score(self) -> np.ndarray:
        """The main score of each seed, over all examples; a share."""
        return self.kind.score(self.counts.sum(axis=1))


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
    parts, kind = list(done.values()), runs[0].kind
    measured = [kind.measure(part) for part in parts]
    return Cell(
        arm=runs[0].arm,
        data=runs[0].data,
        kind=kind,
        seeds=tuple(done),
        counts=np.stack([np.concatenate([r["counts"] for r in p]) for p in parts]),
        measures={
            column.name: np.array([found[column.name] for found in measured])
            for column in kind.columns
        },
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
    found = {(cell.data, cell.arm): cell for cell in cells}
    return {
        (data, first, second): compare(
            found[data, first].counts,
            found[data, second].counts,
            found[data, first].kind.score,
        )
        for data in experiment["sets"]
        for first, second in experiment.get("compare", [])
        if (data, first) in found and (data, second) in found
    }


def _show(summary: Summary, column: Column) -> str:
    factor, digits = (100, 1) if column.percent else (1, 3)
    mean, half, deviation = (
        f"{factor * value:.{digits}f}"
        for value in (summary.mean, summary.half_width, summary.deviation)
    )
    if summary.count == 1 or not column.spread:
        return mean
    return f"{mean} ± {half} (sd {deviation})"


def _row(cell: Cell) -> str:
    timed = cell.minutes[~np.isnan(cell.minutes)]
    minutes = f"{timed.mean():.1f}" if len(timed) else "–"
    shown = [_show(summarise(cell.measures[c.name]), c) for c in cell.kind.columns]
    words = (f"{cell.data}, {cell.arm}", *shown, str(len(cell.seeds)), minutes)
    return f"| {' | '.join(words)} |"


def _table_of(
    kind: Kind,
    cells: Sequence[Cell],
    differences: Mapping[tuple[str, str, str], Difference],
) -> list[str]:
    """Return the lines of cells of one kind and of their differences."""
    headings = ("set, arm", *(c.heading for c in kind.columns), "seeds", "CPU minutes")
    lines = [
        *kind.about,
        "",
        f"| {' | '.join(headings)} |",
        "|---" * len(headings) + "|",
    ]
    lines += map(_row, cells)
    if differences:
        what = f"Differences in {kind.main}, paired bootstrap over {kind.examples}"
        lines += ["", f"{what} and seeds:", ""]
        lines += ["| set, arms | difference | 95 % interval |", "|---|---|---|"]
    for (data, first, second), found in differences.items():
        lines.append(
            f"| {data}, {first} minus {second} | {100 * found.mean:+.1f} | "
            f"{100 * found.low:+.1f} to {100 * found.high:+.1f} |"
        )
    return lines


def make_table(
    cells: Sequence[Cell], differences: Mapping[tuple[str, str, str], Difference]
) -> str:
    """Return the results in Markdown, a table for each kind of task."""
    blocks = []
    for kind in {cell.kind.main: cell.kind for cell in cells}.values():
        own = [cell for cell in cells if cell.kind.main == kind.main]
        sets = {cell.data for cell in own}
        theirs = {names: d for names, d in differences.items() if names[0] in sets}
        blocks.append("\n".join(_table_of(kind, own, theirs)))
    return "\n\n".join(blocks) + "\n"


def _cell_as_json(cell: Cell) -> dict[str, Any]:
    return {
        "set": cell.data,
        "arm": cell.arm,
        "x": cell.x,
        "panel": cell.panel,
        "curve": cell.curve,
        "examples": cell.counts.shape[1],
        "mean": float(cell.score.mean()),
        "seeds": [
            {
                "seed": seed,
                "cpu_minutes": None if np.isnan(minutes) else float(minutes),
                "scores": {n: float(values[i]) for n, values in cell.measures.items()},
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
