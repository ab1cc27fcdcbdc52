"""A list of terms, and where they stand in a sentence."""

from __future__ import annotations

from collections import Counter
from typing import Iterable, Iterator, NamedTuple, Sequence

from albert.base import files
from albert.base.errors import UserError

Columns = Sequence[str]  # of a sentence: characters, as a rule


class Lexicon(NamedTuple):
    """Terms with their frequency.

    Attributes:
        terms: none twice.
        counts: how often each was counted, at least 1.
    """

    terms: tuple[str, ...]
    counts: tuple[int, ...]


class Found(NamedTuple):
    """A term in a sentence: its first column, the one after its last, its number."""

    start: int
    end: int
    term: int


def read_terms(path: str, lower_case: bool) -> tuple[str, ...]:
    """Return the terms of a file, one a line, each once.

    Args:
        lower_case: whether they are lower-cased, as the text is that they are found in.

    Raises:
        UserError: a line is empty, or there is none.
    """
    terms = {}
    for number, line in enumerate(files.read_lines(path), start=1):
        term = line.strip()
        if not term:
            raise UserError(
                f"{path}: line {number} is empty; a lexicon has a term a line"
            )
        terms[term.lower() if lower_case else term] = None
    if not terms:
        raise UserError(f"{path} holds no term")
    return tuple(terms)


class TermFinder:
    """Finds the terms of a lexicon in sentences, overlapping ones too."""

    def __init__(self, terms: Sequence[str], lower_case: bool):
        """Keep the terms; see `read_terms`."""
        self._numbers = {term: number for number, term in enumerate(terms)}
        self._longest = max(map(len, terms))
        self._lower_case = lower_case

    def find(self, columns: Columns) -> Iterator[Found]:
        """Yield the terms that stand in a sentence, from left to right."""
        if self._lower_case:
            columns = [column.lower() for column in columns]
        for start in range(len(columns)):
            word = ""
            for end in range(start + 1, len(columns) + 1):
                word += columns[end - 1]
                if len(word) > self._longest:
                    break
                if word in self._numbers:
                    yield Found(start, end, self._numbers[word])


def _is_inside(found: Found, other: Found) -> bool:
    longer = other.end - other.start > found.end - found.start
    return longer and other.start <= found.start and found.end <= other.end


def count_terms(
    terms: Sequence[str], sentences: Iterable[Columns], lower_case: bool
) -> Lexicon:
    """Return a lexicon with the frequency of its terms in some sentences.

    As in Ma et al. (2020), section 3.1, a term that stands inside a longer one is not
    counted there. Each has 1 to begin with: it may stand in other text.
    """
    finder, counts = TermFinder(terms, lower_case), Counter()
    for columns in sentences:
        found = list(finder.find(columns))
        counts.update(
            each.term
            for each in found
            if not any(_is_inside(each, other) for other in found)
        )
    numbers = range(len(terms))
    return Lexicon(tuple(terms), tuple(1 + counts[number] for number in numbers))
