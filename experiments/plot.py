"""Pictures of an experiment: each arm's mean with its interval, and curves."""

from __future__ import annotations

import os
from typing import Sequence

import numpy as np

from albert.base.optional import extra
from albert.evaluation.plotting import save_figure
from experiments.intervals import summarise
from experiments.report import Cell

with extra("plot"):
    from matplotlib.figure import Figure


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and half of its interval in percent; 0 for one value."""
    summary = summarise(values)
    return 100 * summary.mean, 100 * np.nan_to_num(summary.half_width)


def _group(cells: Sequence[Cell], name: str) -> dict[str, list[Cell]]:
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(getattr(cell, name), []).append(cell)
    return groups


def plot_arms(cells: Sequence[Cell]) -> Figure:
    """Return a figure of one panel a set: its arms, the first one on top.

    A dot is the mean over seeds, a line its 95 % interval, a cross a seed.
    """
    panels = _group(cells, "data")
    height = 1.2 + 0.4 * max(map(len, panels.values()))
    size = (1.5 + 4.5 * len(panels), height)
    figure = Figure(figsize=size, layout="constrained")
    for axes, (data, part) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items()
    ):
        for row, cell in enumerate(part):
            mean, half = _spread(cell.score)
            axes.errorbar(mean, row, xerr=half or None, fmt="o", capsize=3, color="C0")
            axes.plot(100 * cell.score, [row] * len(cell.score), "x", ms=4, color="0.5")
        axes.set_yticks(range(len(part)), [cell.arm for cell in part])
        axes.set_ylim(len(part) - 0.5, -0.5)
        axes.set_title(data)
        axes.set_xlabel(f"{part[0].kind.main}, %")
        axes.grid(axis="x", alpha=0.25)
    return figure


def plot_lines(cells: Sequence[Cell], x_label: str) -> Figure:
    """Return a figure of the cells that have a place x: the score over it, by curve."""
    panels = _group([cell for cell in cells if cell.x is not None], "panel")
    figure = Figure(figsize=(1.5 + 4.5 * len(panels), 4), layout="constrained")
    for axes, (panel, part) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items()
    ):
        for curve, points in _group(part, "curve").items():
            points = sorted(points, key=lambda cell: cell.x)
            means, halves = zip(*(_spread(cell.score) for cell in points))
            places = [cell.x for cell in points]
            axes.errorbar(
                places, means, yerr=halves, marker="o", capsize=3, label=curve
            )
        axes.set_title(panel)
        axes.set_xlabel(x_label)
        axes.set_ylabel(f"{part[0].kind.main}, %")
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
    return figure


def write_pictures(cells: Sequence[Cell], output_dir: str, x_label: str) -> None:
    """Write `results.png`, and `curves.png` where cells have a place x."""
    if not cells:
        return
    save_figure(plot_arms(cells), os.path.join(output_dir, "results.png"))
    if any(cell.x is not None for cell in cells):
        path = os.path.join(output_dir, "curves.png")
        save_figure(plot_lines(cells, x_label), path)
