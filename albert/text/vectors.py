"""Word vectors in the text format of word2vec.

The first line holds the number of tokens and the width; each further line a token and
its values, separated by spaces.
"""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple

import numpy as np

from albert.base.errors import UserError
from albert.text.vocabulary import Vocabulary


class TokenVectors(NamedTuple):
    """Vectors of the tokens of a vocabulary, or of other units with a number each.

    Attributes:
        values: float32 [V, width]; zeros for a token without a vector.
        known: bool [V], whether a token has one.
    """

    values: np.ndarray
    known: np.ndarray


def _read_header(line: str, path: str) -> int:
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise UserError(
            f"{path} holds no vectors in the text format of word2vec: its first line "
            "must be the number of tokens and the width"
        )
    return int(parts[1])


class _Line(NamedTuple):
    """A line of a file: its number, what it has a vector of, and the values."""

    number: int
    unit: str
    values: list[str]


def _read_lines(lines: Iterator[str], path: str, width: int) -> Iterator[_Line]:
    for number, line in enumerate(lines, 2):
        unit, *values = line.rstrip().split(" ")
        if len(values) != width:
            raise UserError(
                f"{path} line {number}: {len(values)} values, but the first line says "
                f"{width}"
            )
        yield _Line(number, unit, values)


def read_vectors_of(path: str, numbers: Mapping[str, int]) -> TokenVectors:
    """Read the vectors of some units; others are passed over.

    Args:
        numbers: unit -> its number, from 0 on.

    Raises:
        UserError: the file has another format, or a line another width or no numbers.
    """
    with open(path, encoding="utf-8", errors="replace", newline="\n") as lines:
        width = _read_header(lines.readline(), path)
        values = np.zeros((len(numbers), width), np.float32)
        known = np.zeros(len(numbers), bool)
        for line in _read_lines(lines, path, width):
            index = numbers.get(line.unit)
            if index is not None:
                values[index] = _parse(line.values, path, line.number)
                known[index] = True
    return TokenVectors(values, known)


def read_all_vectors(path: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the units of a file, each once, and their vectors, float32 [units, width].

    Raises:
        UserError: as `read_vectors_of`; or the file holds no vector.
    """
    with open(path, encoding="utf-8", errors="replace", newline="\n") as lines:
        width = _read_header(lines.readline(), path)
        found = {
            line.unit: _parse(line.values, path, line.number)
            for line in _read_lines(lines, path, width)
        }
    if not found:
        raise UserError(f"{path} holds no vector")
    return tuple(found), np.array(list(found.values()), np.float32)


def read_vectors(path: str, vocabulary: Vocabulary) -> TokenVectors:
    """Read the vectors of a vocabulary's tokens; others are passed over.

    Raises:
        UserError: as `read_vectors_of`; or the file has none of the tokens.
    """
    found = read_vectors_of(path, vocabulary.ids)
    if not found.known.any():
        raise UserError(
            f"{path}: none of its tokens is in the vocabulary {vocabulary.path}"
        )
    return found


def _parse(numbers: list[str], path: str, number: int) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # it is infinite then
            found = np.array(numbers, np.float32)
    except ValueError as error:
        raise UserError(f"{path} line {number}: {error}") from error
    if not np.isfinite(found).all():
        raise UserError(f"{path} line {number}: a value is not finite")
    return found
