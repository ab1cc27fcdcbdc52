"""Label Studio's JSON: annotations of people, and pre-annotations of a model.

Offsets count characters (code points), as Label Studio has it since 1.4; before, it
counted UTF-16 units. Where a region names its text, the file says which it is.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Mapping, Optional, Sequence

from albert.base import files
from albert.base.errors import UserError
from albert.tasks.ner.annotations import document as documents
from albert.tasks.ner.annotations.document import (
    Document,
    Entity,
    Loaded,
    Written,
    make_entity,
    order,
    parse_json,
)

OTHER_ANNOTATIONS = "annotations of tasks that have several: the first is read"
PREDICTIONS = "predictions of tasks that are annotated"
OTHER_RESULTS = "results that are no labels of a text"
TASK_FIELDS = "fields of tasks outside their data"
ANNOTATION_FIELDS = "other fields of annotations and predictions"
CANCELLED = "cancelled annotations with results"

MODEL_VERSION = "albert"
_KNOWN = {"id", "data", "annotations", "completions", "predictions"}
_KNOWN_OF_RESULTS = {"from_name", "to_name", "type", "value", "score"}
_KNOWN_OF_VALUES = {"start", "end", "text", "labels", "score"}
_OUR_ID = "entity-"


def _as_characters(text: str, place: int) -> Optional[int]:
    """Return the character at a place counted in UTF-16 units, None inside of one."""
    units = text.encode("utf-16-le")[: 2 * place]
    try:
        return len(units.decode("utf-16-le"))
    except UnicodeDecodeError:
        return None


def _find_place(text: str, value: Mapping[str, Any], where: str) -> tuple[int, int]:
    """Return start and end of a region in characters."""
    start, end = value["start"], value["end"]
    surface = value.get("text")
    if surface is None or not isinstance(start, int) or not isinstance(end, int):
        return start, end
    surface = surface.replace("\\n", "\n")  # as exports before 1.0 write line breaks
    units = _as_characters(text, start), _as_characters(text, end)
    for place in ((start, end), units):
        if None in place or place[1] > len(text):
            continue
        if text[slice(*place)].replace("\\n", "\n") == surface:
            return place
    raise UserError(f"{where}: {surface!r} does not stand at {start} to {end}")


def _read_result(item: Mapping[str, Any], text: str, where: str) -> list[Entity]:
    value = item["value"]
    place = _find_place(text, value, where)
    score = value.get("score", item.get("score"))
    return [make_entity(text, kind, *place, score, where) for kind in value["labels"]]


def _choose_annotation(task: Mapping[str, Any]) -> tuple[Mapping[str, Any], Counter]:
    """Return a task's annotation, or else prediction, and what its others lose."""
    given = task.get("annotations") or task.get("completions") or []
    annotations = [a for a in given if not a.get("was_cancelled")]
    cancelled = [a for a in given if a.get("was_cancelled") and a.get("result")]
    predictions = task.get("predictions") or []
    # Exports list predictions by their number alone; that loses nothing of ours.
    predictions = [p for p in predictions if isinstance(p, dict)]
    sources = annotations or predictions
    losses = Counter(
        {
            OTHER_ANNOTATIONS: max(0, len(sources) - 1),
            CANCELLED: len(cancelled),
            PREDICTIONS: len(predictions) if annotations else 0,
            TASK_FIELDS: len(set(task) - _KNOWN),
        }
    )
    return (sources[0] if sources else {"result": []}), losses


def _count_fields(item: Mapping[str, Any]) -> int:
    """Return how many fields of a region are not read; an id of ours is none."""
    ours = {"id"} if str(item.get("id")).startswith(_OUR_ID) else set()
    others = set(item["value"]) - _KNOWN_OF_VALUES
    return len(set(item) - _KNOWN_OF_RESULTS - ours) + len(others)


def _mean_score(entities: Sequence[Entity]) -> dict[str, float]:
    scores = [e.score for e in entities if e.score is not None]
    return {"score": sum(scores) / len(scores)} if scores else {}


def _read_task(task: Mapping[str, Any], where: str) -> tuple[Document, Counter]:
    data = task["data"]
    text = data.get("text")
    if not isinstance(text, str):
        raise UserError(f'{where}: "data" has no "text" that is a string')
    chosen, losses = _choose_annotation(task)
    results = chosen["result"]
    labels = [r for r in results if r.get("type") == "labels"]
    losses[OTHER_RESULTS] += len(results) - len(labels)
    losses[documents.ENTITY_FIELDS] += sum(map(_count_fields, labels))
    entities = order([e for item in labels for e in _read_result(item, text, where)])
    # What would be written again is not lost.
    written = {"was_cancelled": False, "model_version": MODEL_VERSION}
    written.update(_mean_score(entities))
    losses[ANNOTATION_FIELDS] += sum(
        name != "result" and (name not in written or written[name] != value)
        for name, value in chosen.items()
    )
    fields = {key: value for key, value in data.items() if key != "text"}
    return Document(text, entities, task.get("id"), fields), losses


def read(path: str) -> Loaded:
    """Read an export ("JSON", not "JSON-MIN"), or tasks made for an import.

    Raises:
        UserError: the file is no list of tasks, or a region does not fit its text.
    """
    tasks, losses = parse_json("\n".join(files.read_lines(path)), path)
    if not isinstance(tasks, list):
        raise UserError(f"{path} is no list of tasks, as Label Studio's JSON is")
    found = []
    for number, task in enumerate(tasks, start=1):
        where = f"{path}: task {number}"
        try:
            document, lost = _read_task(task, where)
        except (AttributeError, KeyError, TypeError) as error:
            raise UserError(
                f"{where} is no task as Label Studio's export JSON has it (JSON-MIN "
                "is another)"
            ) from error
        found.append(document)
        losses.update(lost)
    return Loaded(found, +losses)


def _write_result(number: int, text: str, entity: Entity) -> dict[str, Any]:
    value = {"start": entity.start, "end": entity.end}
    value["text"] = text[entity.start : entity.end]
    value["labels"] = [entity.type]
    result = {"id": f"{_OUR_ID}{number}", "from_name": "label", "to_name": "text"}
    score = {} if entity.score is None else {"score": entity.score}
    return {**result, "type": "labels", "value": value, **score}


def _write_task(document: Document, predicted: bool) -> dict[str, Any]:
    results = [
        _write_result(number, document.text, entity)
        for number, entity in enumerate(document.entities)
    ]
    task = {} if document.id is None else {"id": document.id}
    fields = {key: value for key, value in document.fields.items() if key != "text"}
    task["data"] = {"text": document.text, **fields}
    if predicted:
        prediction = {"model_version": MODEL_VERSION, "result": results}
        prediction.update(_mean_score(document.entities))
        return {**task, "predictions": [prediction]}
    return {**task, "annotations": [{"result": results}]}


def write(items: Sequence[Document]) -> Written:
    """Write tasks for Label Studio's import, with the labels `label` on `text`.

    Where an entity of the file has a score, all are pre-annotations, for a person to
    correct; the score of a task is the mean of its entities'. Else they are
    annotations.
    """
    predicted = any(e.score is not None for item in items for e in item.entities)
    tasks = [_write_task(item, predicted) for item in items]
    lines = [json.dumps(task, ensure_ascii=False, allow_nan=False) for task in tasks]
    taken = sum("text" in item.fields for item in items)
    losses = Counter({documents.FIELDS: taken} if taken else {})
    return Written("[\n" + ",\n".join(lines) + "\n]\n", losses)
