"""Word vectors in the text format of word2vec.

The first line holds the number of tokens and the width; each further line a token and
its values, separated by spaces.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from albert.base.errors import UserError
from albert.text.vocabulary import Vocabulary


class TokenVectors(NamedTuple):
    """Vectors of the tokens of a vocabulary.

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


def read_vectors(path: str, vocabulary: Vocabulary) -> TokenVectors:
    """Read the vectors of a vocabulary's tokens; others are passed over.

    Raises:
        UserError: the file has another format, a line has another width or no numbers,
            or the file has none of the tokens.
    """
    with open(path, encoding="utf-8", errors="replace", newline="\n") as lines:
        width = _read_header(lines.readline(), path)
        values = np.zeros((len(vocabulary), width), np.float32)
        known = np.zeros(len(vocabulary), bool)
        for number, line in enumerate(lines, 2):
            token, *numbers = line.rstrip().split(" ")
            if len(numbers) != width:
                raise UserError(
                    f"{path} line {number}: {len(numbers)} values, but the first line "
                    f"says {width}"
                )
            if token in vocabulary:
                index = vocabulary.ids[token]
                values[index] = _parse(numbers, path, number)
                known[index] = True
    if not known.any():
        raise UserError(
            f"{path}: none of its tokens is in the vocabulary {vocabulary.path}"
        )
    return TokenVectors(values, known)


def _parse(numbers: list[str], path: str, number: int) -> list[float]:
    try:
        found = [float(value) for value in numbers]
    except ValueError as error:
        raise UserError(f"{path} line {number}: {error}") from error
    if not np.isfinite(found).all():
        raise UserError(f"{path} line {number}: a value is not finite")
    return found
