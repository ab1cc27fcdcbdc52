"""What an error that ends a run means to a user, in one line."""

from __future__ import annotations

import re
from typing import Callable, Optional

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints.file_trouble import find_file_trouble
from albert.training.optimization import NOT_FINITE

v1 = tf.compat.v1

FindBadInput = Callable[[], Optional[str]]


def _not_finite(message: str) -> str:
    found = re.search(rf"{NOT_FINITE}\] \[([^\]]+)\]", message)
    where = f" (first at {found.group(1)})" if found else ""
    return (
        f"{NOT_FINITE}{where}. A lower learning_rate or more num_warmup_steps usually "
        "helps"
    )


def describe(error: BaseException, find_bad_input: FindBadInput) -> Optional[str]:
    """Return what a user can do something about, None for a defect of the program.

    Args:
        error: what ended training or evaluation.
        find_bad_input: see `DataSource.find_bad_input`.
    """
    message = str(error)
    if NOT_FINITE in message or isinstance(error, v1.train.NanLossDuringTrainingError):
        logging.info("Reading the input through: a record of it may be the cause")
        return find_bad_input() or _not_finite(message)
    trouble = find_file_trouble(message)
    if trouble is not None:
        return f"{trouble.path}: {trouble.reason}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, tf.errors.ResourceExhaustedError) and "OOM" in message:
        return (
            "the device is out of memory. A lower batch size or shorter records "
            "need less"
        )
    if isinstance(error, (tf.errors.DataLossError, tf.errors.InvalidArgumentError)):
        bad_input = find_bad_input()
        if bad_input is None and isinstance(error, tf.errors.DataLossError):
            return f"the input could not be read: {message.splitlines()[-1].strip()}"
        return bad_input
    return None


def explain_training(
    error: Exception,
    step: int,
    output_dir: str,
    find_bad_input: FindBadInput,
) -> Optional[UserError]:
    """Return the error to show in place of one that ended training, if there is one.

    Args:
        step: the one that failed.
        output_dir: the model directory, whose newest checkpoint is named.
        find_bad_input: see `DataSource.find_bad_input`.
    """
    cause = describe(error, find_bad_input)
    if cause is None:
        return None
    newest = tf.train.latest_checkpoint(output_dir)
    kept = f"the last good checkpoint is {newest}" if newest else "no checkpoint yet"
    return UserError(f"training stopped at step {step}: {cause}; {kept}")
