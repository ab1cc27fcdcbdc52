"""Text files to documents of tokens: ids, and marks of the tokens that continue words.

Nothing here is random, so documents can be encoded in any order and in any process,
and each sentence is tokenised and segmented once, however often it is used.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Callable, Iterable, Iterator, NamedTuple, Optional, Sequence

import numpy as np

from albert.base import files
from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.pairing import NUM_SPECIAL_TOKENS
from albert.text.tokenization import Tokenizer
from albert.text.user_dictionary import read_user_dictionary
from albert.text.vocabulary import CONTINUATION, UNK, Vocabulary
from albert.text.word_segmentation import MARKERS, Cut, has_chinese, load_segmenter


class Document(NamedTuple):
    """The tokens of a document.

    Attributes:
        ids: int32 [tokens], as the model sees them: without the ## of marked tokens.
        marked: bool [tokens], whether a token continues a word by the segmenter, but
            has no ## itself.
        joins: bool [tokens], whether it continues a word at all: marked, or a token
            that starts with ##.
        sentence_lengths: tokens of each sentence, none of them empty.
        file: the number of its file, see `sources.Text`.
    """

    ids: np.ndarray
    marked: np.ndarray
    joins: np.ndarray
    sentence_lengths: tuple[int, ...]
    file: int = 0


Words = Sequence[tuple[str, Sequence[str]]]  # each word with its pieces


class _Sentence(NamedTuple):
    """A sentence's part of a Document, and its words that became [UNK]."""

    ids: list[int]
    marked: list[bool]
    unknown_words: list[str]


@dataclasses.dataclass
class TextCounts:
    """What was read; `add` sums the counts of parts.

    Attributes:
        documents: documents with at least one token.
        empty_documents: those with lines, but without tokens.
        single_sentence_documents: those of one sentence, which make no pair.
        sentences, tokens: of all documents.
        unknown_tokens: tokens that are [UNK].
        unknown_words: word -> how often it became [UNK].
        truncated_sentences: those of more tokens than an instance has room for.
    """

    documents: int = 0
    empty_documents: int = 0
    single_sentence_documents: int = 0
    sentences: int = 0
    tokens: int = 0
    unknown_tokens: int = 0
    unknown_words: Counter = dataclasses.field(default_factory=Counter)
    truncated_sentences: int = 0

    def add(self, other: TextCounts) -> None:
        """Add the counts of another part of the text."""
        for field in dataclasses.fields(self):
            name = field.name
            if name == "unknown_words":
                self.unknown_words.update(other.unknown_words)
            else:
                setattr(self, name, getattr(self, name) + getattr(other, name))


def clean_line(line: str) -> str:
    """Return a line without what the reference drops before it tokenises.

    Carriage returns go, as in TensorFlow's file reader; then three spaces become one,
    two become one, and white space at both ends goes.
    """
    line = line.replace("\r", "").replace("   ", " ").replace("  ", " ")
    return line.strip()


def split_documents(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the cleaned lines of each document; blank lines stand between documents."""
    document: list[str] = []
    for line in map(clean_line, lines):
        if line:
            document.append(line)
        elif document:
            yield document
            document = []
    if document:
        yield document


def read_lines(
    paths: Sequence[str], advance: Callable[[int], object] = lambda size: None
) -> Iterator[str]:
    """Yield the lines of all files; a document may go on from one file to the next.

    Args:
        paths: UTF-8 text files.
        advance: see `files.read_lines`.

    Raises:
        UserError: a line is not UTF-8; the message names file and line.
    """
    for path in paths:
        yield from files.read_lines(path, advance)


def _load_segmenter(config: PretrainingDataConfig) -> Cut:
    words = []
    if config.jieba_user_dict:
        words = read_user_dictionary(config.jieba_user_dict, config.do_lower_case)
    return load_segmenter(config.segmenter, words)


class TokenEncoder:
    """Lines of text to a Document of tokens, without word segmentation."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int):
        """Keep the tokeniser, and how many tokens an instance has room for."""
        self._tokenizer = tokenizer
        self._vocabulary = tokenizer.vocabulary
        self._is_piece = np.array(
            [token.startswith(CONTINUATION) for token in self._vocabulary.tokens]
        )
        self._max_tokens = max_tokens

    def encode(self, lines: Iterable[str]) -> tuple[Optional[Document], TextCounts]:
        """Return the document that `lines` make, None if none of them has a token."""
        words = map(self._tokenizer.tokenize_words, lines)
        sentences = [s for s in map(self._encode_words, words) if s.ids]
        if not sentences:
            return None, TextCounts(empty_documents=1)
        ids = np.array([i for s in sentences for i in s.ids], np.int32)
        marked = np.array([mark for s in sentences for mark in s.marked], bool)
        joins = marked | self._is_piece[ids]
        lengths = tuple(len(s.ids) for s in sentences)
        unknown = Counter(word for s in sentences for word in s.unknown_words)
        counts = TextCounts(
            documents=1,
            single_sentence_documents=int(len(sentences) == 1),
            sentences=len(sentences),
            tokens=len(ids),
            unknown_tokens=sum(unknown.values()),
            unknown_words=unknown,
            truncated_sentences=sum(n > self._max_tokens for n in lengths),
        )
        return Document(ids, marked, joins, lengths), counts

    def _encode_words(self, words: Words) -> _Sentence:
        tokens = [piece for _, pieces in words for piece in pieces]
        ids = self._vocabulary.to_ids(tokens)
        unknown = [w for w, pieces in words if pieces == [UNK]] if UNK in tokens else []
        return _Sentence(ids, [False] * len(ids), unknown)


class DocumentEncoder(TokenEncoder):
    """Lines of text to a Document, by one vocabulary and one segmenter."""

    def __init__(self, vocabulary: Vocabulary, config: PretrainingDataConfig):
        """Load the segmenter and the user's words; UserError where one is not there."""
        super().__init__(
            Tokenizer(vocabulary, config.do_lower_case),
            config.max_seq_length - NUM_SPECIAL_TOKENS,
        )
        self._mark = MARKERS[config.whole_word_spans]
        self._cut = None if config.non_chinese else _load_segmenter(config)
        self._keeps_marks = config.whole_word_spans == "reference" and (
            config.continuation_labels
        )

    def _encode_words(self, words: Words) -> _Sentence:
        sentence = super()._encode_words(words)
        if self._cut is None:
            return sentence
        ids, marked = sentence.ids, self._mark(words, self._cut)
        if self._keeps_marks:
            tokens = [piece for _, pieces in words for piece in pieces]
            ids, marked = self._keep_marks(tokens, ids, marked)
        return sentence._replace(ids=ids, marked=marked)

    def _keep_marks(
        self, tokens: Sequence[str], ids: Sequence[int], marked: Sequence[bool]
    ) -> tuple[list[int], list[bool]]:
        """Return ids and marks with the ## form of marked tokens that have one to show.

        The reference takes the ## away again from Chinese tokens alone: in the word
        江南style the model sees 江 南 ##style, and that is the label too.
        """
        new_ids, new_marked = list(ids), list(marked)
        for index, mark in enumerate(marked):
            if mark and not has_chinese(tokens[index]):
                piece = self._vocabulary.ids.get(CONTINUATION + tokens[index])
                if piece is not None:
                    new_ids[index], new_marked[index] = piece, False
        return new_ids, new_marked
