"""What an error that ends a run means to a user, in one line."""

from __future__ import annotations

import re
from typing import Callable, NamedTuple, Optional, Sequence

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints.file_trouble import find_file_trouble
from albert.training.optimization import NOT_FINITE
from albert.training.task import RecordPlace

v1 = tf.compat.v1

_LISTED = 8  # records named in a message


class InputSource(NamedTuple):
    """How to look for the cause of an error in the input; each may read all of it.

    Attributes:
        find_bad_input: see `DataSource.find_bad_input`.
        find_records: gives the records of the batch that training failed on.
    """

    find_bad_input: Callable[[], Optional[str]]
    find_records: Callable[[], Sequence[RecordPlace]] = lambda: ()


def format_records(places: Sequence[RecordPlace]) -> str:
    """Return e.g. "a.tfrecord 3, 17; b.tfrecord 5", cut after the first ones."""
    named: dict[str, list[str]] = {}
    for place in places[:_LISTED]:
        named.setdefault(place.file, []).append(str(place.number))
    text = "; ".join(f"{file} {', '.join(n)}" for file, n in named.items())
    more = len(places) - _LISTED
    return f"{text} and {more} more" if more > 0 else text


def _batch_records(source: InputSource) -> str:
    """Return a clause on the records of the batch, all of which go to the log."""
    try:
        places = source.find_records()
    except Exception as error:  # must not hide what it was called for
        logging.warning("The batch's records cannot be found: %s", error)
        places = ()
    if not places:
        return ""
    for place in places:
        logging.info("In this batch: %s record %d", place.file, place.number)
    return f"; the batch holds the records {format_records(places)}"


def _not_finite(message: str) -> str:
    found = re.search(rf"{NOT_FINITE}\] \[([^\]]+)\]", message)
    where = f" (first at {found.group(1)})" if found else ""
    return (
        f"{NOT_FINITE}{where}. A lower learning_rate or more num_warmup_steps usually "
        "helps"
    )


def describe(error: BaseException, source: InputSource) -> Optional[str]:
    """Return what a user can do something about, None for a defect of the program.

    Args:
        error: what ended training or evaluation.
        source: asked if the input may be the cause.
    """
    message = str(error)
    if NOT_FINITE in message or isinstance(error, v1.train.NanLossDuringTrainingError):
        return _not_finite(message) + _batch_records(source)
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
        bad_input = source.find_bad_input()
        if bad_input is None and isinstance(error, tf.errors.DataLossError):
            return f"the input could not be read: {message.splitlines()[-1].strip()}"
        return bad_input
    return None


def explain_training(
    error: Exception,
    step: int,
    output_dir: str,
    source: InputSource,
) -> Optional[UserError]:
    """Return the error to show in place of one that ended training, if there is one.

    Args:
        step: the one that failed.
        output_dir: the model directory, whose newest checkpoint is named.
        source: asked if the input may be the cause.
    """
    cause = describe(error, source)
    if cause is None:
        return None
    newest = tf.train.latest_checkpoint(output_dir)
    kept = f"the last good checkpoint is {newest}" if newest else "no checkpoint yet"
    return UserError(f"training stopped at step {step}: {cause}; {kept}")
