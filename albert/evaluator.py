"""Evaluation beside training, by a machine that does nothing else."""

from __future__ import annotations

import os
import time
from typing import Callable, Optional

import tensorflow as tf
from absl import logging

from albert import checkpoint as checkpoints
from albert.errors import UserError
from albert.interruption import StopRequest

_SECONDS_BETWEEN_LOOKS = 2.0

OnCheckpoint = Callable[[str, int], None]


def _find_checkpoints(model_dir: str) -> list[str]:
    """Return the prefixes of the checkpoints that training keeps, oldest first."""
    state = tf.train.get_checkpoint_state(model_dir)
    return list(state.all_model_checkpoint_paths) if state is not None else []


def follow_training(
    model_dir: str,
    num_train_steps: int,
    on_checkpoint: Optional[OnCheckpoint],
    stop: StopRequest,
) -> int:
    """Hand over each checkpoint that appears in a folder, until that of the last step.

    One that training removes before its turn, or while it is read, is passed over.

    Args:
        model_dir: written by another process.
        on_checkpoint: called with a checkpoint's prefix and step; None to wait only.
        stop: ends the waiting when asked.

    Returns:
        The step of the last checkpoint that was there.
    """
    logging.info("Waiting for checkpoints in %s", model_dir)
    last = -1
    while not stop.asked and last < num_train_steps:
        for path in _find_checkpoints(model_dir):
            step = int(path.rpartition("-")[2])
            if step <= last or stop.asked:
                continue
            try:
                if on_checkpoint is not None:
                    on_checkpoint(path, step)
            except UserError:
                if os.path.exists(f"{path}.index"):
                    raise
                logging.warning("%s was removed before it could be evaluated", path)
            last = step
        if last < num_train_steps:
            _wait(stop)
    return max(last, checkpoints.latest_step(model_dir) or 0)


def _wait(stop: StopRequest) -> None:
    end = time.monotonic() + _SECONDS_BETWEEN_LOOKS
    while not stop.asked and time.monotonic() < end:
        time.sleep(0.1)
