"""What an error that ends a run means to a user, in one line."""

from __future__ import annotations

import math
import re
import time
from typing import Callable, Optional

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints.file_trouble import find_file_trouble
from albert.training.finite import NOT_FINITE
from albert.training.stopping import StopRequest

v1 = tf.compat.v1

FindBadInput = Callable[[Callable[[], bool]], Optional[str]]

# Of a loss that is not finite, a record is seldom the cause; reading a large corpus
# through takes hours.
_SECONDS_OF_SEARCH = 60.0


class _Search:
    """Ends a search of the input: where a stop is asked, or after some time."""

    def __init__(self, stop: Optional[StopRequest], seconds: float = math.inf):
        self._stop = stop
        self._end = time.monotonic() + seconds
        self._ended = False

    def give_up(self) -> bool:
        """Whether the search is to end; logs it once."""
        asked = self._stop is not None and self._stop.asked
        if not self._ended and (asked or time.monotonic() > self._end):
            self._ended = True
            logging.info("The rest of the input was not searched for a cause")
        return self._ended


def _not_finite(message: str) -> str:
    found = re.search(rf"{NOT_FINITE}\] \[([^\]]+)\]", message)
    where = f" (first at {found.group(1)})" if found else ""
    return (
        f"{NOT_FINITE}{where}. A lower learning_rate or more num_warmup_steps usually "
        "helps"
    )


def describe(
    error: BaseException,
    find_bad_input: FindBadInput,
    stop: Optional[StopRequest] = None,
) -> Optional[str]:
    """Return what a user can do something about, None for a defect of the program.

    Args:
        error: what ended training or evaluation.
        find_bad_input: see `DataSource.find_bad_input`.
        stop: ends the search of the input where it is asked.
    """
    message = str(error)
    if NOT_FINITE in message or isinstance(error, v1.train.NanLossDuringTrainingError):
        logging.info(
            "Reading the input, for %.0f s at most: a record of it may be the cause",
            _SECONDS_OF_SEARCH,
        )
        search = _Search(stop, _SECONDS_OF_SEARCH)
        return find_bad_input(search.give_up) or _not_finite(message)
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
        bad_input = find_bad_input(_Search(stop).give_up)
        if bad_input is None and isinstance(error, tf.errors.DataLossError):
            return f"the input could not be read: {message.splitlines()[-1].strip()}"
        return bad_input
    return None


def explain_training(
    error: Exception,
    step: int,
    output_dir: str,
    find_bad_input: FindBadInput,
    stop: Optional[StopRequest] = None,
) -> Optional[UserError]:
    """Return the error to show in place of one that ended training, if there is one.

    Args:
        step: the one that failed.
        output_dir: the model directory, whose newest checkpoint is named.
        find_bad_input, stop: see `describe`.
    """
    cause = describe(error, find_bad_input, stop)
    if cause is None:
        return None
    newest = tf.train.latest_checkpoint(output_dir)
    kept = f"the last good checkpoint is {newest}" if newest else "no checkpoint yet"
    return UserError(f"training stopped at step {step}: {cause}; {kept}")
