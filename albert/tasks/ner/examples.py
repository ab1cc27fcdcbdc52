"""Sentences -> windows of token and label ids (no TensorFlow).

Each column of a sentence gives the model exactly one token, so that each gets exactly
one label back, whatever the tokeniser makes of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Mapping, NamedTuple, Optional, Sequence

from absl import logging

from albert.tasks.ner.beside import Arrays, ColumnFeatures, cut_window
from albert.tasks.ner.conll import Sentence
from albert.tasks.ner.entities import read_default, write_spans
from albert.tasks.ner.tag_schemes import OUTSIDE, LabelSet, count_illegal, split_tag
from albert.text.tokenization import MAX_CACHED_LENGTH, Tokenizer
from albert.text.vocabulary import CLS, SEP, UNK

_MOST_COLUMNS = 100_000  # remembered; words of Latin letters have no end


def target_tags(tags: Sequence[str], label_set: LabelSet) -> list[str]:
    """Return the tags that the loss is computed on: known ones, and legal.

    A type that the training data lacks becomes "O". Illegal transitions, which a CRF
    gives no probability, are mended: the entities as conlleval reads them, written as
    the scheme wants. Example: `O I-A` becomes `O B-A`. Scores use the tags as given.
    """
    known = [t if split_tag(t)[1] in label_set.types else OUTSIDE for t in tags]
    if not count_illegal(known, label_set.scheme):
        return known
    return write_spans(read_default(known), len(known), label_set.scheme)


class Window(NamedTuple):
    """A stretch of a sentence that the model sees at once.

    Attributes:
        start, end: the columns it sees.
        first, last: the columns [first, last) that are scored in it: those that have
            more context here than in any other window.
    """

    start: int
    end: int
    first: int
    last: int


def plan_windows(length: int, capacity: int) -> list[Window]:
    """Cover `length` columns by windows of at most `capacity` (at least 2) each.

    Neighbours overlap by half or more and part at the middle of their overlap, so a
    column has context of a quarter of the capacity on both sides, or all there is.

    Example: `plan_windows(10, 8)` is windows [0, 8) and [2, 10), in which [0, 5) and
    [5, 10) are scored.
    """
    if length <= capacity:
        return [Window(0, length, 0, length)]
    stride = capacity // 2
    intervals = -(-(length - capacity) // stride)
    starts = [i * (length - capacity) // intervals for i in range(intervals + 1)]
    middles = [(a + b + capacity) // 2 for a, b in zip(starts, starts[1:])]
    return [
        Window(start, start + capacity, first, last)
        for start, first, last in zip(starts, [0, *middles], [*middles, length])
    ]


def first_piece(column: str, tokenizer: Tokenizer) -> str:
    """Return the one token of a column: its first piece, `[UNK]` where it has none.

    Spaces, control characters and U+FFFD have none; `½`-like characters and longer
    units may have several.
    """
    pieces = tokenizer.tokenize(column)
    return pieces[0] if pieces else UNK


class ColumnIds(dict):
    """Column -> id of its token (see `first_piece`); short columns are kept."""

    def __init__(self, tokenizer: Tokenizer):
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, column: str) -> int:
        piece = first_piece(column, self._tokenizer)
        number = self._tokenizer.vocabulary.ids[piece]
        if len(column) <= MAX_CACHED_LENGTH:
            if len(self) >= _MOST_COLUMNS:
                self.clear()
            self[column] = number
        return number


class Examples(NamedTuple):
    """The windows of a file, a list entry each.

    Attributes:
        input_ids: ids of `[CLS]`, the columns' tokens and `[SEP]`.
        label_ids: ids of the labels of the columns scored in it; 0 without tags.
        offset: where the first of these columns stands in `input_ids`.
        sentence: index of its sentence.
        unknown: how many columns of the file are `[UNK]`.
        beside: see `ColumnFeatures.compute` and `cut_window`.
    """

    input_ids: list[list[int]]
    label_ids: list[list[int]]
    offset: list[int]
    sentence: list[int]
    unknown: int
    beside: list[Arrays]


def make_examples(
    sentences: Sequence[Sentence],
    tokenizer: Tokenizer,
    label_set: LabelSet,
    max_seq_length: int,
    columns: Optional[ColumnFeatures] = None,
) -> Examples:
    """Turn sentences into windows of at most `max_seq_length` tokens, in order.

    Args:
        columns: computes what is read beside tokens; None for nothing.
    """
    ids, column_ids = tokenizer.vocabulary.ids, ColumnIds(tokenizer)
    label_ids = {label: index for index, label in enumerate(label_set.labels)}
    examples = Examples([], [], [], [], 0, [])
    unknown = 0
    for number, sentence in enumerate(sentences):
        tokens = [column_ids[column] for column in sentence.columns]
        unknown += tokens.count(ids[UNK])
        labels = [0] * len(tokens)
        if sentence.tags is not None:
            labels = [label_ids[tag] for tag in target_tags(sentence.tags, label_set)]
        beside: Arrays = {}
        if columns is not None:
            pieces = [tokenizer.vocabulary.tokens[token] for token in tokens]
            beside = columns.compute(sentence.columns, pieces)
        for window in plan_windows(len(tokens), max_seq_length - 2):
            inner = tokens[window.start : window.end]
            examples.input_ids.append([ids[CLS], *inner, ids[SEP]])
            examples.label_ids.append(labels[window.first : window.last])
            examples.offset.append(1 + window.first - window.start)
            examples.sentence.append(number)
            examples.beside.append(cut_window(beside, window.start, window.end))
    return examples._replace(unknown=unknown)


class DataCounts(NamedTuple):
    """What a file holds.

    Attributes:
        entities: as conlleval reads them.
        windowed: sentences that need several windows.
        unknown: characters that the model sees as `[UNK]`.
        illegal: illegal transitions among the tags.
        unseen: type -> tags of that type, for types that the training data lacks.
    """

    sentences: int
    characters: int
    entities: int
    windowed: int
    unknown: int
    illegal: int
    unseen: Mapping[str, int]


def count_data(
    sentences: Sequence[Sentence], examples: Examples, label_set: LabelSet
) -> DataCounts:
    """Count what `sentences`, and the examples made of them, hold."""
    tagged = [sentence.tags for sentence in sentences if sentence.tags is not None]
    windows = Counter(examples.sentence)
    types = Counter(split_tag(tag)[1] for tags in tagged for tag in tags)
    return DataCounts(
        sentences=len(sentences),
        characters=sum(len(sentence.columns) for sentence in sentences),
        entities=sum(len(read_default(tags)) for tags in tagged),
        windowed=sum(count > 1 for count in windows.values()),
        unknown=examples.unknown,
        illegal=sum(count_illegal(tags, label_set.scheme) for tags in tagged),
        unseen={t: types[t] for t in sorted(types) if t and t not in label_set.types},
    )


def log_counts(name: str, path: str, counts: DataCounts) -> None:
    """Log what a file holds, and warn of what is odd in it."""
    logging.info(
        "%s (%s): %d sentences, %d characters, %d entities; %d sentences in several "
        "windows, %d characters are [UNK]",
        name,
        path,
        counts.sentences,
        counts.characters,
        counts.entities,
        counts.windowed,
        counts.unknown,
    )
    if counts.illegal:
        logging.warning(
            "%s: %d illegal transitions between tags; the loss reads them as "
            "conlleval does (an inside tag after O begins an entity), the strict score "
            "takes what they spell for no entity",
            name,
            counts.illegal,
        )
    for kind, tags in counts.unseen.items():
        logging.warning(
            "%s: type %s (%d tags) is not in the training data; the loss reads it as "
            "O, the scores count its entities as missed",
            name,
            kind,
            tags,
        )
