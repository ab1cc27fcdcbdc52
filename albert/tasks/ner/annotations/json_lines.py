"""JSON lines: of doccano, of CLUENER, and of our own predictions."""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Collection, Iterable, Mapping, Sequence

from albert.base.errors import UserError
from albert.tasks.ner.annotations import document as documents
from albert.tasks.ner.annotations.document import (
    Document,
    Entity,
    Loaded,
    Written,
    make_entity,
    order,
    read_json_lines,
    write_json_line,
)

RELATIONS = "relations between entities"

# Names under which doccano's versions keep the entities: lists of [start, end, type],
# or objects.
_DOCCANO_LISTS = ("label", "labels")
_DOCCANO_OBJECTS = "entities"
_DOCCANO_FIELDS = frozenset({"label", "start_offset", "end_offset"})
_OUR_FIELDS = frozenset({"type", "start", "end", "surface", "score"})

EntityReader = Callable[[Mapping[str, Any], str], Iterable[Entity]]


def _count_relations(value: Mapping[str, Any], where: str) -> int:
    relations = value.get("relations") or []
    if not isinstance(relations, list):
        raise UserError(f'{where}: "relations" is no list')
    return len(relations)


def _count_fields(
    value: Mapping[str, Any], names: Sequence[str], known: Collection[str]
) -> int:
    """Return how many fields of entities, where these are objects, are not known."""
    items = [item for name in names for item in value.get(name) or ()]
    return sum(len(set(item).difference(known)) for item in items if type(item) is dict)


def _read(
    path: str,
    read_entities: EntityReader,
    names: Sequence[str],
    known: Collection[str] = (),
) -> Loaded:
    """Read documents whose entities stand under one of `names` in each object.

    Args:
        known: fields of an entity that `read_entities` reads.
    """
    found, losses = [], Counter()
    for value, where, lost in read_json_lines(path):
        try:
            entities = order(list(read_entities(value, where)))
        except UserError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            wanted = " or ".join(f'"{name}"' for name in names)
            raise UserError(
                f"{where}: {wanted} does not hold entities as this format has them"
            ) from error
        fields = {
            key: field
            for key, field in value.items()
            if key not in ("id", "text", "relations", *names)
        }
        losses.update(lost)
        losses[RELATIONS] += _count_relations(value, where)
        losses[documents.ENTITY_FIELDS] += _count_fields(value, names, known)
        found.append(Document(value["text"], entities, value.get("id"), fields))
    return Loaded(found, +losses)


def _describe(document: Document, entities: Mapping[str, Any]) -> tuple[str, Counter]:
    """Return a document's line, and how many of its fields have a name of ours."""
    taken = {"id", "text", "relations", *_DOCCANO_LISTS, *entities}
    fields = {k: v for k, v in document.fields.items() if k not in taken}
    identifier = {} if document.id is None else {"id": document.id}
    line = {**identifier, "text": document.text, **entities, **fields}
    lost = len(document.fields) - len(fields)
    return write_json_line(line), Counter({documents.FIELDS: lost} if lost else {})


def _write(
    items: Sequence[Document],
    describe_entities: Callable[[Document], Mapping[str, Any]],
    keeps: Sequence[str],
) -> Written:
    lines, losses = [], Counter()
    for item in items:
        line, lost = _describe(item, describe_entities(item))
        lines.append(line)
        losses.update(lost)
        losses.update(documents.count_metadata(item, keeps))
    return Written("".join(lines), losses)


def _doccano_entities(value: Mapping[str, Any], where: str) -> Iterable[Entity]:
    for name in _DOCCANO_LISTS:
        for start, end, kind in value.get(name) or ():
            yield make_entity(value["text"], kind, start, end, None, where)
    for item in value.get(_DOCCANO_OBJECTS) or ():
        place = item["start_offset"], item["end_offset"]
        yield make_entity(value["text"], item["label"], *place, None, where)


def read_doccano(path: str) -> Loaded:
    """Read doccano's export of sequence labelling; offsets count characters."""
    names = (*_DOCCANO_LISTS, _DOCCANO_OBJECTS)
    return _read(path, _doccano_entities, names, _DOCCANO_FIELDS)


def write_doccano(items: Sequence[Document]) -> Written:
    """Write what doccano imports: `{"text": ..., "label": [[start, end, type]]}`."""

    def describe(document: Document) -> dict[str, Any]:
        return {"label": [[e.start, e.end, e.type] for e in document.entities]}

    return _write(items, describe, (documents.IDS, documents.FIELDS))


def _cluener_entities(value: Mapping[str, Any], where: str) -> Iterable[Entity]:
    for kind, surfaces in (value.get("label") or {}).items():
        for surface, places in surfaces.items():
            for first, last in places:
                entity = make_entity(value["text"], kind, first, last + 1, None, where)
                if value["text"][entity.start : entity.end] != surface:
                    raise UserError(
                        f"{where}: {surface!r} does not stand at {first} to {last}"
                    )
                yield entity


def read_cluener(path: str) -> Loaded:
    """Read CLUENER's files: type -> surface -> [first, last], the last included."""
    return _read(path, _cluener_entities, ("label",))


def _describe_cluener(document: Document) -> dict[str, Any]:
    label: dict[str, dict[str, list[list[int]]]] = {}
    for kind, start, end, _ in document.entities:
        if start < end:
            places = label.setdefault(kind, {}).setdefault(document.text[start:end], [])
            places.append([start, end - 1])
    return {"label": label}


def write_cluener(items: Sequence[Document]) -> Written:
    """Write documents as CLUENER's files have them."""
    text, losses = _write(items, _describe_cluener, (documents.IDS, documents.FIELDS))
    empty = sum(e.start == e.end for item in items for e in item.entities)
    return Written(text, losses + Counter({documents.EMPTY_ENTITIES: empty}))


def _our_entities(value: Mapping[str, Any], where: str) -> Iterable[Entity]:
    for item in value["entities"]:
        place = item["start"], item["end"]
        score = item.get("score")
        entity = make_entity(value["text"], item["type"], *place, score, where)
        surface = value["text"][entity.start : entity.end]
        if item.get("surface", surface) != surface:
            raise UserError(
                f"{where}: {item['surface']!r} does not stand at {place[0]} to "
                f"{place[1]}"
            )
        yield entity


def read_predictions(path: str) -> Loaded:
    """Read our predictions: `{"text": ..., "entities": [{"type": ..., ...}]}`."""
    return _read(path, _our_entities, ("entities",), _OUR_FIELDS)


def write_predictions(items: Sequence[Document]) -> Written:
    """Write documents as our predictions are."""

    def describe(document: Document) -> dict[str, Any]:
        entities = []
        for kind, start, end, score in document.entities:
            surface = document.text[start:end]
            entity = {"type": kind, "start": start, "end": end, "surface": surface}
            entities.append(entity if score is None else {**entity, "score": score})
        return {"entities": entities}

    keeps = (documents.SCORES, documents.IDS, documents.FIELDS)
    return _write(items, describe, keeps)
