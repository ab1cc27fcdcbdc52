"""Tag sequences -> entity spans -> precision, recall, F1, by seqeval (no TensorFlow).

Two readings of a tag sequence, which differ where transitions are illegal:

strict   an entity is what the scheme allows, from its first tag to its last; anything
         else is no entity (seqeval's `mode="strict"`, IOB2 or IOBES).
default  a tag of another type, or an inside tag after "O", opens an entity too, as in
         the conlleval script of CoNLL 2000 (seqeval's default).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Mapping, NamedTuple, Sequence

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, IOBES, Tokens

from albert.tasks.ner.tag_schemes import OUTSIDE, Scheme, split_tag, write_span

Tags = Sequence[str]


class Span(NamedTuple):
    """An entity: its type, its first column and the one after its last."""

    type: str
    start: int
    end: int


class Counts(NamedTuple):
    """Entities that agree in type and place, that were predicted, that are in gold."""

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        """Share of the predicted entities that are right; 0 where there are none."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold entities that were found; 0 where there are none."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where nothing is correct."""
        both = self.predicted + self.gold
        return 2 * self.correct / both if both else 0.0


class EntityScores(NamedTuple):
    """Counts over all entities, and of each type (sorted)."""

    total: Counts
    by_type: Mapping[str, Counts]


def _seqeval_tags(tags: Tags) -> list[str]:
    """Write a middle as I-: seqeval knows no M-."""
    return ["I" + tag[1:] if tag.startswith("M-") else tag for tag in tags]


def read_strict(tags: Tags, scheme: Scheme) -> list[Span]:
    """Return the entities of one sentence that the scheme allows, in order."""
    reader = IOB2 if scheme.single == scheme.first else IOBES
    found = Tokens(_seqeval_tags(tags), scheme=reader).entities
    return [Span(entity.tag, entity.start, entity.end) for entity in found]


class SpanReader:
    """Reads entities from labels' ids as `read_strict` does from tags, and faster.

    A label's id is taken for a character, and an entity for what a pattern matches: of
    each type, the first label, middle ones and the last, or the single one.
    """

    def __init__(self, labels: Sequence[str], scheme: Scheme):
        """Keep the labels; a label's index is its id."""
        parts = [split_tag(label) for label in labels]
        self._kinds = [kind for _, kind in parts]
        characters = {part: re.escape(chr(i)) for i, part in enumerate(parts)}
        patterns = []
        for kind in dict.fromkeys(k for prefix, k in parts if prefix != OUTSIDE):
            of = {prefix: characters[prefix, kind] for prefix in scheme.prefixes}
            whole = f"{of[scheme.first]}{of[scheme.middle]}*{of[scheme.last]}"
            patterns += [whole, of[scheme.single]]
        self._pattern = re.compile("|".join(patterns), re.DOTALL)

    def read(self, paths: np.ndarray, lengths: Sequence[int]) -> list[list[Span]]:
        """Return the entities of each sentence, in order.

        Args:
            paths: int, [B, T]; ids of labels.
            lengths: int, [B].
        """
        width = paths.shape[1]
        text = paths.astype("<u4").tobytes().decode("utf-32-le")
        found = []
        for row, length in enumerate(lengths):
            first = row * width
            matches = self._pattern.finditer(text, first, first + length)
            places = [(m.start() - first, m.end() - first) for m in matches]
            found.append([Span(self._kinds[paths[row, a]], a, b) for a, b in places])
        return found


def read_default(tags: Tags) -> list[Span]:
    """Return the entities of one sentence as conlleval reads them, in order.

    Example: `O I-A B-A` holds the spans (A, 1, 2) and (A, 2, 3); strictly read, only
    the second.
    """
    found = get_entities(_seqeval_tags(tags))
    return [Span(kind, first, last + 1) for kind, first, last in found]


def write_spans(spans: Sequence[Span], length: int, scheme: Scheme) -> list[str]:
    """Return the tags of a sentence of `length` columns that holds `spans`."""
    tags = ["O"] * length
    for kind, start, end in spans:
        tags[start:end] = write_span(kind, end - start, scheme)
    return tags


def count_spans(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]
) -> EntityScores:
    """Compare the spans of each sentence: equal in type, start and end is correct."""
    sums = {"correct": Counter(), "predicted": Counter(), "gold": Counter()}
    for expected, found in zip(gold, predicted):
        sums["gold"].update(span.type for span in expected)
        sums["predicted"].update(span.type for span in found)
        sums["correct"].update(span.type for span in set(expected) & set(found))
    by_type = {
        kind: Counts(*(sums[name][kind] for name in Counts._fields))
        for kind in sorted(sums["gold"] | sums["predicted"])
    }
    total = Counts(*(sum(sums[name].values()) for name in Counts._fields))
    return EntityScores(total, by_type)


def score_strict(
    gold: Sequence[Tags], predicted: Sequence[Tags], scheme: Scheme
) -> EntityScores:
    """Return the strict scores of sentences of tags, gold and predicted."""
    return count_spans(
        [read_strict(tags, scheme) for tags in gold],
        [read_strict(tags, scheme) for tags in predicted],
    )


def score_default(gold: Sequence[Tags], predicted: Sequence[Tags]) -> EntityScores:
    """Return the conlleval-compatible scores of sentences of tags."""
    return count_spans(
        [read_default(tags) for tags in gold],
        [read_default(tags) for tags in predicted],
    )


def format_counts(title: str, table: Mapping[str, Counts], width: int = 0) -> list[str]:
    """Return the lines of a table of precision, recall, F1 in percent, and counts.

    Args:
        title: above the names.
        table: name of a row -> its counts, which may be halves.
        width: of the column of names, at least.
    """
    width = max(width, len(title), *map(len, table), 0)
    header = ("precision", "recall", "F1", "gold", "predicted", "correct")
    lines = [f"{title:{width}}" + "".join(f"{name:>11}" for name in header)]
    for name, counts in table.items():
        ratios = (counts.precision, counts.recall, counts.f1)
        numbers = (counts.gold, counts.predicted, counts.correct)
        lines.append(
            f"{name:{width}}"
            + "".join(f"{100 * ratio:11.2f}" for ratio in ratios)
            + "".join(f"{number:11.10g}" for number in numbers)
        )
    return lines


def format_table(scores: Mapping[str, EntityScores]) -> str:
    """Return a table of scores for each type, see `format_counts`.

    Args:
        scores: reading ("strict", "default") -> its scores.
    """
    tables = {
        reading: {**part.by_type, "all types": part.total}
        for reading, part in scores.items()
    }
    width = max(len(name) for table in tables.values() for name in table)
    return "\n".join(
        line
        for reading, table in tables.items()
        for line in format_counts(reading, table, width)
    )
