"""One run at a time in an output: a lock file that names its owner.

The operating system holds the lock (flock), and frees it when the owner ends, however
that happens: a file that a killed run left behind locks nothing. On network file
systems it holds between machines where the file system passes locks on.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import shlex
import socket
import sys
from typing import Iterator, Optional

from absl import logging

from albert.base.errors import InUseError, UserError
from albert.base.files import making_folder

FOLDER_LOCK = ".lock"
_HELD_BY_ANOTHER = (errno.EAGAIN, errno.EACCES)
_held: set[int] = set()  # file descriptors


def _close_in_child() -> None:
    """Let no forked worker hold the locks of its parent, which it may outlive."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


def _describe_this_process() -> str:
    owner = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": shlex.join(sys.argv),
        "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    return json.dumps(owner, ensure_ascii=False) + "\n"


def _name_owner(descriptor: int) -> str:
    """Return who holds a lock, as far as its file tells."""
    try:
        owner = json.loads(os.pread(descriptor, 1 << 20, 0))
        return (
            f"process {owner['pid']} on {owner['host']} since {owner['since']}: "
            f"{owner['command']}"
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another process, which has not told its name yet"


def _is_still(descriptor: int, path: str) -> bool:
    """Whether the open file is the one at `path`: an owner that ends removes it."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


def _open(path: str, what: str) -> tuple[int, bool]:
    """Return a descriptor of a lock file, and whether it can be written to.

    One that another user's run has left can mostly be read, which is enough to lock it.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        return os.open(path, flags, 0o666), True
    except PermissionError:
        if not os.path.exists(path):  # it is the folder
            raise
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC), False
    except PermissionError as error:
        raise UserError(
            f"{what}: {path} is a lock of another user's run and cannot be opened; if "
            "that run has ended, remove the file"
        ) from error


def _remove_foreign(path: str, what: str) -> None:
    """Remove a lock file that nobody holds, but that cannot be written to."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UserError(
            f"{what}: {path} was left by another user's run, which has ended, and "
            f"cannot be removed ({error.strerror}); let its owner remove it"
        ) from error


def _try_to_lock(path: str, what: str) -> Optional[int]:
    """Return a file descriptor that holds the lock; None to try again."""
    descriptor, writable = _open(path, what)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD_BY_ANOTHER:
            owner = _name_owner(descriptor)
            os.close(descriptor)
            raise InUseError(f"{what} is in use by {owner}") from error
        logging.warning("%s cannot be locked (%s): run nothing else there", what, error)
    if writable and _is_still(descriptor, path):
        return descriptor
    try:
        if not writable and _is_still(descriptor, path):
            _remove_foreign(path, what)
    finally:
        os.close(descriptor)
    return None


@contextlib.contextmanager
def hold_lock(path: str, what: str) -> Iterator[None]:
    """Hold the lock file `path`, which is removed at the end.

    Args:
        path: in a folder that exists.
        what: what it guards, for messages, such as "--output_dir: model".

    Raises:
        InUseError: another process holds it; its host, number, command and start are
            named.
        UserError: the lock file is another user's and in the way.
    """
    descriptor = None
    while descriptor is None:
        descriptor = _try_to_lock(path, what)
    _held.add(descriptor)
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, _describe_this_process().encode(), 0)
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # before it is free: afterwards it may be another's
        _held.discard(descriptor)
        os.close(descriptor)


@contextlib.contextmanager
def hold_folder(folder: str, flag: str = "output_dir") -> Iterator[None]:
    """Hold a folder for this process alone; it is made, and removed if left empty.

    Raises:
        InUseError, UserError: see `hold_lock`.
    """
    lock = os.path.join(folder, FOLDER_LOCK)
    with making_folder(folder), hold_lock(lock, f"--{flag}: {folder}"):
        yield
