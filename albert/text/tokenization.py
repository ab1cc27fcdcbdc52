"""Vocabulary, and the basic and WordPiece tokenisers of BERT (no TensorFlow).

Source: Devlin et al., "BERT" (2019), and the WordPiece algorithm of Schuster and
Nakajima (2012): greedy longest match from the left.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from typing import Iterable, Sequence

from albert.base.errors import UserError

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
CONTINUATION = "##"

_MAX_WORD_LENGTH = 200  # longer words are [UNK], as in BERT
_MAX_CACHED_CHUNKS = 1_000_000
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


class Vocabulary:
    """The tokens of a vocabulary in file order, and their ids.

    Attributes:
        tokens: every token; a token's index is its id.
        ids: token -> id.
        sha256: hex digest of the file's bytes, which names the vocabulary in metadata.
        path: the file it came from, for messages.
    """

    def __init__(self, tokens: Sequence[str], sha256: str = "", path: str = ""):
        """Check and keep `tokens`.

        Raises:
            UserError: a token stands twice, is empty, or a special token is missing.
        """
        self.tokens = tuple(tokens)
        self.path = path
        where = path or "vocabulary"
        self.ids = {token: index for index, token in enumerate(self.tokens)}
        if len(self.ids) != len(self.tokens):
            token, count = Counter(self.tokens).most_common(1)[0]
            line = self.tokens.index(token) + 1
            raise UserError(
                f"{where}: token {token!r} (line {line}) stands {count} times; "
                "each must be there once"
            )
        if "" in self.ids:
            raise UserError(f"{where}: line {self.ids[''] + 1} is empty")
        missing = [token for token in SPECIAL_TOKENS if token not in self.ids]
        if missing:
            raise UserError(f"{where}: lacks the special token {', '.join(missing)}")
        if self.ids[PAD] != 0:
            raise UserError(
                f"{where}: {PAD} must be the first token (padding is id 0), "
                f"it has id {self.ids[PAD]}"
            )
        text = "".join(token + "\n" for token in self.tokens)
        self.sha256 = sha256 or hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self.ids

    def to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of `tokens`; KeyError for a token that is not there."""
        return [self.ids[token] for token in tokens]

    def to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of `ids`; IndexError for an id past the end."""
        return [self.tokens[index] for index in ids]


def load_vocabulary(path: str) -> Vocabulary:
    """Read a vocabulary: UTF-8, one token a line, blanks around it ignored.

    Raises:
        UserError: as `Vocabulary`, and for a file that is missing or not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise UserError(f"vocabulary {path}: {error.strerror}") from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}: line {line} is not UTF-8") from error
    tokens = [line.strip(" \t\r") for line in text.split("\n")]
    while tokens and not tokens[-1]:
        tokens.pop()
    return Vocabulary(tokens, hashlib.sha256(content).hexdigest(), path)


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


def _is_control(character: str) -> bool:
    if character in "\t\n\r":
        return False
    return unicodedata.category(character) in ("Cc", "Cf")


def _strip_accents(text: str) -> str:
    return "".join(
        c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"
    )


class _Cleaning(dict):
    """Code point -> what `_clean` makes of it, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if is_chinese(character):
            cleaned = f" {character} "
        elif character in "\0\ufffd" or _is_control(character):
            cleaned = ""
        else:
            cleaned = " " if _is_whitespace(character) else character
        self[code] = cleaned
        return cleaned


_CLEANING = _Cleaning()


def _clean(text: str) -> str:
    """Drop control characters, make white space a space, set ideographs apart."""
    return text.translate(_CLEANING)


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


def _split_chunk(chunk: str, do_lower_case: bool) -> list[str]:
    """Split what stands between two spaces of cleaned text."""
    if do_lower_case:
        chunk = _strip_accents(chunk.lower())
    return " ".join(_split_at_punctuation(chunk)).split()


def split_pieces(word: str, vocabulary: Vocabulary) -> list[str]:
    """Cut one word into the longest pieces from the left; `[UNK]` if that fails.

    Example: with `soft` and `##max` in the vocabulary, `softmax` is `soft ##max`.
    """
    if len(word) > _MAX_WORD_LENGTH:
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


class Tokenizer:
    """Basic tokenisation, then WordPiece; remembers the words of each chunk.

    A chunk is what stands between two spaces once ideographs are set apart, so a text
    repeats few of them often.
    """

    def __init__(self, vocabulary: Vocabulary, do_lower_case: bool = True):
        self.vocabulary = vocabulary
        self.do_lower_case = do_lower_case
        self._cache: dict[str, list[tuple[str, list[str]]]] = {}

    def tokenize_words(self, text: str) -> list[tuple[str, list[str]]]:
        """Return each word of `text` with its pieces (`[UNK]` alone if it has none).

        The lists of pieces are shared between calls: not to be changed.
        """
        output: list[tuple[str, list[str]]] = []
        for chunk in _clean(text).split():
            words = self._cache.get(chunk)
            output += self._add(chunk) if words is None else words
        return output

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of `text`."""
        return [piece for _, pieces in self.tokenize_words(text) for piece in pieces]

    def _add(self, chunk: str) -> list[tuple[str, list[str]]]:
        if len(self._cache) >= _MAX_CACHED_CHUNKS:
            self._cache.clear()
        words = self._cache[chunk] = [
            (word, split_pieces(word, self.vocabulary))
            for word in _split_chunk(chunk, self.do_lower_case)
        ]
        return words
