"""What is read of a sentence beside its tokens (no TensorFlow).

Terms of a lexicon, places in the segmenter's words, bigrams with a vector: arrays of a
row a column, which the source of training and the predictor compute by the same code.
"""

from __future__ import annotations

import functools
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from albert.base.errors import UserError
from albert.tasks.ner.config import NerConfig
from albert.text.lexicon import Columns, Lexicon, TermFinder, count_terms, read_terms
from albert.text.vectors import read_all_vectors, read_vectors_of
from albert.text.word_segmentation import Cut, load_segmenter

LEXICON_WIDTH = 50  # of vectors that are learned, as in Ma et al. (2020)
NO_SEGMENTER = "none"
_SETS = 4  # beginning, middle, end, alone; see `modeling.beside`
_BEGIN, _MIDDLE, _END, _ALONE = range(_SETS)

Arrays = dict[str, np.ndarray]


class Vectors(NamedTuple):
    """Units with a vector each.

    Attributes:
        units: what they are of.
        width: of a vector.
        initial: float32 [units, width], what training starts from; None once trained,
            where the checkpoint has them, and for random ones.
    """

    units: tuple[str, ...]
    width: int
    initial: Optional[np.ndarray] = None


class Beside(NamedTuple):
    """What a model keeps to read sentences beside their tokens; None for nothing.

    Attributes:
        lexicon: terms and their frequency in the training data.
        terms: the vectors of the lexicon's terms.
        bigrams: the vectors of bigrams of tokens.
    """

    lexicon: Optional[Lexicon] = None
    terms: Optional[Vectors] = None
    bigrams: Optional[Vectors] = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, without vectors."""
        value: dict[str, Any] = {}
        if self.lexicon is not None:
            value["lexicon"] = {
                "terms": list(self.lexicon.terms),
                "counts": list(self.lexicon.counts),
                "width": self.terms.width,
            }
        if self.bigrams is not None:
            value["bigrams"] = {
                "units": list(self.bigrams.units),
                "width": self.bigrams.width,
            }
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Beside:
        """Return what `to_json` was given."""
        lexicon = terms = bigrams = None
        if "lexicon" in value:
            part = value["lexicon"]
            lexicon = Lexicon(tuple(part["terms"]), tuple(part["counts"]))
            terms = Vectors(lexicon.terms, part["width"])
        if "bigrams" in value:
            part = value["bigrams"]
            bigrams = Vectors(tuple(part["units"]), part["width"])
        return cls(lexicon, terms, bigrams)


def _read_term_vectors(path: Optional[str], terms: Sequence[str]) -> Vectors:
    """Return the vectors of terms; those that a file lacks are drawn as random ones."""
    if path is None:
        return Vectors(tuple(terms), LEXICON_WIDTH)
    numbers = {term: number for number, term in enumerate(terms)}
    found = read_vectors_of(path, numbers)
    if not found.known.any():
        raise UserError(f"{path}: none of its words is a term of the lexicon")
    values, width = found.values, found.values.shape[1]
    deviation = values[found.known].std()
    rng = np.random.default_rng(0)
    drawn = rng.normal(0.0, deviation, values.shape)
    values[~found.known] = drawn[~found.known]
    return Vectors(tuple(terms), width, values)


def read_beside(settings: NerConfig, sentences: Sequence[Columns]) -> Beside:
    """Return what training reads beside tokens, from the files that are named.

    Args:
        settings: of the model.
        sentences: of the training data, to count terms in.

    Raises:
        UserError: a file is malformed, or holds nothing that is of use.
    """
    lexicon = terms = bigrams = None
    if settings.lexicon_file:
        words = read_terms(settings.lexicon_file, settings.do_lower_case)
        lexicon = count_terms(words, sentences, settings.do_lower_case)
        terms = _read_term_vectors(settings.lexicon_vectors, words)
    if settings.bigram_vectors:
        units, values = read_all_vectors(settings.bigram_vectors)
        bigrams = Vectors(units, values.shape[1], values)
    return Beside(lexicon, terms, bigrams)


def _soft_sets(lexicon: Lexicon, finder: TermFinder, columns: Columns) -> Arrays:
    """Return the terms in each column's sets, and their weights; see Ma et al. (2020).

    Returns:
        "lexicon_ids" int32 and "lexicon_weights" float32, [columns, 4 K]: terms counted
        from 1, K in each set. A weight is 4 times the term's frequency, divided by that
        of all terms in the column's four sets (their equation 8).
    """
    sets: list[list[list[int]]] = [[[] for _ in range(_SETS)] for _ in columns]
    for start, end, term in finder.find(columns):
        if end - start == 1:
            sets[start][_ALONE].append(term)
            continue
        sets[start][_BEGIN].append(term)
        sets[end - 1][_END].append(term)
        for column in range(start + 1, end - 1):
            sets[column][_MIDDLE].append(term)
    most = max((len(part) for column in sets for part in column), default=0)
    ids = np.zeros((len(sets), _SETS, max(1, most)), np.int32)
    weights = np.zeros(ids.shape, np.float32)
    for column, parts in enumerate(sets):
        for place, part in enumerate(parts):
            ids[column, place, : len(part)] = [term + 1 for term in part]
            counts = [lexicon.counts[term] for term in part]
            weights[column, place, : len(part)] = counts
    totals = weights.sum(axis=(1, 2), keepdims=True)
    weights *= np.divide(_SETS, totals, out=np.zeros_like(totals), where=totals > 0)
    return {"lexicon_ids": ids, "lexicon_weights": weights}


def find_places(columns: Columns, words: Sequence[str]) -> np.ndarray:
    """Return the place of each column in its word, int32: 1 to 4, see `_SETS`.

    Args:
        columns: of a sentence.
        words: what a segmenter makes of the columns joined.
    """
    starts, ends, place = set(), set(), 0
    for word in words:
        starts.add(place)
        place += len(word)
        ends.add(place)
    places, offset = [], 0
    for column in columns:
        first = offset in starts
        offset += len(column)
        last = offset in ends
        places.append(
            (_ALONE if last else _BEGIN) if first else (_END if last else _MIDDLE)
        )
    return np.array(places, np.int32) + 1


class ColumnFeatures:
    """Computes what is read of sentences beside their tokens."""

    def __init__(self, settings: NerConfig, beside: Beside):
        """Keep what is read; a segmenter is loaded when the first sentence comes."""
        self._beside = beside
        self._segmenter = settings.word_boundaries
        self._finder = None
        if beside.lexicon is not None:
            terms = beside.lexicon.terms
            self._finder = TermFinder(terms, settings.do_lower_case)
        self._bigrams = None
        if beside.bigrams is not None:
            self._bigrams = {u: i for i, u in enumerate(beside.bigrams.units, start=1)}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arrays, in the order of the model's inputs."""
        of_terms = ("lexicon_ids", "lexicon_weights")
        return (
            *(of_terms if self._finder is not None else ()),
            *(("word_boundaries",) if self._segmenter != NO_SEGMENTER else ()),
            *(("bigram_ids",) if self._bigrams is not None else ()),
        )

    @functools.cached_property
    def _cut(self) -> Cut:
        return load_segmenter(self._segmenter)

    def compute(self, columns: Columns, tokens: Sequence[str]) -> Arrays:
        """Return the arrays of a whole sentence, a row a column.

        Args:
            columns: of the sentence.
            tokens: what the model sees of each.

        Returns:
            Of those that the model has: "lexicon_ids" int32 and "lexicon_weights"
            float32 [columns, 4, K], "word_boundaries" int32 [columns], "bigram_ids"
            int32 [columns, 2].
        """
        found: Arrays = {}
        if self._finder is not None:
            found.update(_soft_sets(self._beside.lexicon, self._finder, columns))
        if self._segmenter != NO_SEGMENTER:
            words = self._cut("".join(columns))
            found["word_boundaries"] = find_places(columns, words)
        if self._bigrams is not None:
            pairs = [a + b for a, b in zip(tokens, tokens[1:])]
            ids = [0, *(self._bigrams.get(pair, 0) for pair in pairs), 0]
            found["bigram_ids"] = np.array(list(zip(ids, ids[1:])), np.int32)
        return found


def cut_window(arrays: Arrays, start: int, end: int) -> Arrays:
    """Return the rows of a window, with an empty one for `[CLS]` and for `[SEP]`."""
    return {
        name: np.pad(value[start:end], [(1, 1), *[(0, 0)] * (value.ndim - 1)])
        for name, value in arrays.items()
    }


def pad_arrays(rows: Sequence[Arrays]) -> Arrays:
    """Return the arrays of some windows as those of a batch; see `NerTask.features`.

    Each is filled up with 0 to the largest; sets of terms [T, 4, K] become [B, T, 4 K].
    """
    batch = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        shape = np.max([value.shape for value in values], axis=0)
        padded = np.zeros((len(values), *shape), values[0].dtype)
        for target, value in zip(padded, values):
            target[tuple(map(slice, value.shape))] = value
        if padded.ndim == 4:
            padded = padded.reshape(*padded.shape[:2], -1)
        batch[name] = padded
    return batch
