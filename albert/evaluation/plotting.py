"""Curves and confusion matrices as pictures; alone in importing matplotlib."""

from __future__ import annotations

import warnings
from typing import NamedTuple, Sequence

import numpy as np

from albert.base import files
from albert.base.optional import extra
from albert.evaluation.curves import Curve, Curves

with extra("plot"):
    import matplotlib
    from matplotlib import font_manager
    from matplotlib.figure import Figure

_SMOOTHED_FROM = 30  # points, from which on a running mean is drawn over them
_SMOOTHED_SHARE = 20  # a running mean spans this part of the points
# Fonts with Chinese characters; installed ones stand in where a title has some.
_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Heiti SC",
    "Microsoft YaHei",
    "SimHei",
)
_MOST_NUMBERED = 30  # labels, up to which a confusion matrix shows its numbers
_TRAINING, _HELD_OUT = "tab:blue", "tab:orange"


class Panel(NamedTuple):
    """One panel: its title, the tag that it shows, and how."""

    title: str
    tag: str
    is_share: bool = False


PANELS = (
    Panel("Loss (masked LM + sentence order)", "loss"),
    Panel("Masked LM accuracy", "masked_lm_accuracy", is_share=True),
    Panel("Sentence order accuracy", "sentence_order_accuracy", is_share=True),
    Panel("Masked LM loss", "masked_lm_loss"),
    Panel("Learning rate", "learning_rate"),
    Panel("Examples per second", "examples_per_second"),
)
# Of ELECTRA's pretraining, which is known by the discriminator's loss.
ELECTRA_PANELS = (
    Panel("Loss (generator + discriminator)", "loss"),
    Panel("Discriminator: replaced tokens found", "disc_recall", is_share=True),
    Panel("Generator: masked LM accuracy", "masked_lm_accuracy", is_share=True),
    Panel("Discriminator loss", "disc_loss"),
    Panel("Generator loss", "masked_lm_loss"),
    Panel("Learning rate", "learning_rate"),
)


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of each value and its neighbours, float64 [N].

    Args:
        values: [N].
        width: how many values a mean spans, odd; fewer towards both ends, where as
            many lie before a value as after it.
    """
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=float)])
    centre = np.arange(len(values))
    reach = np.minimum(np.minimum(centre, centre[::-1]), width // 2)
    low, high = centre - reach, centre + reach + 1
    return (sums[high] - sums[low]) / (high - low)


def _draw_training(axes, curve: Curve, smooth: bool) -> None:
    smooth = smooth and len(curve.steps) >= _SMOOTHED_FROM
    alpha = 0.3 if smooth else 1.0
    label = None if smooth else "training"
    axes.plot(
        curve.steps, curve.values, color=_TRAINING, alpha=alpha, lw=1.2, label=label
    )
    if smooth:
        width = len(curve.steps) // _SMOOTHED_SHARE * 2 + 1
        means = running_mean(np.array(curve.values), width)
        axes.plot(curve.steps, means, color=_TRAINING, lw=1.8, label="training (mean)")


def _draw_panel(axes, panel: Panel, curves: Curves) -> None:
    training = curves.training.get(panel.tag)
    held_out = curves.held_out.get(panel.tag)
    if training is not None:
        _draw_training(axes, training, smooth=panel.tag != "learning_rate")
    if held_out is not None:
        axes.plot(
            held_out.steps,
            held_out.values,
            color=_HELD_OUT,
            marker="o",
            ms=3,
            lw=1.5,
            label="held-out",
        )
        last = held_out.values[-1]
        text = f"{last:.1%}" if panel.is_share else f"{last:.3g}"
        axes.annotate(
            text,
            (held_out.steps[-1], last),
            textcoords="offset points",
            xytext=(0, 7),
            ha="right",
            color=_HELD_OUT,
        )
        axes.margins(y=0.12)
    if training is None and held_out is None:
        text = "not measured\n(--eval_every_steps)" if panel.is_share else "no values"
        axes.text(
            0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, c="gray"
        )
        axes.set_xticks([])
        axes.set_yticks([])
    elif panel.is_share:
        axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0))
    if training is not None and held_out is not None:
        axes.legend(frameon=False)
    if panel.tag == "examples_per_second":
        axes.set_ylim(bottom=0)
    axes.set_title(panel.title)
    axes.grid(alpha=0.25)


def plot_curves(curves: Curves, title: str) -> Figure:
    """Return the figure of a run, its panels over the steps."""
    panels = ELECTRA_PANELS if "disc_loss" in curves.training else PANELS
    figure = Figure(figsize=(15, 8), layout="constrained")
    grid = figure.subplots(2, 3)
    for axes, panel in zip(grid.flat, panels):
        _draw_panel(axes, panel, curves)
        axes.set_xlabel("step")
    figure.suptitle(title, fontfamily=_find_fonts())
    return figure


def plot_confusion(counts: np.ndarray, labels: Sequence[str]) -> Figure:
    """Return the picture of a confusion matrix, coloured by the share of a row.

    Args:
        counts: int, [L, L]; examples by their label (row) and by the predicted one.
        labels: their names.
    """
    size = max(4.0, min(24.0, 0.6 * len(labels) + 2.0))
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    fonts = {"fontfamily": _find_fonts()}
    axes.set_xticks(range(len(labels)), labels, rotation=90, **fonts)
    axes.set_yticks(range(len(labels)), labels, **fonts)
    if len(labels) <= _MOST_NUMBERED:
        for row, column in np.ndindex(*counts.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    return figure


def _find_fonts() -> list[str]:
    """Return the usual fonts, and the installed ones for characters they lack."""
    installed = set(font_manager.get_font_names())
    chinese = [name for name in _CHINESE_FONTS if name in installed]
    return [*matplotlib.rcParams["font.family"], *chinese]


def save_figure(figure: Figure, path: str) -> None:
    """Write a figure as PNG, whole or not at all."""
    with files.atomic_path(path) as temporary, warnings.catch_warnings():
        # Where no font has a character, a box stands for it: no need to say more.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(temporary, format="png", dpi=110)
