"""Texts from files and standard input, one after the other, in constant memory."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import sys
import tempfile
from typing import IO, Any, Callable, Iterator, Mapping, NamedTuple, Optional, Sequence

from albert.base import files
from albert.base.errors import UserError
from albert.serving.prediction_config import CONLL, JSONL
from albert.tasks.ner.conll import (
    Block,
    check_characters,
    find_shape,
    iterate_blocks,
)

STANDARD_INPUT = "standard input"
_GZIP_MAGIC = b"\x1f\x8b"

Advance = Callable[[int], object]


class Item(NamedTuple):
    """What gets a result of its own.

    Attributes:
        text: the text, of a CoNLL file the columns joined.
        second: the second text, for models that take two.
        second_name: what it is called.
        raw: the lines of the input that it was made of.
        fields: the JSON object that the text is a field of.
        block: of a CoNLL file: the sentence with its lines.
    """

    text: str
    raw: tuple[str, ...]
    fields: Optional[Mapping[str, Any]] = None
    block: Optional[Block] = None
    second: Optional[str] = None
    second_name: str = ""


class Fields(NamedTuple):
    """The fields of JSON objects that hold the text, and the second one, if any.

    Attributes:
        second_name: what the model calls the second text.
    """

    text: str = "text"
    second: Optional[str] = None
    second_name: str = ""


@contextlib.contextmanager
def _open(path: Optional[str]) -> Iterator[IO[bytes]]:
    """Open a file, or standard input for None; gzip is unpacked."""
    with contextlib.ExitStack() as stack:
        if path is None:
            file = sys.stdin.buffer
        else:
            file = stack.enter_context(open(path, "rb"))
        if file.peek(2)[:2] == _GZIP_MAGIC:
            file = stack.enter_context(gzip.GzipFile(fileobj=file))
        yield file


@contextlib.contextmanager
def _open_twice(path: Optional[str]) -> Iterator[IO[bytes]]:
    """Open what can be read again from its start: a pipe is copied to the disk."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_open(path))
        if path is None or not os.path.isfile(path):
            copy = stack.enter_context(tempfile.TemporaryFile())
            with files.say_what_is_damaged(path or STANDARD_INPUT):
                shutil.copyfileobj(file, copy)
            copy.seek(0)
            file = copy
        yield file


def _read_texts(
    path: Optional[str], fields: Fields, advance: Advance
) -> Iterator[Item]:
    name = path or STANDARD_INPUT
    with _open(path) as file:
        lines = files.decode_lines(file, name, advance)
        for number, line in enumerate(lines, start=1):
            if fields.second is None:
                yield Item(line, (line,))
                continue
            text, *others = line.split("\t")
            if len(others) != 1:
                raise UserError(
                    f"{name}: line {number} has {len(others)} tabs; a text, a tab and "
                    f"its {fields.second_name} are expected"
                )
            yield Item(text, (line,), None, None, others[0], fields.second_name)


def _read_objects(
    path: Optional[str], names: Fields, advance: Advance
) -> Iterator[Item]:
    name = path or STANDARD_INPUT
    with _open(path) as file:
        lines = files.decode_lines(file, name, advance)
        for number, line in enumerate(lines, start=1):
            if line.strip():
                where = f"{name}: line {number}"
                fields = files.parse_json(line, where)
                text = _find_text(fields, names.text, where)
                second = None
                if names.second is not None:
                    second = _find_text(fields, names.second, where, "second_field")
                yield Item(text, (line,), fields, None, second, names.second_name)


def _find_text(
    fields: Any, text_field: str, where: str, flag: str = "text_field"
) -> str:
    if not isinstance(fields, dict):
        raise UserError(f"{where} is no JSON object")
    if text_field not in fields:
        raise UserError(
            f"{where} has no field {text_field!r} (--{flag}); it has "
            f"{', '.join(map(repr, fields)) or 'none'}"
        )
    text = fields[text_field]
    if not isinstance(text, str):
        raise UserError(f"{where}: the field {text_field!r} is no string")
    return text


def _read_sentences(path: Optional[str], advance: Advance) -> Iterator[Item]:
    """Yield the sentences of a CoNLL file, as `read_conll` finds them.

    How many fields its lines have is known only after all have been read, so they are
    read twice.
    """
    name = path or STANDARD_INPUT
    with _open_twice(path) as file:
        shape = find_shape(files.decode_lines(file, name), need_tags=False)
        file.seek(0)
        lines = files.decode_lines(file, name, advance)
        for block in iterate_blocks(lines, name, shape):
            columns: Sequence[str] = ()
            if block.sentence is not None:
                check_characters(block.sentence, name)
                columns = block.sentence.columns
            yield Item("".join(columns), (*block.before, *block.lines), None, block)


def _set_apart(items: Iterator[Item], after: Optional[Item]) -> Iterator[Item]:
    """Put a blank line between the last sentence of a file and the next file's."""
    for item in items:
        if after is not None and after.block.lines and not item.block.before:
            block = item.block._replace(before=("",))
            item = item._replace(block=block)
        yield item
        after = None


def read_items(
    paths: Sequence[str],
    input_format: str,
    fields: Fields = Fields(),  # noqa: B008, it is never changed
    advance: Advance = lambda size: None,
) -> Iterator[Item]:
    """Yield the texts of files in order; of standard input where there are no files.

    Args:
        paths: plain or gzip.
        input_format: one of `prediction_config.INPUT_FORMATS`.
        fields: of JSON objects, and whether a text has a second one.
        advance: called with the bytes read since the last call, as they are stored.

    Raises:
        UserError: what is read is not of the format; file and line are named.
    """
    last = None
    for path in paths or (None,):
        if input_format == JSONL:
            yield from _read_objects(path, fields, advance)
        elif input_format == CONLL:
            for item in _set_apart(_read_sentences(path, advance), last):
                yield item
                last = item
        else:
            yield from _read_texts(path, fields, advance)


def count_bytes(paths: Sequence[str]) -> Optional[int]:
    """Return the size of all files, None where one is a pipe or there are none."""
    if not paths or not all(map(os.path.isfile, paths)):
        return None
    return sum(map(os.path.getsize, paths))
