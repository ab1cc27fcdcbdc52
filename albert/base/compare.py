"""The first difference of two descriptions, for messages that name it."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional


class Difference(NamedTuple):
    """What differs, as it was found, and as it should be."""

    name: str
    found: Any
    wanted: Any


def first_difference(
    found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> Optional[Difference]:
    """Return the first value of `wanted` that `found` has otherwise or lacks, or None.

    What only `found` holds does not count; what it lacks is None in the result.
    """
    for name, value in wanted.items():
        if found.get(name) != value:
            return Difference(name, found.get(name), value)
    return None
