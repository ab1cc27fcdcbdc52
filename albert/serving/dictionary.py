"""Terms of a user: what is an entity whatever the model says, and what is none.

A file of lines `term<TAB>type`; the type `-` forbids the term as an entity. Lines that
are blank or begin with `#` are passed over.
"""

from __future__ import annotations

import collections
import types
from typing import Collection, Mapping, Sequence

from albert.base import files
from albert.base.errors import UserError
from albert.tasks.ner.entities import Span
from albert.tasks.ner.text import CLOSERS, ENDERS

FORBIDDEN = "-"


class Terms:
    """The terms, to be looked up in sentences."""

    def __init__(self, kinds: Mapping[str, str], path: str = "dictionary"):
        """Keep the terms.

        Args:
            kinds: term -> type, or FORBIDDEN.
            path: where they come from, for messages.
        """
        self._path = path
        self._forbidden = {t for t, kind in kinds.items() if kind == FORBIDDEN}
        self._kinds = {t: kind for t, kind in kinds.items() if kind != FORBIDDEN}
        self._longest = max(map(len, self._kinds), default=0)
        self._beginnings = {term[0] for term in self._kinds}
        # The two characters around a place where a sentence could end inside a term
        # -> the term and the place.
        self._inner: dict[str, list[tuple[str, int]]] = collections.defaultdict(list)
        for term in self._kinds:
            for place in range(1, len(term)):
                if term[place - 1] in ENDERS + CLOSERS:
                    self._inner[term[place - 1 : place + 1]].append((term, place))

    def check_types(self, known: Collection[str]) -> None:
        """Raise UserError for a type that the model does not know."""
        for term, kind in self._kinds.items():
            if kind not in known:
                raise UserError(
                    f"{self._path}: {term!r} has the type {kind!r}; the model knows "
                    f"{', '.join(known)}"
                )

    def forbids(self, surface: str) -> bool:
        """Whether a surface is no entity."""
        return surface in self._forbidden

    def holds(self, text: str, place: int) -> bool:
        """Whether `text[place]` continues a term: no sentence begins with it."""
        return any(
            inner <= place and text.startswith(term, place - inner)
            for term, inner in self._inner.get(text[place - 1 : place + 1], ())
        )

    def find(
        self, columns: Sequence[str], starts: Sequence[int], ends: Sequence[int]
    ) -> list[Span]:
        """Return the terms in a sentence, as spans of columns; none overlap.

        From the left, the longest term first. White space in the text parts a term,
        and a term never covers part of a column.
        """
        if not self._kinds:
            return []
        spans, first = [], 0
        while first < len(columns):
            span = None
            if columns[first][0] in self._beginnings:
                span = self._longest_at(columns, starts, ends, first)
            if span is not None:
                spans.append(span)
            first = span.end if span is not None else first + 1
        return spans

    def _longest_at(
        self,
        columns: Sequence[str],
        starts: Sequence[int],
        ends: Sequence[int],
        first: int,
    ) -> Span | None:
        found, surface = None, ""
        for last in range(first, len(columns)):
            if last > first and starts[last] != ends[last - 1]:
                break
            surface += columns[last]
            if len(surface) > self._longest:
                break
            if surface in self._kinds:
                found = Span(self._kinds[surface], first, last + 1)
        return found


NO_TERMS = Terms(types.MappingProxyType({}))


def read_terms(path: str) -> Terms:
    """Read a file of terms; UserError names the line that is wrong."""
    kinds: dict[str, str] = {}
    for number, line in enumerate(files.read_lines(path), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        term, _, kind = (part.strip() for part in line.partition("\t"))
        if not (term and kind):
            raise UserError(
                f"{path}: line {number} must be a term, a tab and a type (or "
                f"{FORBIDDEN} for no entity), got {line!r}"
            )
        if any(c.isspace() for c in term):
            raise UserError(f"{path}: line {number}: {term!r} holds white space")
        if kinds.setdefault(term, kind) != kind:
            raise UserError(
                f"{path}: line {number}: {term!r} is {kinds[term]} above and "
                f"{kind} here"
            )
    return Terms(kinds, path)
