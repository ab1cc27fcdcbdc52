"""Texts -> columns and token ids in the graph, by operations of TensorFlow alone.

What `albert.tasks.ner.text.split_text` and `first_piece` do to strings, done to tensors
of characters, so that an exported model takes texts wherever TensorFlow runs.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import Iterable, NamedTuple

import numpy as np
import tensorflow as tf

from albert.tasks.ner.examples import first_piece
from albert.tasks.ner.text import CLOSERS, ENDERS, LINE_ENDS, WORDS
from albert.text.tokenization import MAX_WORD_LENGTH, Tokenizer
from albert.text.vocabulary import CONTINUATION, UNK

_SPACES = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace())
_DECOMPOSED = 0x30000  # from here on, characters have no case and no decomposition


class Columns(NamedTuple):
    """The columns of a batch of texts, one after the other; N columns.

    Attributes:
        ids: int32, [N]; of each column's token.
        text: int32, [N]; the text that it stands in.
        sentence: int32, [N]; its sentence's number, which counts over all texts.
        starts, ends: int32, [N]; where it stands, in characters of its text.
    """

    ids: tf.Tensor
    text: tf.Tensor
    sentence: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor


class _Characters(NamedTuple):
    """The characters of all texts, one after the other."""

    codes: tf.Tensor  # int32, [M]
    text: tf.Tensor  # int32, [M]
    place: tf.Tensor  # int32, [M]; in its text


def _decode(texts: tf.Tensor) -> _Characters:
    characters = tf.strings.unicode_decode(texts, "UTF-8")
    rows = tf.cast(characters.value_rowids(), tf.int32)
    starts = tf.cast(characters.row_starts(), tf.int32)
    codes = characters.values
    return _Characters(codes, rows, tf.range(tf.size(codes)) - tf.gather(starts, rows))


def _is_one_of(codes: tf.Tensor, characters: Iterable[str]) -> tf.Tensor:
    listed = tf.constant([ord(c) for c in characters], codes.dtype)
    return tf.reduce_any(tf.equal(codes[:, None], listed), axis=1)


def _is_latin(codes: tf.Tensor) -> tf.Tensor:
    """Whether a character is one of A-Z, a-z and 0-9."""
    ranges = [(ord(a), ord(b)) for a, b in ("AZ", "az", "09")]
    within = [tf.logical_and(codes >= low, codes <= high) for low, high in ranges]
    return tf.reduce_any(tf.stack(within), axis=0)


def _before(values: tf.Tensor, first: bool) -> tf.Tensor:
    """Return bool [M]: each place's value one place on; `first` is the first's."""
    return tf.concat([tf.fill([1], first), values], axis=0)[:-1]


def _opens_sentence(characters: _Characters) -> tf.Tensor:
    """Return bool [M]: whether a sentence begins at a character.

    It does after marks that end one and the brackets that close after these, and after
    line ends; see `albert.tasks.ner.text`.
    """
    codes, at_start = characters.codes, tf.equal(characters.place, 0)
    ends = _is_one_of(codes, ENDERS)
    closes = _is_one_of(codes, CLOSERS)
    line_end = _is_one_of(codes, LINE_ENDS)
    # A bracket belongs to the marks before it where only brackets stand between. What
    # no bracket precedes heads a run: itself, and the brackets that follow it.
    heads = tf.logical_or(~closes, at_start)
    run = tf.cumsum(tf.cast(heads, tf.int32)) - 1
    in_end = tf.logical_or(ends, tf.gather(tf.boolean_mask(ends, heads), run))
    after_end = tf.logical_and(_before(in_end, False), ~tf.logical_and(in_end, ~heads))
    # A run of marks, too, is one end.
    after_end = tf.logical_and(after_end, ~tf.logical_and(ends, _before(ends, False)))
    after_line = tf.logical_and(_before(line_end, False), ~line_end)
    return tf.reduce_any(tf.stack([at_start, after_end, after_line]), axis=0)


def _joins(characters: _Characters, latin_columns: str) -> tf.Tensor:
    """Return bool [M]: whether a character goes on with the column before it."""
    if latin_columns != WORDS:
        return tf.zeros_like(characters.codes, tf.bool)
    latin = _is_latin(characters.codes)
    inside = tf.greater(characters.place, 0)
    return tf.reduce_all(tf.stack([latin, _before(latin, False), inside]), axis=0)


class ColumnReader:
    """Cuts texts into columns with token ids; makes its tables in the current graph."""

    def __init__(self, tokenizer: Tokenizer, latin_columns: str):
        """Make the tables.

        Args:
            tokenizer: the model's.
            latin_columns: see `albert.tasks.ner.text`.
        """
        self._latin_columns = latin_columns
        self._unknown = tokenizer.vocabulary.ids[UNK]
        self._character_ids = _character_table(tokenizer)
        self._pieces = PieceFinder(tokenizer) if latin_columns == WORDS else None

    def read(self, texts: tf.Tensor) -> Columns:
        """Return the columns of texts.

        Args:
            texts: string, [B], UTF-8; what is no UTF-8 counts as U+FFFD.
        """
        characters = _decode(texts)
        codes = characters.codes
        kept = ~_is_one_of(codes, _SPACES)
        joins = _joins(characters, self._latin_columns)
        sentence = tf.cumsum(tf.cast(_opens_sentence(characters), tf.int32))
        begins = tf.logical_and(kept, ~joins)
        column = tf.cumsum(tf.cast(begins, tf.int32)) - 1
        column = tf.boolean_mask(column, kept)
        sizes = tf.math.segment_sum(tf.ones_like(column), column)
        starts = tf.boolean_mask(characters.place, begins)
        sentences = tf.boolean_mask(sentence, begins)
        changed = tf.not_equal(sentences[1:], sentences[:-1])  # some have no column
        numbers = tf.cumsum(tf.cast(changed, tf.int32))
        numbers = tf.concat([tf.zeros_like(sentences[:1]), numbers], axis=0)
        ids = self._character_ids.lookup(
            tf.cast(tf.boolean_mask(codes, begins), tf.int64)
        )
        ids = tf.cast(ids, tf.int32)
        if self._pieces is not None:
            words = tf.RaggedTensor.from_row_lengths(
                tf.boolean_mask(codes, kept), sizes
            )
            ids = self._look_up_words(ids, words)
        text = tf.boolean_mask(characters.text, begins)
        return Columns(ids, text, numbers, starts, starts + sizes)

    def _look_up_words(self, ids: tf.Tensor, words: tf.RaggedTensor) -> tf.Tensor:
        """Return the ids of columns; those of several characters are looked up."""
        places = tf.where(words.row_lengths() > 1)
        longer = tf.strings.unicode_encode(tf.gather(words, places[:, 0]), "UTF-8")
        return tf.tensor_scatter_nd_update(ids, places, self._pieces.find_first(longer))


def _character_table(tokenizer: Tokenizer) -> tf.lookup.StaticHashTable:
    """Return code point -> id of the token of a column that is this character."""
    vocabulary = tokenizer.vocabulary
    unknown = vocabulary.ids[UNK]
    pairs = []
    for character in _known_characters(tokenizer):
        number = vocabulary.ids[first_piece(character, tokenizer)]
        if number != unknown:
            pairs.append((ord(character), number))
    codes, ids = np.array(pairs, np.int64).reshape(-1, 2).T
    return _make_table(codes, ids, unknown)


def _known_characters(tokenizer: Tokenizer) -> list[str]:
    """Return the characters that may have a token: some token begins like them."""
    begin = {token[0] for token in tokenizer.vocabulary.tokens}
    known = set(begin)
    if tokenizer.do_lower_case:
        for character in map(chr, range(_DECOMPOSED)):
            parts = unicodedata.normalize("NFD", character.lower())
            if not begin.isdisjoint(parts):
                known.add(character)
    return sorted(known)


def _make_table(
    keys: np.ndarray, values: np.ndarray, default: int
) -> tf.lookup.StaticHashTable:
    pairs = tf.lookup.KeyValueTensorInitializer(keys, values)
    return tf.lookup.StaticHashTable(pairs, default)


class PieceFinder:
    """Finds the pieces of words of ASCII letters and digits, as `split_pieces` does."""

    def __init__(self, tokenizer: Tokenizer):
        """Make the table of pieces in the current graph."""
        ids = tokenizer.vocabulary.ids
        pieces = {
            t: i for t, i in ids.items() if t.removeprefix(CONTINUATION).isascii()
        }
        self._unknown = ids[UNK]
        self._longest = max(
            (len(t.removeprefix(CONTINUATION)) for t in pieces), default=1
        )
        self._lower = tokenizer.do_lower_case
        keys = np.array([t.encode() for t in pieces], object)
        self._table = _make_table(keys, np.array(list(pieces.values()), np.int64), -1)

    def find_first(self, words: tf.Tensor) -> tf.Tensor:
        """Return the id of each word's first piece, of [UNK] where it has no pieces.

        Args:
            words: string, [W].

        Returns:
            int32, [W].
        """
        if self._lower:
            words = tf.strings.lower(words)
        sizes = tf.strings.length(words)
        first, reached = self._find_longest(words, tf.zeros_like(sizes), "")

        def go_on(place: tf.Tensor, failed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            found, after = self._find_longest(words, place, CONTINUATION)
            done = tf.logical_or(failed, place >= sizes)
            failed = tf.logical_or(failed, tf.logical_and(~done, found < 0))
            return tf.where(tf.logical_or(done, failed), place, after), failed

        def unfinished(place: tf.Tensor, failed: tf.Tensor) -> tf.Tensor:
            return tf.reduce_any(tf.logical_and(place < sizes, ~failed))

        failed = tf.logical_or(first < 0, sizes > MAX_WORD_LENGTH)
        _, failed = tf.while_loop(unfinished, go_on, (reached, failed))
        return tf.where(failed, self._unknown, first)

    def _find_longest(
        self, words: tf.Tensor, place: tf.Tensor, prefix: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the longest piece at a place of each word: id (or -1), and its end."""
        shape = tf.stack([tf.size(words), self._longest])
        lengths = tf.broadcast_to(tf.range(1, self._longest + 1), shape)
        left = tf.strings.length(words) - place
        rest = tf.broadcast_to(tf.strings.substr(words, place, left)[:, None], shape)
        parts = tf.strings.substr(rest, tf.zeros_like(lengths), lengths)
        found = tf.cast(self._table.lookup(prefix + parts), tf.int32)
        fits = tf.logical_and(found >= 0, lengths <= left[:, None])
        size = tf.reduce_max(tf.where(fits, lengths, 0), axis=1)
        number = tf.gather(found, tf.maximum(size - 1, 0), batch_dims=1)
        return tf.where(size > 0, number, -1), place + size
