"""Labelled text, whatever file it came from, and what was lost on the way."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, Iterator, Mapping, NamedTuple, Optional, Sequence

from albert.base import files
from albert.base.errors import UserError

# What a format may have no place for; each is counted and said in one line.
SCORES = "scores"
IDS = "identifiers of documents"
FIELDS = "other fields of documents"
ENTITY_FIELDS = "other fields of entities"
EMPTY_ENTITIES = "entities without a character"
HALF_CHARACTERS = "halves of surrogate pairs, written as U+FFFD"

Losses = Counter  # what was lost -> how often


class Entity(NamedTuple):
    """A stretch of a text: `text[start:end]`, in characters (code points).

    Entities of one text may overlap. `score` is a probability where a model gave one.
    """

    type: str
    start: int
    end: int
    score: Optional[float] = None


class Document(NamedTuple):
    """A text and its entities, ordered by place and type.

    Attributes:
        id: the document's in its tool, if it has one.
        fields: what else its tool keeps of it, by name.
    """

    text: str
    entities: tuple[Entity, ...] = ()
    id: Any = None
    fields: Mapping[str, Any] = {}


class Loaded(NamedTuple):
    """The documents of a file, and what of it is not in them."""

    documents: list[Document]
    losses: Losses


class Written(NamedTuple):
    """The text of a file, and what of the documents is not in it."""

    text: str
    losses: Losses


def order(entities: Sequence[Entity]) -> tuple[Entity, ...]:
    """Return entities by place, then type, then score."""
    return tuple(
        sorted(entities, key=lambda e: (e.start, e.end, e.type, e.score or 0.0))
    )


def count_metadata(document: Document, keeps: Sequence[str] = ()) -> Losses:
    """Return which of a document's scores, id and fields are lost.

    Args:
        keeps: those of `SCORES`, `IDS`, `FIELDS` that the format has a place for.
    """
    found = {
        SCORES: sum(entity.score is not None for entity in document.entities),
        IDS: int(document.id is not None),
        FIELDS: len(document.fields),
    }
    return Counter({name: n for name, n in found.items() if n and name not in keeps})


def parse_json(text: str, where: str) -> tuple[Any, Losses]:
    """Return a JSON value, with U+FFFD for half a surrogate pair, and their count.

    Raises:
        UserError: it is not JSON, or holds NaN, an infinity, or 1e999, which a float
            cannot hold.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON number")

    def read_number(digits: str) -> float:
        number = float(digits)
        if math.isinf(number):
            raise ValueError(f"{digits} is too large a number")
        return number

    try:
        value = json.loads(text, parse_constant=refuse, parse_float=read_number)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON: {error}") from error
    halves = sum(
        "\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False)
    )
    if halves:
        whole = json.dumps(value, ensure_ascii=False)
        whole = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in whole)
        value = json.loads(whole)
    return value, Counter({HALF_CHARACTERS: halves} if halves else {})


def read_json_lines(path: str) -> Iterator[tuple[Mapping[str, Any], str, Losses]]:
    """Yield each object of a JSON lines file, where it stands, and what it lost.

    Raises:
        UserError: a line is no JSON object with a string `text`.
    """
    for number, line in enumerate(files.read_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        value, losses = parse_json(line, where)
        if not isinstance(value, dict):
            raise UserError(f"{where} is no JSON object")
        if not isinstance(value.get("text"), str):
            raise UserError(f'{where} has no "text" that is a string')
        yield value, where, losses


def make_entity(
    text: str, kind: Any, start: Any, end: Any, score: Any, where: str
) -> Entity:
    """Return an entity of `text`.

    Raises:
        UserError: the type is no name, the ends do not lie in the text, or the score is
            no number.
    """
    if not isinstance(kind, str) or not kind.strip():
        raise UserError(f"{where}: {kind!r} is no type of an entity")
    if not _is_integer(start) or not _is_integer(end):
        raise UserError(f"{where}: {start!r} to {end!r} are no places in a text")
    if not 0 <= start <= end <= len(text):
        raise UserError(
            f"{where}: the entity {kind} from {start} to {end} does not lie in the "
            f"text of {len(text)} characters"
        )
    if score is not None:
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            raise UserError(f"{where}: the score {score!r} is no number")
        try:
            score = float(score)
        except OverflowError as error:
            raise UserError(f"{where}: a score is too large a number") from error
    return Entity(kind, start, end, score)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def write_json_line(value: Mapping[str, Any]) -> str:
    """Return a JSON object as one line, readable."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
