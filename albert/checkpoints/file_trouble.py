"""File operations that failed in TensorFlow, which tells of them in words alone."""

from __future__ import annotations

import errno
import os
import re
from typing import NamedTuple, Optional

# What TensorFlow says of a file operation that failed: "PATH; REASON".
_REASONS = {
    os.strerror(number): number
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
}
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

    def as_error(self) -> OSError:
        """Return the error that Python would have raised."""
        return OSError(_REASONS[self.reason], self.reason, self.path)


def find_file_trouble(message: str) -> Optional[FileTrouble]:
    """Return the file operation that an error's message tells of, if any."""
    lost = _LOST_FOLDER.search(message)
    if lost is not None:
        return FileTrouble(lost.group(1), os.strerror(errno.ENOENT))
    found = _FILE_TROUBLE.search(message)
    if found is None:
        return None
    return FileTrouble(_TEMPORARY_NAME.sub("", found.group(1)), found.group(2))
