"""Progress on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Callable, Iterator, Optional

import tqdm
from absl import logging

_SECONDS_BETWEEN_LINES = 30


@contextlib.contextmanager
def show_progress(
    title: str, total: Optional[int], unit: str
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with how much more is done.

    Args:
        title: what is being done.
        total: how much there is to do, None where nobody knows.
        unit: of what, such as "B" (shown as kB, MB) or "instance".
    """
    if sys.stderr.isatty():
        with tqdm.tqdm(
            desc=title, total=total, unit=unit, unit_scale=True, leave=False
        ) as bar:
            yield bar.update
        return
    done = 0
    last_line = time.monotonic()

    def advance(amount: int) -> None:
        nonlocal done, last_line
        done += amount
        if time.monotonic() - last_line >= _SECONDS_BETWEEN_LINES:
            last_line = time.monotonic()
            if total is None:
                logging.info("%s: %d %s", title, done, unit)
                return
            share = 100 * done / max(total, 1)
            logging.info("%s: %d of %d %s (%.0f %%)", title, done, total, unit, share)

    yield advance


@contextlib.contextmanager
def hide_progress(
    title: str, total: Optional[int], unit: str
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call as `show_progress` does, which shows nothing."""
    del title, total, unit
    yield lambda amount: None
