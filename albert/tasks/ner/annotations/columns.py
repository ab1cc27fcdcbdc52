"""BIO, BMES and BIOES: a character and its tag on each line, blank lines between."""

from __future__ import annotations

from collections import Counter
from typing import Sequence

from albert.base.errors import UserError
from albert.tasks.ner.annotations import document as documents
from albert.tasks.ner.annotations.document import Document, Entity, Loaded, Written
from albert.tasks.ner.conll import (
    DOCUMENT_START,
    ConllFile,
    Sentence,
    read_conll,
    split_fields,
)
from albert.tasks.ner.entities import Span, read_default, write_spans
from albert.tasks.ner.tag_schemes import OUTSIDE, Scheme, count_illegal

COLUMN_BOUNDARIES = "boundaries of columns that hold several characters"
FURTHER_COLUMNS = "lines with fields between the first and the last"
DOCUMENT_STARTS = "-DOCSTART- lines"
ILLEGAL = "illegal transitions, read as the conlleval script does"
LINE_BREAKS = "line breaks inside documents: each line is a sentence of its own"
ACROSS_LINES = "entities that cross a line break"
OVERLAPS = "entities that overlap a longer one"
TYPE_SPACES = "types with white space in their names, written as _"
NO_TEXT = "documents without text"

_BYTE_ORDER_MARK = "\ufeff"


def _check_scheme(conll: ConllFile, scheme: Scheme) -> None:
    for sentence in conll.sentences:
        for line, tag in enumerate(sentence.tags, start=sentence.line):
            if tag != OUTSIDE and tag[0] not in scheme.prefixes:
                raise UserError(
                    f"{conll.path}: line {line}: the tag {tag!r} is not of the scheme "
                    f"{scheme.name} (O, {', '.join(scheme.prefixes)})"
                )


def _read_sentence(sentence: Sentence) -> Document:
    offsets = [0]
    for column in sentence.columns:
        offsets.append(offsets[-1] + len(column))
    entities = [
        Entity(kind, offsets[start], offsets[end])
        for kind, start, end in read_default(sentence.tags)
    ]
    return Document("".join(sentence.columns), documents.order(entities))


def read(path: str, scheme: Scheme) -> Loaded:
    """Read a CoNLL file; each sentence is a document.

    Raises:
        UserError: see `read_conll`; a tag is of another scheme.
    """
    conll = read_conll(path)
    _check_scheme(conll, scheme)
    columns = [column for s in conll.sentences for column in s.columns]
    losses = Counter(
        {
            COLUMN_BOUNDARIES: sum(len(column) > 1 for column in columns),
            FURTHER_COLUMNS: sum(len(split_fields(x)) > 2 for x in conll.lines),
            DOCUMENT_STARTS: sum(x.startswith(DOCUMENT_START) for x in conll.lines),
            ILLEGAL: sum(count_illegal(s.tags, scheme) for s in conll.sentences),
        }
    )
    return Loaded([_read_sentence(sentence) for sentence in conll.sentences], +losses)


def _keep_apart(entities: Sequence[Entity]) -> tuple[list[Entity], int]:
    """Return the entities that overlap none longer, and how many others there are.

    Of equal length the one further left is kept, then the type that sorts first.
    """
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start - e.end, e.start, e.type)):
        if all(entity.end <= k.start or k.end <= entity.start for k in kept):
            kept.append(entity)
    return kept, len(entities) - len(kept)


def _write_line(text: str, entities: Sequence[Entity], scheme: Scheme) -> str:
    spans = [Span("_".join(e.type.split()), e.start, e.end) for e in entities]
    tags = write_spans(spans, len(text), scheme)
    return "".join(f"{c} {tag}\n" for c, tag in zip(text, tags))


def _write_document(document: Document, scheme: Scheme) -> tuple[list[str], Counter]:
    """Return the sentences of a document, one a line of its text, and its losses."""
    text = document.text
    losses = documents.count_metadata(document)
    solid = [e for e in document.entities if e.start < e.end]
    losses[documents.EMPTY_ENTITIES] += len(document.entities) - len(solid)
    inside = [e for e in solid if "\n" not in text[e.start : e.end]]
    losses[ACROSS_LINES] += len(solid) - len(inside)
    entities, overlapping = _keep_apart(inside)
    losses[OVERLAPS] += overlapping
    losses[TYPE_SPACES] += sum(e.type.split() != [e.type] for e in entities)
    losses[LINE_BREAKS] += text.count("\n")
    losses[NO_TEXT] += not text
    sentences, start = [], 0
    for line in text.split("\n"):
        end = start + len(line)
        here = [
            e._replace(start=e.start - start, end=e.end - start)
            for e in entities
            if start <= e.start < end
        ]
        if line:
            sentences.append(_write_line(line, here, scheme))
        start = end + 1
    return sentences, losses


def write(items: Sequence[Document], scheme: Scheme) -> Written:
    """Write documents a character a line; a document of several lines is as many
    sentences.

    Overlapping entities have no place: the longest is kept.

    Raises:
        UserError: no document has text.
    """
    sentences: list[str] = []
    losses: Counter = Counter()
    for item in items:
        lines, lost = _write_document(item, scheme)
        sentences += lines
        losses.update(lost)
    if not sentences:
        raise UserError("no document has text: there is nothing to write")
    # A first character U+FEFF would be taken for the mark of the file.
    text = "\n".join(sentences)
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    return Written(mark + text, +losses)
