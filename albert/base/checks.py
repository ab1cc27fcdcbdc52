"""Rules that several configurations share; each names field, rule and value."""

from __future__ import annotations

import math
from typing import Any, Sequence

from albert.base.errors import UserError


def check_range(
    name: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
) -> None:
    """Raise UserError unless `value` is finite and lies between `low` and `high`."""
    finite = isinstance(value, int) or math.isfinite(value)
    above = low is None or (value > low if low_open else value >= low)
    below = high is None or (value < high if high_open else value <= high)
    if finite and above and below:
        return
    rules = [] if finite else ["finite"]
    if low is not None:
        rules.append(f"{'above' if low_open else 'at least'} {_show(low)}")
    if high is not None:
        rules.append(f"{'below' if high_open else 'at most'} {_show(high)}")
    raise UserError(f"{name} must be {' and '.join(rules)}, got {value}")


def _show(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Raise UserError unless `value` is one of `choices`."""
    if value not in choices:
        listed = ", ".join(str(c) for c in choices)
        raise UserError(f"{name} must be one of {listed}; got {value!r}")
