"""Running text -> sentences of columns, as the training data has them (no TensorFlow).

A column is what gets one label: a character, or, where the training data writes them
so, a run of Latin letters and digits. White space is no column.
"""

from __future__ import annotations

import re
from typing import Callable, Iterable, Iterator, NamedTuple, Optional

from albert.tasks.ner.conll import Sentence

CHARACTERS, WORDS = "characters", "words"  # what a column of Latin text is

# A sentence ends with some of ENDERS, and the quotes and brackets that close after
# them; or at line ends.
ENDERS = "。！？；!?;…"
CLOSERS = "”’」』）)]】》"
LINE_ENDS = "\n\r\u2028\u2029"
_SENTENCE_END = re.compile(f"[{ENDERS}]+[{re.escape(CLOSERS)}]*|[{LINE_ENDS}]+")
_LATIN_COLUMN = re.compile(r"[A-Za-z0-9]+|\S")
_RUN = re.compile(r"\S+")
_LATIN_WORD = re.compile(r"[A-Za-z0-9]{2,}")


class TextSentence(NamedTuple):
    """A sentence of a text, in columns.

    Attributes:
        columns: their texts.
        starts, ends: where each stands in the whole text: text[start:end].
    """

    columns: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def find_latin_columns(sentences: Iterable[Sentence]) -> str:
    """Return what training data make of Latin text: CHARACTERS or WORDS."""
    columns = (column for sentence in sentences for column in sentence.columns)
    return WORDS if any(map(_LATIN_WORD.fullmatch, columns)) else CHARACTERS


def _sentence_bounds(
    text: str, holds: Optional[Callable[[str, int], bool]]
) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if holds is None or not holds(text, match.end()):
            yield start, match.end()
            start = match.end()
    yield start, len(text)


def _find_words(text: str, start: int, end: int) -> TextSentence:
    found = [(m.group(), *m.span()) for m in _LATIN_COLUMN.finditer(text, start, end)]
    return TextSentence(*zip(*found)) if found else TextSentence((), (), ())


def _find_characters(text: str, start: int, end: int) -> TextSentence:
    places = [i for m in _RUN.finditer(text, start, end) for i in range(*m.span())]
    columns = "".join(text[start:end].split())
    return TextSentence(tuple(columns), tuple(places), tuple(i + 1 for i in places))


def split_text(
    text: str,
    latin_columns: str = CHARACTERS,
    holds: Optional[Callable[[str, int], bool]] = None,
) -> list[TextSentence]:
    """Cut a text into sentences, and these into columns.

    Args:
        text: of any length; sentences end after 。！？；!?; and at line ends.
        latin_columns: CHARACTERS or WORDS.
        holds: whether a text must not be cut before a character, by its number.

    Example: `split_text("用 CRF。好", WORDS)` is the columns `用 CRF 。` at 0, 2 and 5,
    and `好` at 6.
    """
    find_columns = _find_words if latin_columns == WORDS else _find_characters
    sentences = []
    for start, end in _sentence_bounds(text, holds):
        found = find_columns(text, start, end)
        if found.columns:
            sentences.append(found)
    return sentences
