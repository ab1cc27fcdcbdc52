"""Text files to documents of tokens: ids, and marks of the tokens that continue words.

Nothing here is random, so documents can be encoded in any order and in any process,
and each sentence is tokenised and segmented once, however often it is used.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Callable, Iterable, Iterator, NamedTuple, Optional, Sequence

import numpy as np

from albert import files
from albert.config.pretraining_data import PretrainingDataConfig
from albert.tokenization import CONTINUATION, UNK, Tokenizer, Vocabulary
from albert.word_segmentation import MARKERS, has_chinese, load_segmenter


class Document(NamedTuple):
    """The tokens of a document.

    Attributes:
        ids: int32 [tokens], as the model sees them: without the ## of marked tokens.
        marked: bool [tokens], whether a token continues a word by the segmenter.
        joins: bool [tokens], whether it continues a word at all: marked, or a WordPiece
            that starts with ##.
        sentence_lengths: tokens of each sentence, none of them empty.
    """

    ids: np.ndarray
    marked: np.ndarray
    joins: np.ndarray
    sentence_lengths: tuple[int, ...]


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
    """

    documents: int = 0
    empty_documents: int = 0
    single_sentence_documents: int = 0
    sentences: int = 0
    tokens: int = 0
    unknown_tokens: int = 0
    unknown_words: Counter = dataclasses.field(default_factory=Counter)

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
        advance: called with the size of each line, about its bytes, for a progress bar.

    Raises:
        UserError: a line is not UTF-8; the message names file and line.
    """
    for path in paths:
        for line in files.read_lines(path):
            advance(len(line.encode()) + 1)
            yield line


class DocumentEncoder:
    """Lines of text to a Document, by one vocabulary and one segmenter."""

    def __init__(self, vocabulary: Vocabulary, config: PretrainingDataConfig):
        """Load the segmenter; UserError where its package is not installed."""
        self._vocabulary = vocabulary
        self._tokenizer = Tokenizer(vocabulary, config.do_lower_case)
        self._mark = MARKERS[config.whole_word_spans]
        self._cut = None if config.non_chinese else load_segmenter(config.segmenter)
        self._keeps_marks = config.whole_word_spans == "reference" and (
            config.continuation_labels
        )
        self._is_piece = np.array(
            [token.startswith(CONTINUATION) for token in vocabulary.tokens]
        )

    def encode(self, lines: Iterable[str]) -> tuple[Optional[Document], TextCounts]:
        """Return the document that `lines` make, None if none of them has a token."""
        counts = TextCounts()
        ids: list[int] = []
        marks: list[bool] = []
        lengths = []
        for line in lines:
            words = self._tokenizer.tokenize_words(line)
            tokens = [piece for _, pieces in words for piece in pieces]
            if not tokens:
                continue
            if UNK in tokens:
                unknown = [word for word, pieces in words if pieces == [UNK]]
                counts.unknown_words.update(unknown)
            sentence_marks = self._mark_words(words, len(tokens))
            ids += self._to_ids(tokens, sentence_marks)
            marks += sentence_marks
            lengths.append(len(tokens))
        if not lengths:
            counts.empty_documents = 1
            return None, counts
        counts.documents = 1
        counts.single_sentence_documents = int(len(lengths) == 1)
        counts.sentences = len(lengths)
        counts.tokens = len(ids)
        counts.unknown_tokens = sum(counts.unknown_words.values())
        id_array = np.array(ids, np.int32)
        marked = np.array(marks, bool)
        joins = marked | self._is_piece[id_array]
        return Document(id_array, marked, joins, tuple(lengths)), counts

    def _mark_words(self, words: list, num_tokens: int) -> list[bool]:
        if self._cut is None:
            return [False] * num_tokens
        return self._mark(words, self._cut)

    def _to_ids(self, tokens: Sequence[str], marks: Sequence[bool]) -> list[int]:
        """Return the ids of what the model sees.

        The reference takes the ## away again from marked Chinese tokens alone: in a
        word such as 卡拉ok the model sees ##ok, where the vocabulary has it.
        """
        ids = self._vocabulary.to_ids(tokens)
        if not self._keeps_marks:
            return ids
        known = self._vocabulary.ids
        return [
            known.get(CONTINUATION + token, index)
            if mark and not has_chinese(token)
            else index
            for token, mark, index in zip(tokens, marks, ids)
        ]
