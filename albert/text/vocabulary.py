"""Vocabularies: their tokens and ids, and what names them (no TensorFlow)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from typing import Any, Iterable, Sequence

from albert.base.errors import UserError

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
CONTINUATION = "##"


class Vocabulary:
    """The tokens of a vocabulary in file order, and their ids.

    Attributes:
        tokens: every token; a token's index is its id.
        ids: token -> id.
        sha256: hex digest of the tokens, each followed by a line feed: that of the
            file's bytes, unless these have a byte order mark, other line ends or none
            after the last token.
        file_sha256: hex digest of the file's bytes; "" without a file.
        path: the file it came from, for messages.
    """

    def __init__(self, tokens: Sequence[str], file_sha256: str = "", path: str = ""):
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
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        self.file_sha256 = file_sha256

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

    So are a byte order mark and empty lines at the end.

    Raises:
        UserError: as `Vocabulary`, and for a file that is missing or not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise UserError(f"vocabulary {path}: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}: line {line} is not UTF-8") from error
    tokens = [line.strip(" \t\r") for line in text.split("\n")]
    while tokens and not tokens[-1]:
        tokens.pop()
    return Vocabulary(tokens, hashlib.sha256(content).hexdigest(), path)


@dataclasses.dataclass(frozen=True)
class VocabularyId:
    """Names a vocabulary.

    Attributes:
        sha256: hex digest of the tokens, see `Vocabulary`; metadata of earlier
            versions hold that of the file's bytes.
        size: number of tokens.
        path: where it was read from, for messages.
        file_sha256: hex digest of the file's bytes, "" where it is not known.
    """

    sha256: str
    size: int
    path: str
    file_sha256: str = dataclasses.field(default="", compare=False)

    def has_tokens_of(self, other: VocabularyId) -> bool:
        """Whether both name the same tokens in the same order."""
        mine = {self.sha256, self.file_sha256} - {""}
        return not mine.isdisjoint((other.sha256, other.file_sha256))


def identify(vocabulary: Vocabulary) -> VocabularyId:
    """Return the name of a loaded vocabulary."""
    return VocabularyId(
        vocabulary.sha256, len(vocabulary), vocabulary.path, vocabulary.file_sha256
    )


def parse_vocabulary(named: Any, where: str, path: str = "") -> VocabularyId:
    """Return the vocabulary that an entry of metadata names.

    Args:
        named: an object with "sha256", "size" and perhaps "path".
        where: the file it stands in, for messages.
        path: what to call the vocabulary, where the entry has no path.

    Raises:
        UserError: the entry is not of this form.
    """
    try:
        sha256, size = named["sha256"], named["size"]
        path = named.get("path", path)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{where} does not name a vocabulary as it should") from error
    if not (isinstance(sha256, str) and isinstance(size, int)):
        raise UserError(f"{where} does not name a vocabulary as it should")
    return VocabularyId(sha256, size, path)
