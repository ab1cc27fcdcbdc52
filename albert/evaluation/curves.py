"""Learning curves, read from the event files of a run."""

from __future__ import annotations

import glob
import os
from typing import Iterator, Mapping, NamedTuple, Sequence

import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints.training_id import EVAL_FOLDER

v1 = tf.compat.v1

Points = Sequence[tuple[int, float]]


class Curve(NamedTuple):
    """One scalar over the steps of a run, in the order of steps."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


class Curves(NamedTuple):
    """The scalars of a model directory.

    Attributes:
        training: tag -> curve, as `hooks.ProgressHook` writes them.
        held_out: tag -> curve, as `held_out.HeldOutEvaluation` writes them.
    """

    training: Mapping[str, Curve]
    held_out: Mapping[str, Curve]


def join_runs(runs: Sequence[Points]) -> Curve:
    """Join what several runs wrote, one after another.

    A run that resumes makes steps again that the one before had made after its last
    checkpoint: from its first step on, what earlier runs wrote is dropped.

    Example: [[(10, a), (20, b), (30, c)], [(20, d)]] gives a at 10 and d at 20.
    """
    joined: list[tuple[int, float]] = []
    for points in runs:
        if points:
            first = min(step for step, _ in points)
            joined = [point for point in joined if point[0] < first]
            joined.extend(sorted(dict(points).items()))
    return Curve(tuple(s for s, _ in joined), tuple(v for _, v in joined))


def _read_events(file: str) -> Iterator[tuple[str, int, float]]:
    """Yield tag, step and value; a file that was cut short ends where it was cut."""
    try:
        for event in v1.train.summary_iterator(file):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    yield value.tag, event.step, value.simple_value
    except tf.errors.DataLossError:
        return


def read_folder(folder: str) -> dict[str, Curve]:
    """Return tag -> curve of the event files that lie directly in a folder."""
    files = glob.glob(os.path.join(glob.escape(folder), "events.out.tfevents.*"))
    runs: dict[str, list[Points]] = {}
    for file in sorted(files, key=lambda name: (_start_time(name), name)):
        points: dict[str, list[tuple[int, float]]] = {}
        for tag, step, value in _read_events(file):
            points.setdefault(tag, []).append((step, value))
        for tag, found in points.items():
            runs.setdefault(tag, []).append(found)
    return {tag: join_runs(found) for tag, found in runs.items()}


def _start_time(file: str) -> int:
    """Return the second in which a file was begun, which its name holds."""
    part = os.path.basename(file).split(".")[3]
    return int(part) if part.isdigit() else 0


def read_curves(model_dir: str) -> Curves:
    """Return the curves of a model directory.

    Raises:
        UserError: it holds no event file with scalars.
    """
    if not os.path.isdir(model_dir):
        raise UserError(f"--model_dir: {model_dir} is not a folder")
    curves = Curves(
        read_folder(model_dir), read_folder(os.path.join(model_dir, EVAL_FOLDER))
    )
    if not curves.training and not curves.held_out:
        raise UserError(f"--model_dir: {model_dir} holds no event file of training")
    return curves
