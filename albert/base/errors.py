"""The error that a user caused and can fix."""

from __future__ import annotations

import contextlib
from typing import Iterator


class UserError(ValueError):
    """Wrong input, flag or file: shown as one line, without a traceback.

    The message names the thing, what was found and what would be right. It is a
    ValueError, so library callers need to know no other class.
    """


class InUseError(UserError):
    """Another process works there; it may be left to it."""


@contextlib.contextmanager
def prefix_errors(where: str) -> Iterator[None]:
    """Let the message of a UserError begin with where it is, such as a file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
