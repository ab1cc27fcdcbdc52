"""Formats of checkpoints: how names of one layout become names of another.

A format is an ordered table of rules; the first whose pattern matches a whole name
gives the new name, and a name that no rule matches stays as it is. For instance, the
rules of a checkpoint whose encoder lies under `student/`:

    (NameRule(r"student/(.*)", r"bert/\\1"),)
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from albert.base.errors import UserError


class NameRule(NamedTuple):
    """A row of a format's table.

    Attributes:
        pattern: a regular expression, of the whole name in the checkpoint.
        replacement: the model's name, with \\1 for the pattern's groups; None for what
            the model has no use for.
        transposed: whether the checkpoint holds the matrix transposed.
    """

    pattern: str
    replacement: Optional[str]
    transposed: bool = False


Format = Sequence[NameRule]

UNCHANGED: Format = ()


class Source(NamedTuple):
    """Where a variable of the model comes from.

    Attributes:
        name: in the checkpoint.
        transposed: see `NameRule`.
    """

    name: str
    transposed: bool


def rename(name: str, rules: Format) -> tuple[Optional[str], bool]:
    """Return the model's name for a checkpoint's, and whether it is transposed."""
    for rule in rules:
        match = re.fullmatch(rule.pattern, name)
        if match:
            if rule.replacement is None:
                return None, False
            return match.expand(rule.replacement), rule.transposed
    return name, False


def map_names(names: Iterable[str], rules: Format) -> dict[str, Source]:
    """Return the model's name -> its source, of the names of a checkpoint.

    Raises:
        UserError: two names become one.
    """
    found: dict[str, Source] = {}
    for name in names:
        renamed, transposed = rename(name, rules)
        if renamed is None:
            continue
        if renamed in found:
            raise UserError(
                f"both {found[renamed].name} and {name} of the checkpoint stand for "
                f"{renamed}"
            )
        found[renamed] = Source(name, transposed)
    return found


def convert(
    variables: Mapping[str, np.ndarray], rules: Format
) -> dict[str, np.ndarray]:
    """Return the variables of a checkpoint in the model's names and orientation.

    Args:
        variables: name in the checkpoint -> value.

    Raises:
        UserError: two names become one.
    """
    sources = map_names(variables, rules)
    return {
        name: variables[source.name].T if source.transposed else variables[source.name]
        for name, source in sources.items()
    }
