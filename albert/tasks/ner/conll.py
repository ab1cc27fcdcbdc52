"""Files of tagged characters in CoNLL form: finding them, reading them (no TensorFlow).

One line of a file is one column of its sentence: a character (or a longer unit) and a
tag, between white space; blank lines end sentences.
"""

from __future__ import annotations

from collections import Counter
from typing import Iterable, Iterator, NamedTuple, Optional

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


class Shape(NamedTuple):
    """How the lines of a file are read.

    Attributes:
        labelled: whether their last field is a tag.
        usual: how many fields most lines of sentences have; 1 without tags.
    """

    labelled: bool
    usual: int


def find_shape(lines: Iterable[str], need_tags: bool = True) -> Shape:
    """Return how the lines of a file are read; see `read_conll` for `need_tags`."""
    widths = Counter(len(line.split()) for line in lines if not _separates(line))
    labelled = need_tags or any(width > 1 for width in widths)
    most_common = widths.most_common(1)[0][0] if widths else 0
    return Shape(labelled, max(2, most_common) if labelled else 1)


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


class Block(NamedTuple):
    """A sentence as it stands in a file.

    Attributes:
        before: the lines between it and the one before, blank ones and such.
        lines: its own; none after the last sentence, where there are lines between.
        sentence: what they hold, None without lines.
    """

    before: tuple[str, ...]
    lines: tuple[str, ...]
    sentence: Optional[Sentence]


def _make_block(
    before: list[str], lines: list[str], first: int, path: str, shape: Shape
) -> Block:
    columns, tags = zip(
        *(
            _parse_line(line, f"{path}: line {number}", shape.usual)
            for number, line in enumerate(lines, start=first)
        )
    )
    sentence = Sentence(columns, tags if shape.labelled else None, first)
    return Block(tuple(before), tuple(lines), sentence)


def iterate_blocks(lines: Iterable[str], path: str, shape: Shape) -> Iterator[Block]:
    """Yield the sentences of a file, one after the other; see `read_conll`.

    Args:
        lines: of the whole file.
        path: names the file in messages.
        shape: see `find_shape`.
    """
    before: list[str] = []
    inside: list[str] = []
    number = 0
    for number, line in enumerate(lines, start=1):
        if not _separates(line):
            inside.append(line)
            continue
        if inside:
            yield _make_block(before, inside, number - len(inside), path, shape)
            before, inside = [], []
        before.append(line)
    if inside:
        yield _make_block(before, inside, number + 1 - len(inside), path, shape)
    elif before:
        yield Block(tuple(before), (), None)


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
    blocks = iterate_blocks(lines, path, find_shape(lines, need_tags))
    sentences = tuple(block.sentence for block in blocks if block.sentence)
    if not sentences:
        raise UserError(f"{path} holds no sentence")
    return ConllFile(path, lines, sentences)


def check_characters(sentence: Sentence, path: str) -> None:
    """Stop at raw text where a file of one character a line is due.

    A word of Latin letters or a number may be a column; several Chinese characters in
    one column are a text that would get a single label.

    Raises:
        UserError: the first such line of a sentence without tags.
    """
    if sentence.tags is not None:
        return
    for line, column in enumerate(sentence.columns, start=sentence.line):
        if sum(map(is_chinese, column)) > 1:
            raise UserError(
                f"{path}: line {line} holds several characters; write one character a "
                "line, a blank line between sentences"
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
