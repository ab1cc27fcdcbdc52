"""Evaluation beside training, by a machine that does nothing else."""

from __future__ import annotations

import os
import time
from typing import Optional

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.evaluation.held_out import HeldOutEvaluation
from albert.training.stopping import StopRequest

_SECONDS_BETWEEN_LOOKS = 2.0
_MOST_PENDING = 2  # checkpoints; training removes the oldest it has


def _list_checkpoints(model_dir: str) -> dict[int, str]:
    """Return step -> prefix of the checkpoints that training keeps, oldest first."""
    state = tf.train.get_checkpoint_state(model_dir)
    paths = state.all_model_checkpoint_paths if state is not None else ()
    return {int(path.rpartition("-")[2]): path for path in paths}


def _evaluate(held_out: HeldOutEvaluation, found: dict[int, str], last: int) -> int:
    """Evaluate one checkpoint after step `last`, if one is due; return its step.

    The oldest one, or the newest where more are pending than evaluation keeps up with.
    """
    pending = [step for step in found if step > last and held_out.is_due(step)]
    if not pending:
        return last
    step = pending[0] if len(pending) <= _MOST_PENDING else pending[-1]
    if step != pending[0]:
        logging.warning("Evaluation falls behind: from step %d to %d", last, step)
    try:
        held_out.after_checkpoint(found[step], step)
    except UserError:
        if os.path.exists(f"{found[step]}.index"):
            raise
        logging.warning("Checkpoint %d was removed while it was evaluated", step)
    return step


def follow_training(
    model_dir: str,
    num_train_steps: int,
    held_out: Optional[HeldOutEvaluation],
    stop: StopRequest,
) -> int:
    """Evaluate checkpoints as they appear in a folder, until that of the last step.

    Args:
        model_dir: written by another process.
        held_out: evaluates a checkpoint; None to wait for the last step only.
        stop: ends the waiting when asked.

    Returns:
        The step of the newest checkpoint.
    """
    logging.info("Waiting for checkpoints in %s", model_dir)
    last = newest = 0
    while not stop.asked:
        found = _list_checkpoints(model_dir)
        newest = max(found, default=0)
        before = last
        if held_out is not None:
            last = _evaluate(held_out, found, last)
        if last == before:  # nothing was due
            if newest >= num_train_steps:
                break
            _wait(stop)
    return newest


def _wait(stop: StopRequest) -> None:
    end = time.monotonic() + _SECONDS_BETWEEN_LOOKS
    while not stop.asked and time.monotonic() < end:
        time.sleep(0.1)
