"""Words that a user adds to the segmenter's dictionary."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from albert.base import files
from albert.base.errors import UserError
from albert.text.tokenization import split_words

_FREQUENCY = re.compile("[0-9]+")
_TAG = re.compile("[a-z]{1,3}[0-9]?")  # a part of speech: n, nz, eng
_LONGEST = 100  # a longer "word" is a line of running text


class UserWord(NamedTuple):
    """A word and its frequency; None for one high enough to keep the word whole."""

    word: str
    frequency: Optional[int] = None


def parse_line(line: str) -> tuple[str, Optional[int]]:
    """Return the term of a line, and its frequency where there is one.

    A line is a term, or as in jieba's dictionaries 词 frequency tag, the frequency or
    the tag or both left out. Spaces may stand inside a term; what follows the last one
    is a tag only after a frequency or after a term with other than ASCII letters.

    Example: 云计算 5 n, 云计算 n and 云计算 are the term 云计算; "deep learning" is one
    term.
    """
    fields = line.split()
    has_tag = len(fields) > 1 and _TAG.fullmatch(fields[-1]) is not None
    if has_tag and len(fields) > 2 and _FREQUENCY.fullmatch(fields[-2]):
        return " ".join(fields[:-2]), int(fields[-2])
    if len(fields) > 1 and not fields[0].isascii():
        if _FREQUENCY.fullmatch(fields[-1]):
            return " ".join(fields[:-1]), int(fields[-1])
        if has_tag:
            return " ".join(fields[:-1]), None
    return " ".join(fields), None


def read_user_dictionary(path: str, do_lower_case: bool) -> list[UserWord]:
    """Read a list of terms, or a dictionary in jieba's format.

    The segmenter sees a sentence without spaces and, with `do_lower_case`, in lower
    case, so the words are made so too. Words of one character change nothing and are
    left out; of a word that stands twice the last counts.

    Raises:
        UserError: the file is no UTF-8, a line is no term, or there is none.
        OSError: it cannot be read.
    """
    words: dict[str, UserWord] = {}
    for number, line in enumerate(files.read_lines(path), start=1):
        term, frequency = parse_line(line)
        if len(term) > _LONGEST:
            raise UserError(
                f"--jieba_user_dict: {path}: line {number} has {len(term)} characters; "
                "each line must be a term, or a term, its frequency and its tag"
            )
        word = "".join(split_words(term, do_lower_case))
        if len(word) > 1:
            words[word] = UserWord(word, frequency)
    if not words:
        raise UserError(f"--jieba_user_dict: {path} holds no word")
    return list(words.values())
