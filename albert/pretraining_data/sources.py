"""Input files to documents of lines: plain text or JSON lines, also compressed by gzip.

Everything is read as a stream; no file is held in memory.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Callable, Iterator, NamedTuple, Optional, Sequence

from albert.base import files
from albert.base.errors import UserError
from albert.pretraining_data import documents

_CHUNK_BYTES = 1 << 20
# JSON can name half of a surrogate pair, which is no character and cannot be written.
# U+FFFD stands for one that is lost, and tokenisation drops it.
_HALF_PAIR = re.compile("[\ud800-\udfff]")
# A sentence ends after 。！？； and the closing quotes and brackets that follow, but
# not at a 。 between digits, as in a badly scanned 3。5; a full stop (3.5) ends none.
_END = "(?:[！？；]|(?<![0-9])。|。(?![0-9]))"
_SENTENCE = re.compile(f".*?(?:{_END}+[”’」』）)\\]】》\"']*|$)")


class Text(NamedTuple):
    """A document as it was read.

    Attributes:
        lines: cleaned, none of them empty.
        file: the number of its file, 0 where documents go on from file to file.
    """

    lines: Sequence[str]
    file: int = 0


class Survey(NamedTuple):
    """The size of all input, decompressed, in bytes, and its content's hex digest."""

    bytes: int
    sha256: str


def survey(paths: Sequence[str]) -> Survey:
    """Read all files through.

    Raises:
        UserError: a file that begins as gzip does cannot be decompressed, or it is a
            pipe or a device, which cannot be read again.
    """
    total = 0
    digest = hashlib.sha256()
    for path in paths:
        if not os.path.isfile(path):
            raise UserError(
                f"{path} is no regular file, and input is read twice: write what it "
                "gives to a file"
            )
        file_digest = hashlib.sha256()
        with files.open_binary(path) as file, files.say_what_is_damaged(path):
            while chunk := file.read(_CHUNK_BYTES):
                total += len(chunk)
                file_digest.update(chunk)
        digest.update(file_digest.digest())
    return Survey(total, digest.hexdigest())


def split_sentences(text: str) -> list[str]:
    """Split a text into sentences.

    A sentence ends at the end of a line, and after 。！？； (one or more) with the
    closing quotes and brackets that follow. Full stops end none, so decimal numbers
    and abbreviations stay whole; neither does a 。 between two digits.

    Example: 他说：“好。”误差是3.5；完 has the sentences 他说：“好。” 误差是3.5； 完.
    """
    sentences = []
    for line in text.split("\n"):
        found = map(documents.clean_line, _SENTENCE.findall(line))
        sentences += [sentence for sentence in found if sentence]
    return sentences


def _read_json_documents(
    path: str, text_field: str, advance: Callable[[int], object]
) -> Iterator[list[str]]:
    for number, line in enumerate(files.read_lines(path, advance), start=1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        value = files.parse_json(line, where)
        if not isinstance(value, dict) or text_field not in value:
            raise UserError(f"{where} is no JSON object with a field {text_field!r}")
        text = value[text_field]
        if not isinstance(text, str):
            raise UserError(f"{where}: the field {text_field!r} is not a string")
        sentences = split_sentences(_HALF_PAIR.sub("\ufffd", text))
        if sentences:
            yield sentences


def read_documents(
    paths: Sequence[str],
    text_field: Optional[str],
    advance: Callable[[int], object] = lambda size: None,
) -> Iterator[list[str]]:
    """Yield the cleaned lines of each document.

    Args:
        paths: UTF-8 files, plain or compressed by gzip. In text, a blank line stands
            between documents and one may go on from a file to the next; with
            `text_field`, each line is a JSON object and a document.
        text_field: the field of the text, or None for plain text.
        advance: see `files.read_lines`.

    Raises:
        UserError: a line is not UTF-8 or not as described, with file and line.
    """
    if text_field is None:
        yield from documents.split_documents(documents.read_lines(paths, advance))
        return
    for path in paths:
        yield from _read_json_documents(path, text_field, advance)


def read_texts(
    paths: Sequence[str],
    text_field: Optional[str],
    across_files: bool,
    advance: Callable[[int], object] = lambda size: None,
) -> Iterator[Text]:
    """Yield each document; see `read_documents`.

    Args:
        across_files: whether a document may go on from a file to the next.
    """
    if across_files:
        yield from map(Text, read_documents(paths, text_field, advance))
        return
    for file, path in enumerate(paths):
        for lines in read_documents([path], text_field, advance):
            yield Text(lines, file)
