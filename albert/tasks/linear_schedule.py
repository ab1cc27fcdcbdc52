"""A value that goes from one number to another over a training run."""

from __future__ import annotations

import math
from typing import NamedTuple

from albert.base.errors import UserError

_RANGE = ".."


class Schedule(NamedTuple):
    """A value that goes linearly from `start` to `end` over a run."""

    start: float
    end: float

    def at(self, progress):
        """Return the value when `progress`, 0 to 1, of the run is done."""
        if self.start == self.end:
            return self.start
        return self.start + (self.end - self.start) * progress


def parse_schedule(text: str, where: str) -> Schedule:
    """Return the schedule that `0.5` (constant) or `0.5..0` (linear) stands for.

    Raises:
        UserError: what is there is no number of 0 or more; `where` begins the message.
    """
    start, found, end = text.partition(_RANGE)
    try:
        values = [float(value) for value in ([start, end] if found else [start, start])]
    except ValueError:
        values = [-1.0]
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise UserError(
            f"{where} must be a number of 0 or more, or two with {_RANGE} between "
            f"them, got {text!r}"
        )
    return Schedule(*values)
