"""Files of tagged characters in CoNLL form: finding them, reading them (no TensorFlow).

One line of a file is one column of its sentence: a character (or a longer unit) and a
tag, between white space; blank lines end sentences.
"""

from __future__ import annotations

from collections import Counter
from typing import Iterator, NamedTuple, Optional, Sequence

from albert.base import files
from albert.base.errors import UserError
from albert.tasks.ner.tag_schemes import OUTSIDE, Scheme, split_tag
from albert.text.tokenization import is_chinese

SUFFIXES = (".conll", ".txt", ".bio", ".bmes")
DOCUMENT_START = "-DOCSTART-"  # opens a document in files of CoNLL 2003

# A line of nothing else ends a sentence; other white space may be a character.
_BLANKS = " \t\f\v"


class Sentence(NamedTuple):
    """Consecutive lines of a file.

    Attributes:
        columns: the first field of each line, a character as a rule.
        tags: the last field of each line; None where the file has no tags.
        line: the number of the first line, from 1.
    """

    columns: tuple[str, ...]
    tags: Optional[tuple[str, ...]]
    line: int


class ConllFile(NamedTuple):
    """A file as it stands, and the sentences in it."""

    path: str
    lines: tuple[str, ...]
    sentences: tuple[Sentence, ...]


def split_fields(line: str, usual: int = 2) -> list[str]:
    r"""Return the fields of a line, between any white space.

    A white-space character may itself be a column: a line that begins with white space
    and has fewer fields than the file's lines have as a rule is short of that one.

    Args:
        usual: how many fields a line of the file has as a rule.

    Example: `"\u3000 O"` and `"  O"` give `["\u3000", "O"]` and `[" ", "O"]`.
    """
    fields = line.split()
    if line[:1].isspace() and len(fields) < max(2, usual):
        return [line[0], *fields]
    return fields


def _usual_width(lines: Sequence[str]) -> int:
    """Return how many fields most lines of sentences have."""
    widths = Counter(len(line.split()) for line in lines if not _separates(line))
    return widths.most_common(1)[0][0] if widths else 0


def _parse_line(line: str, where: str, usual: int) -> tuple[str, str]:
    """Return the column and tag of a line that is not blank; "O" in files of one."""
    if usual == 1:
        return line.strip(_BLANKS), OUTSIDE
    fields = split_fields(line, usual)
    if len(fields) < 2:
        raise UserError(
            f"{where} has one column, {fields[0]!r}; a character and its tag are needed"
        )
    if split_tag(fields[-1]) is None:
        raise UserError(
            f"{where}: {fields[-1]!r} is no tag; a tag is O, or B-, I-, M-, E- or S- "
            "before a type"
        )
    return fields[0], fields[-1]


def _is_blank(line: str) -> bool:
    return not line.strip(_BLANKS)


def _separates(line: str) -> bool:
    """Whether a line stands between sentences: blank, or the start of a document."""
    return _is_blank(line) or line.split()[:1] == [DOCUMENT_START]


def _sentence_ranges(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield [start, end) of each sentence's lines."""
    start = 0
    for index, line in enumerate([*lines, ""]):
        if _separates(line):
            if index > start:
                yield start, index
            start = index + 1


def read_conll(path: str, need_tags: bool = True) -> ConllFile:
    """Read a file of columns; blank lines end sentences.

    A line whose first field is `-DOCSTART-` is no part of a sentence either.

    Args:
        path: UTF-8 text; of each line the first and the last field are used.
        need_tags: whether a file of one column is wrong; else its tags are None.

    Raises:
        UserError: the file is not UTF-8, holds no sentence, a line has one column where
            others have more, or a tag is malformed; file and line are named.
        OSError: the file cannot be read.
    """
    lines = tuple(files.read_lines(path))
    several = (len(line.split()) > 1 for line in lines if not _separates(line))
    labelled = need_tags or any(several)
    usual = max(2, _usual_width(lines)) if labelled else 1
    sentences = []
    for start, end in _sentence_ranges(lines):
        parsed = [
            _parse_line(lines[index], f"{path}: line {index + 1}", usual)
            for index in range(start, end)
        ]
        columns, tags = zip(*parsed)
        sentences.append(Sentence(columns, tags if labelled else None, start + 1))
    if not sentences:
        raise UserError(f"{path} holds no sentence")
    return ConllFile(path, lines, tuple(sentences))


def check_characters(conll: ConllFile) -> None:
    """Stop at raw text where a file of one character a line is due.

    A word of Latin letters or a number may be a column; several Chinese characters in
    one column are a text that would get a single label.

    Raises:
        UserError: the first such line of a file without tags.
    """
    for sentence in conll.sentences:
        for index, column in enumerate(sentence.columns):
            if sentence.tags is None and sum(map(is_chinese, column)) > 1:
                raise UserError(
                    f"{conll.path}: line {sentence.line + index} holds several "
                    "characters; write one character a line, a blank line between "
                    "sentences"
                )


def check_scheme(conll: ConllFile, scheme: Scheme) -> None:
    """Raise UserError, naming the line, for a tag whose prefix `scheme` lacks."""
    for sentence in conll.sentences:
        for line, tag in enumerate(sentence.tags or (), start=sentence.line):
            if tag != OUTSIDE and tag[0] not in scheme.prefixes:
                raise UserError(
                    f"{conll.path}: line {line}: the tag {tag!r} is not of the scheme "
                    f"{scheme.name} ({', '.join(scheme.prefixes)}) of the training data"
                )
