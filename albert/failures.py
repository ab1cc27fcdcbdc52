"""What an error that ends a run means to a user, in one line."""

from __future__ import annotations

import errno
import os
import re
from typing import Callable, NamedTuple, Optional

import tensorflow as tf

from albert.errors import UserError
from albert.optimization import NOT_FINITE

v1 = tf.compat.v1

# What TensorFlow says of a file operation that failed: "PATH; REASON".
_REASONS = [
    os.strerror(number)
    for number in (
        errno.ENOENT,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EIO,
        errno.EMFILE,
        errno.ESTALE,
    )
]
_FILE_TROUBLE = re.compile(
    rf"(?:^|: )([^\n;:]+); ({'|'.join(map(re.escape, _REASONS))})", re.MULTILINE
)
_LOST_FOLDER = re.compile(r"Parent directory of (.+) doesn't exist, can't save")
# How TensorFlow names files that it writes before they get their name.
_TEMPORARY_NAME = re.compile(r"(_temp(/|$)|\.tempstate\d|\.tmp[0-9a-f]).*", re.DOTALL)


class FileTrouble(NamedTuple):
    """A file operation that failed: the file, and why."""

    path: str
    reason: str


def find_file_trouble(message: str) -> Optional[FileTrouble]:
    """Return the file operation that an error's message tells of, if any."""
    lost = _LOST_FOLDER.search(message)
    if lost is not None:
        return FileTrouble(lost.group(1), _REASONS[0])
    found = _FILE_TROUBLE.search(message)
    if found is None:
        return None
    return FileTrouble(_TEMPORARY_NAME.sub("", found.group(1)), found.group(2))


def _not_finite(message: str) -> str:
    found = re.search(rf"{NOT_FINITE}\] \[([^\]]+)\]", message)
    where = f" (first at {found.group(1)})" if found else ""
    return (
        f"{NOT_FINITE}{where}. A lower learning_rate or more num_warmup_steps usually "
        "helps"
    )


def describe(
    error: BaseException, find_bad_input: Callable[[], Optional[str]]
) -> Optional[str]:
    """Return what a user can do something about, None for a defect of the program.

    Args:
        error: what ended training or evaluation.
        find_bad_input: see `Task.find_bad_input`; called if the input may be the cause.
    """
    message = str(error)
    if NOT_FINITE in message or isinstance(error, v1.train.NanLossDuringTrainingError):
        return _not_finite(message)
    trouble = find_file_trouble(message)
    if trouble is not None:
        return f"{trouble.path}: {trouble.reason}"
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
    find_bad_input: Callable[[], Optional[str]],
) -> Optional[UserError]:
    """Return the error to show in place of one that ended training, if there is one.

    Args:
        step: the one that failed.
        output_dir: the model directory, whose newest checkpoint is named.
    """
    cause = describe(error, find_bad_input)
    if cause is None:
        return None
    newest = tf.train.latest_checkpoint(output_dir)
    kept = f"the last good checkpoint is {newest}" if newest else "no checkpoint yet"
    return UserError(f"training stopped at step {step}: {cause}; {kept}")
