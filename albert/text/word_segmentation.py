"""Sentences to words: segmenters, and the tokens that continue a Chinese word.

The only file that imports jieba and rjieba.
"""

from __future__ import annotations

import functools
import logging
import re
import warnings
from itertools import accumulate
from typing import Callable, Sequence

from albert.base.errors import UserError
from albert.base.optional import extra
from albert.text.user_dictionary import UserWord

Cut = Callable[[str], Sequence[str]]
# A word of the text as `Tokenizer.tokenize_words` gives it: (word, its pieces).
Word = tuple[str, list[str]]

# What albert_zh takes for a Chinese character: the first block of ideographs.
_CHINESE = re.compile("[\u4e00-\u9fa5]")
_LONGEST_MATCH = 3  # albert_zh looks for words of up to three tokens
# Ideographs that jieba takes for signs, each by itself, and rjieba for letters.
_BEYOND_JIEBA = re.compile(
    "([\u3400-\u4dbf\u9fd6-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+)"
)
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair, as JSON can escape it


@functools.lru_cache(maxsize=1 << 17)
def has_chinese(token: str) -> bool:
    """Whether `token` holds a character of U+4E00..U+9FA5."""
    return _CHINESE.search(token) is not None


def _load_jieba(user_words: Sequence[UserWord]) -> Cut:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pkg_resources, which jieba imports
        import jieba
    jieba.setLogLevel(logging.WARNING)  # it reports the loading of its dictionary
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    for word, frequency in user_words:
        tokenizer.add_word(word, frequency)
    return tokenizer.lcut


def _load_rjieba(user_words: Sequence[UserWord]) -> Cut:
    with extra("rjieba"):
        import rjieba
    tokenizer = rjieba.Jieba()
    if user_words and not hasattr(tokenizer, "add_word"):
        raise UserError(
            "--jieba_user_dict: this version of rjieba takes no words of one's own; "
            "pip install --upgrade rjieba, or use --segmenter=jieba"
        )
    for word, frequency in user_words:
        tokenizer.add_word(word, frequency, None)
    cut = tokenizer.cut

    def cut_as_jieba(text: str) -> list[str]:
        try:
            return cut_parts(text)
        except UnicodeEncodeError:  # Rust's strings hold no half a surrogate pair
            return cut_parts(_HALF.sub("\ufffd", text))

    def cut_parts(text: str) -> list[str]:
        parts = _BEYOND_JIEBA.split(text)
        words = cut(parts[0])
        for rare, part in zip(parts[1::2], parts[2::2]):
            words += [*rare, *cut(part)]
        return words

    return cut_as_jieba


_LOADERS = {"jieba": _load_jieba, "rjieba": _load_rjieba}
SEGMENTERS = tuple(_LOADERS)


def load_segmenter(name: str, user_words: Sequence[UserWord] = ()) -> Cut:
    """Return the function that cuts a text into words, none lost.

    rjieba gives U+FFFD for half a surrogate pair.

    Args:
        name: "jieba", the reference, or "rjieba", the same algorithm and dictionary
            in Rust; they agree on Chinese words and may differ in other signs.
        user_words: added to the dictionary.

    Raises:
        UserError: the package is not installed, or is too old to take words.
    """
    return _LOADERS[name](user_words) if user_words else _load_as_it_comes(name)


@functools.cache
def _load_as_it_comes(name: str) -> Cut:
    """Return a segmenter without added words; nothing changes it, so one is enough."""
    return _LOADERS[name](())


def mark_by_word_set(words: Sequence[Word], cut: Cut) -> list[bool]:
    """Mark the tokens that continue a word, as albert_zh does.

    The words of the joined tokens form a set. From the left, at a token with a Chinese
    character, the next three tokens, else the next two, are one word where they stand
    in that set joined. So words of more than three tokens are never kept whole, and a
    match may come from another place in the sentence.

    Args:
        words: the words of a sentence with their pieces.
        cut: a segmenter.

    Returns:
        For each token, whether it continues the token before it.

    Example: 卷积神经网络 is one token a character. Where jieba cuts 卷积 and 神经网络,
    the marks are 卷 积* 神 经 网 络: the second word is too long to be matched; if
    the sentence has 神经 and 网络 as words elsewhere, they are 卷 积* 神 经* 网 络*.
    """
    tokens = [piece for _, pieces in words for piece in pieces]
    text = "".join(tokens)
    known = set(cut(text))
    ends = list(accumulate(map(len, tokens)))
    count = len(tokens)
    marks = [False] * count
    index = 0
    while index < count:
        matched = 1
        if has_chinese(tokens[index]):
            start = ends[index] - len(tokens[index])
            for length in range(min(_LONGEST_MATCH, count - index), 1, -1):
                if text[start : ends[index + length - 1]] in known:
                    marks[index + 1 : index + length] = [True] * (length - 1)
                    matched = length
                    break
        index += matched
    return marks


def mark_by_spans(words: Sequence[Word], cut: Cut) -> list[bool]:
    """Mark the tokens that continue a word, by the segmenter's real spans.

    The words of the sentence, joined, are cut; inside every span that holds a Chinese
    character, of any length, each word after the first continues it. Spans without one
    are left to WordPiece.

    Args:
        words: the words of a sentence with their pieces.
        cut: a segmenter.

    Returns:
        For each token, whether it continues the token before it.

    Example: where jieba cuts 卷积 and 神经网络, the marks are 卷 积* 神 经* 网* 络*.
    """
    inside: set[int] = set()  # offsets of characters that continue a span
    start = 0
    for span in cut("".join(word for word, _ in words)):
        end = start + len(span)
        if end - start > 1 and _CHINESE.search(span):
            inside.update(range(start + 1, end))
        start = end
    marks: list[bool] = []
    offset = 0
    for word, pieces in words:
        marks.append(offset in inside)
        marks += [False] * (len(pieces) - 1)
        offset += len(word)
    return marks


# The rules of --whole_word_spans.
MARKERS: dict[str, Callable[[Sequence[Word], Cut], list[bool]]] = {
    "reference": mark_by_word_set,
    "exact": mark_by_spans,
}
