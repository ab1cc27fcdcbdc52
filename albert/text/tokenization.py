"""The basic and WordPiece tokenisers of BERT (no TensorFlow).

Source: Devlin et al., "BERT" (2019), and the WordPiece algorithm of Schuster and
Nakajima (2012): greedy longest match from the left.
"""

from __future__ import annotations

import unicodedata
from typing import Iterator, NamedTuple, Sequence

from albert.text.vocabulary import CONTINUATION, UNK, Vocabulary

MAX_WORD_LENGTH = 200  # longer words are [UNK], as in BERT
_MAX_CACHED_CHUNKS = 1_000_000
# Longer ones hardly come twice, and would fill the memory of a service.
MAX_CACHED_LENGTH = 64
# CJK unified ideographs, their extensions A to E and the compatibility ideographs.
_CJK_RANGES = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
# ASCII that counts as punctuation although Unicode calls some of it symbols ($ + ^).
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def is_chinese(character: str) -> bool:
    """Whether BERT's tokeniser sets `character` apart as a CJK ideograph."""
    code = ord(character)
    return code >= 0x3400 and any(low <= code <= high for low, high in _CJK_RANGES)


def is_punctuation(character: str) -> bool:
    """Whether BERT's tokeniser splits at `character`."""
    return character in _ASCII_PUNCTUATION or unicodedata.category(
        character
    ).startswith("P")


def _is_whitespace(character: str) -> bool:
    return character in " \t\n\r" or unicodedata.category(character) == "Zs"


def _is_control(character: str, drop_all_other: bool = False) -> bool:
    """Whether `character` is dropped: of Cc or Cf, or of any category C* if asked."""
    if character in "\t\n\r":
        return False
    category = unicodedata.category(character)
    return category in ("Cc", "Cf") or (drop_all_other and category[0] == "C")


def _strip_accents(text: str) -> str:
    return "".join(
        c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"
    )


class _Cleaning(dict):
    """Code point -> what `_clean` makes of it, filled as characters are met."""

    def __init__(self, drop_all_other: bool = False):
        super().__init__()
        self._drop_all_other = drop_all_other

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if is_chinese(character):
            cleaned = f" {character} "
        elif character in "\0\ufffd" or _is_control(character, self._drop_all_other):
            cleaned = ""
        else:
            cleaned = " " if _is_whitespace(character) else character
        self[code] = cleaned
        return cleaned


_CLEANING = {rule: _Cleaning(rule) for rule in (False, True)}


def _clean(text: str, drop_all_other: bool = False) -> str:
    """Drop control characters, make white space a space, set ideographs apart."""
    return text.translate(_CLEANING[drop_all_other])


def _split_at_punctuation(word: str) -> list[str]:
    if word.isalnum():
        return [word]
    pieces: list[str] = []
    start_new = True
    for character in word:
        if is_punctuation(character):
            pieces.append(character)
            start_new = True
        elif start_new:
            pieces.append(character)
            start_new = False
        else:
            pieces[-1] += character
    return pieces


def split_words(text: str, do_lower_case: bool) -> list[str]:
    """Split text into words, single ideographs and single punctuation marks.

    Args:
        text: one line of text.
        do_lower_case: also lower-case and strip accents (NFD without marks).

    Example: `split_words("用BERT-Base做", True)` is `用 bert - base 做`.
    """
    return [
        word
        for chunk in _clean(text).split()
        for word in _split_chunk(chunk, do_lower_case)
    ]


def _split_chunk(
    chunk: str, do_lower_case: bool, strip_accents: bool = True
) -> list[str]:
    """Split what stands between two spaces of cleaned text."""
    if do_lower_case:
        chunk = chunk.lower()
        if strip_accents:
            chunk = _strip_accents(chunk)
    return " ".join(_split_at_punctuation(chunk)).split()


def split_pieces(word: str, vocabulary: Vocabulary) -> list[str]:
    """Cut one word into the longest pieces from the left; `[UNK]` if that fails.

    Example: with `soft` and `##max` in the vocabulary, `softmax` is `soft ##max`.
    """
    if len(word) > MAX_WORD_LENGTH:
        return [UNK]
    pieces = []
    start = 0
    while start < len(word):
        prefix = CONTINUATION if start else ""
        for end in range(len(word), start, -1):
            piece = prefix + word[start:end]
            if piece in vocabulary:
                break
        else:
            return [UNK]
        pieces.append(piece)
        start = end
    return pieces


class Token(NamedTuple):
    """A token, and the part of the text that it stands for: text[start:end]."""

    text: str
    start: int
    end: int


