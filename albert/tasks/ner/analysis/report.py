"""A report of what a labelling gets right and wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

from albert.tasks.ner.analysis import matching
from albert.tasks.ner.analysis.matching import Match, match_spans
from albert.tasks.ner.analysis.pairs import SentencePair
from albert.tasks.ner.entities import Counts, Span

# Outcomes that count as right under a measure, each with what it counts.
# Source: SemEval-2013 task 9.1 (Segura-Bedmar et al., 2013), after MUC-5.
MEASURES: Mapping[str, Mapping[str, float]] = {
    "strict": {matching.CORRECT: 1},
    "exact boundary": {matching.CORRECT: 1, matching.TYPE: 1},
    "partial": {
        matching.CORRECT: 1,
        matching.TYPE: 1,
        matching.BOUNDARY: 0.5,
        matching.BOTH: 0.5,
    },
    "type only": {matching.CORRECT: 1, matching.BOUNDARY: 1},
}

SEEN = "seen in training"
OTHER_TYPE = "seen with another type"
UNSEEN = "unseen"

_ENTITY_LENGTHS = (1, 2, 4, 8, 16)
_SENTENCE_LENGTHS = (16, 32, 64, 128, 256)
_CONTEXT = 12  # columns shown on either side of an error


class Located(NamedTuple):
    """A match and the sentence that it stands in."""

    sentence: SentencePair
    match: Match


class Analysis(NamedTuple):
    """What a prediction file gets right and wrong.

    Attributes:
        sentences: how many there are.
        measures: name in `MEASURES` -> counts; halves are possible under "partial".
        errors: name in `matching.ERRORS` -> the errors of that kind, in order.
        confusions: (type of gold, type predicted) -> entities with right boundaries.
        by_novelty: `SEEN`, `OTHER_TYPE`, `UNSEEN` -> strict counts of the entities
            whose surface the training data has with their type, only with others, or
            not; None without training data.
        by_length: entity length in characters -> strict counts.
        by_sentence_length: sentence length in columns -> strict counts.
    """

    sentences: int
    measures: Mapping[str, Counts]
    errors: Mapping[str, list[Located]]
    confusions: Mapping[tuple[str, str], int]
    by_novelty: Optional[Mapping[str, Counts]]
    by_length: Mapping[str, Counts]
    by_sentence_length: Mapping[str, Counts]


def _measure(outcomes: Counter) -> dict[str, Counts]:
    total = sum(outcomes.values())
    predicted = total - outcomes[matching.MISSED]
    gold = total - outcomes[matching.SPURIOUS]
    return {
        name: Counts(sum(outcomes[n] * w for n, w in worths.items()), predicted, gold)
        for name, worths in MEASURES.items()
    }


def bucket(length: int, limits: Sequence[int]) -> str:
    """Return the range of `limits` that holds a length.

    Example: with limits 2, 4 the ranges are "1-2", "3-4" and "5 or more".
    """
    low = 1
    for limit in limits:
        if length <= limit:
            return str(limit) if low == limit else f"{low}-{limit}"
        low = limit + 1
    return f"{low} or more"


def _novelty(surface: str, kind: str, training: Mapping[str, set[str]]) -> str:
    if surface in training.get(kind, ()):
        return SEEN
    return OTHER_TYPE if any(surface in s for s in training.values()) else UNSEEN


def _split_strict(
    pairs: Sequence[SentencePair],
    class_of: Callable[[SentencePair, Span], str],
    order: Sequence[str],
) -> dict[str, Counts]:
    """Return the strict counts of each class of entities, in a given order.

    The class depends on an entity's sentence, place and type alone, so a correct entity
    is in one class in gold and in the prediction.
    """
    sums = {name: Counter() for name in Counts._fields}
    for pair in pairs:
        gold, predicted = set(pair.gold), set(pair.predicted)
        sides = {"correct": gold & predicted, "predicted": predicted, "gold": gold}
        for name, spans in sides.items():
            sums[name].update(class_of(pair, span) for span in spans)
    present = sums["gold"] + sums["predicted"]
    return {
        kind: Counts(*(sums[name][kind] for name in Counts._fields))
        for kind in order
        if kind in present
    }


def _ranges(limits: Sequence[int]) -> list[str]:
    return [bucket(limit, limits) for limit in (*limits, limits[-1] + 1)]


def surface_of(sentence: SentencePair, span: Span) -> str:
    """Return the text of an entity."""
    return "".join(sentence.columns[span.start : span.end])


def analyse(
    pairs: Sequence[SentencePair],
    training: Optional[Mapping[str, set[str]]] = None,
) -> Analysis:
    """Compare the entities of each sentence.

    Args:
        pairs: sentences with their entities in gold and in a prediction.
        training: type -> surfaces of the training data's entities, if known.
    """
    located = [
        Located(pair, match)
        for pair in pairs
        for match in match_spans(pair.gold, pair.predicted)
    ]
    outcomes = Counter(item.match.outcome for item in located)
    errors: dict[str, list[Located]] = {name: [] for name in matching.ERRORS}
    for item in located:
        if item.match.outcome != matching.CORRECT:
            errors[item.match.outcome].append(item)
    confusions = Counter(
        (item.match.gold.type, item.match.predicted.type)
        for item in errors[matching.TYPE]
    )

    def novelty(pair: SentencePair, span: Span) -> str:
        return _novelty(surface_of(pair, span), span.type, training)

    def length(pair: SentencePair, span: Span) -> str:
        return bucket(len(surface_of(pair, span)), _ENTITY_LENGTHS)

    def sentence_length(pair: SentencePair, span: Span) -> str:
        return bucket(len(pair.columns), _SENTENCE_LENGTHS)

    seen = (SEEN, OTHER_TYPE, UNSEEN)
    return Analysis(
        len(pairs),
        _measure(outcomes),
        errors,
        dict(confusions.most_common()),
        None if training is None else _split_strict(pairs, novelty, seen),
        _split_strict(pairs, length, _ranges(_ENTITY_LENGTHS)),
        _split_strict(pairs, sentence_length, _ranges(_SENTENCE_LENGTHS)),
    )


def describe_error(item: Located) -> dict[str, Any]:
    """Return an error as JSON: its line, the entities, and the text around them.

    Gold and predicted entities have `type`, `surface`, and `start` and `end` in columns
    of the sentence, or are None.
    """
    spans = [span for span in item.match if span is not None]
    first = max(0, min(span.start for span in spans) - _CONTEXT)
    last = max(span.end for span in spans) + _CONTEXT
    described = {
        side: span and {**span._asdict(), "surface": surface_of(item.sentence, span)}
        for side, span in item.match._asdict().items()
    }
    start = min(span.start for span in spans)
    context = "".join(item.sentence.columns[first:last])
    line = item.sentence.line + start
    return {"error": item.match.outcome, "line": line, **described, "text": context}


def _counts_as_json(counts: Counts) -> dict[str, float]:
    ratios = ("precision", "recall", "f1")
    return {**counts._asdict(), **{name: getattr(counts, name) for name in ratios}}


def to_json(analysis: Analysis) -> dict[str, Any]:
    """Return the whole report, every error included."""
    tables = ("measures", "by_novelty", "by_length", "by_sentence_length")
    value: dict[str, Any] = {"sentences": analysis.sentences}
    for name in tables:
        table = getattr(analysis, name)
        if table is not None:
            value[name] = {key: _counts_as_json(c) for key, c in table.items()}
    value["confusions"] = [
        {"gold": gold, "predicted": predicted, "count": count}
        for (gold, predicted), count in analysis.confusions.items()
    ]
    value["errors"] = [
        describe_error(item) for items in analysis.errors.values() for item in items
    ]
    return value
