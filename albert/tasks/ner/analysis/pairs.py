"""Sentences of a gold file beside those of a prediction file."""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional, Sequence

from albert.base.errors import UserError
from albert.tasks.ner import entities
from albert.tasks.ner.conll import ConllFile, read_conll
from albert.tasks.ner.entities import Span
from albert.tasks.ner.tag_schemes import detect_scheme

READINGS = ("strict", "default")  # see `albert.tasks.ner.entities`

Reader = Callable[[Sequence[str]], list[Span]]


class SentencePair(NamedTuple):
    """A sentence with its entities twice.

    Attributes:
        line: its first line in the gold file, from 1.
        columns: its characters, as a rule.
        gold, predicted: its entities.
    """

    line: int
    columns: tuple[str, ...]
    gold: list[Span]
    predicted: list[Span]


def make_reader(conll_files: Sequence[ConllFile], reading: str) -> Reader:
    """Return how the tags of some files, which share a scheme, are read as entities.

    Raises:
        UserError: no scheme has the tags of all these files.
    """
    if reading == "default":
        return entities.read_default
    scheme = detect_scheme(
        tag
        for conll in conll_files
        for sentence in conll.sentences
        for tag in sentence.tags
    )
    return lambda tags: entities.read_strict(tags, scheme)


def _check_same_text(gold: ConllFile, predicted: ConllFile) -> None:
    """Stop unless two files hold the same columns in the same sentences."""
    for ours, theirs in zip(gold.sentences, predicted.sentences):
        if ours.columns == theirs.columns:
            continue
        pairs = list(zip(ours.columns, theirs.columns))
        same = [a == b for a, b in pairs]
        place = same.index(False) if False in same else len(pairs)
        words = [
            repr(s.columns[place]) if place < len(s.columns) else "the sentence's end"
            for s in (ours, theirs)
        ]
        raise UserError(
            f"{gold.path} and {predicted.path} are not of one text: line "
            f"{ours.line + place} of the first has {words[0]}, line "
            f"{theirs.line + place} of the second {words[1]}"
        )
    counts = [len(conll.sentences) for conll in (gold, predicted)]
    if counts[0] != counts[1]:
        raise UserError(
            f"{gold.path} has {counts[0]} sentences, {predicted.path} {counts[1]}"
        )


class Predictions(NamedTuple):
    """Files read together.

    Attributes:
        pairs: of each prediction file, its sentences beside those of gold.
        training: the surfaces of each type's entities in the training data; None
            without such a file.
    """

    pairs: list[list[SentencePair]]
    training: Optional[dict[str, set[str]]]


def _surfaces(conll: ConllFile, read: Reader) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for sentence in conll.sentences:
        for kind, start, end in read(sentence.tags):
            surface = "".join(sentence.columns[start:end])
            found.setdefault(kind, set()).add(surface)
    return found


def read_predictions(
    gold_file: str,
    prediction_files: Sequence[str],
    reading: str = "strict",
    train_file: Optional[str] = None,
) -> Predictions:
    """Read gold, predictions and, where given, training data in CoNLL form.

    The last column of each file holds the tags meant: in the files that `run_ner.py`
    writes, the predicted ones.

    Raises:
        UserError: a file is malformed, has no tags, mixes schemes with another, or a
            prediction file is of another text than gold.
    """
    gold, *predicted = (read_conll(path) for path in (gold_file, *prediction_files))
    train = read_conll(train_file) if train_file else None
    for conll in predicted:
        _check_same_text(gold, conll)
    read = make_reader([gold, *predicted, *([train] if train else [])], reading)
    pairs = [
        [
            SentencePair(g.line, g.columns, read(g.tags), read(p.tags))
            for g, p in zip(gold.sentences, conll.sentences)
        ]
        for conll in predicted
    ]
    return Predictions(pairs, _surfaces(train, read) if train else None)