def _locate_characters(
    chunk: str, do_lower_case: bool, strip_accents: bool = True
) -> list[tuple[int, int]]:
    """Return which part of a chunk each character of its words comes from.

    Lower-casing makes two characters of İ, NFD makes up to four of some, and accents
    go: what is dropped after a character belongs to it. Where NFD moves a tone mark of
    Hangul past an accent, each counts as standing in the other's place.

    Returns:
        (start, end) for each character of the words of `_split_chunk`, in order.
    """
    sources = list(range(len(chunk)))
    strip_accents = strip_accents and do_lower_case
    if do_lower_case:
        steps = [str.lower]
        if strip_accents:
            steps.append(lambda text: unicodedata.normalize("NFD", text))
        for step in steps:
            sources = [i for c, i in zip(chunk, sources) for _ in step(c)]
            chunk = step(chunk)
    spans: list[tuple[int, int]] = []
    for character, source in zip(chunk, sources):
        if strip_accents and unicodedata.category(character) == "Mn":
            if spans:
                spans[-1] = spans[-1][0], source + 1
        elif not character.isspace():
            spans.append((source, source + 1))
    return spans


class Tokenizer:
    """Basic tokenisation, then WordPiece; remembers the words of short chunks.

    A chunk is what stands between two spaces once ideographs are set apart, so a text
    repeats few of them often.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        do_lower_case: bool = True,
        strip_accents: bool = True,
        drop_all_other: bool = False,
    ):
        """Keep the vocabulary and the rules.

        Args:
            vocabulary: of the tokens.
            do_lower_case: lower-case the text.
            strip_accents: then also strip accents (NFD without marks).
            drop_all_other: drop characters of every category C*, private and unassigned
                ones too, as ELECTRA does; otherwise Cc and Cf alone, as BERT does.
        """
        self.vocabulary = vocabulary
        self.do_lower_case = do_lower_case
        self.strip_accents = strip_accents
        self._drop_all_other = drop_all_other
        self._cache: dict[str, list[tuple[str, list[str]]]] = {}

    def tokenize_words(self, text: str) -> list[tuple[str, list[str]]]:
        """Return each word of `text` with its pieces (`[UNK]` alone if it has none).

        The lists of pieces are shared between calls: not to be changed.
        """
        output: list[tuple[str, list[str]]] = []
        for chunk in _clean(text, self._drop_all_other).split():
            words = self._cache.get(chunk)
            output += self._add(chunk) if words is None else words
        return output

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of `text`."""
        return [piece for _, pieces in self.tokenize_words(text) for piece in pieces]

    def tokenize_with_offsets(self, text: str) -> list[Token]:
        """Return the tokens of `text` and where each stands in it.

        The spans rise: neither starts nor ends ever fall. They overlap only where a
        character of the text was split among tokens, as NFD does to Hangul. A span ends
        after the accents that were stripped from its last character. An [UNK] has the
        span of its word.

        Example: with do_lower_case, "Cafés" is caf[0:3] ##es[3:5] for the pieces
        caf and ##es.
        """
        tokens: list[Token] = []
        sources: list[int] = []  # of a chunk's characters in the text
        chunk = ""
        for index, character in enumerate(text + " "):
            for cleaned in _clean(character, self._drop_all_other):
                if not cleaned.isspace():
                    sources.append(index)
                    chunk += cleaned
                elif chunk:
                    tokens += self._locate(chunk, sources)
                    chunk, sources = "", []
        return tokens

    def _locate(self, chunk: str, sources: Sequence[int]) -> Iterator[Token]:
        """Yield the tokens of a chunk whose characters come from `sources`."""
        words = self._cache.get(chunk) or self._add(chunk)
        spans = _locate_characters(chunk, self.do_lower_case, self.strip_accents)
        start = 0
        for word, pieces in words:
            for index, piece in enumerate(pieces):
                if pieces == [UNK]:
                    length = len(word)
                else:
                    length = len(piece) - (len(CONTINUATION) if index else 0)
                first, last = spans[start][0], spans[start + length - 1][1] - 1
                yield Token(piece, sources[first], sources[last] + 1)
                start += length

    def _add(self, chunk: str) -> list[tuple[str, list[str]]]:
        """Return the words of a chunk; remember those of a short one."""
        words = [
            (word, split_pieces(word, self.vocabulary))
            for word in _split_chunk(chunk, self.do_lower_case, self.strip_accents)
        ]
        if len(chunk) <= MAX_CACHED_LENGTH:
            if len(self._cache) >= _MAX_CACHED_CHUNKS:
                self._cache.clear()
            self._cache[chunk] = words
        return words
