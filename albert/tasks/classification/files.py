"""Data files -> rows of texts and labels: TSV, CSV, JSON lines (no TensorFlow)."""

from __future__ import annotations

import csv
from collections import Counter
from typing import Any, Iterator, Mapping, NamedTuple, Optional, Sequence, Union

from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.tasks.classification.config import ERROR, REFERENCE
from albert.tasks.classification.layout import (
    LABEL,
    LANGUAGE,
    TEXT_A,
    TEXT_B,
    Key,
    Layout,
)

TABLES, JSON_LINES = (".tsv", ".csv", ".txt"), (".json", ".jsonl")
SUFFIXES = (*TABLES, *JSON_LINES)
# Kinds of bad rows, as a warning counts them.
MISSING, EMPTY, UNKNOWN = "lack a column", "have an empty text", "have unknown labels"

Cells = Union[Sequence[str], Mapping[str, Any]]


class Row(NamedTuple):
    """A text or a pair, its label if it has one, and its line in the file."""

    text_a: str
    text_b: Optional[str]
    label: Optional[str]
    line: int


class RowFile(NamedTuple):
    """What a data file holds.

    Attributes:
        path: of the file.
        rows: in their order.
        pair: whether they are pairs.
        scored: whether each must have a label that the model knows.
    """

    path: str
    rows: list[Row]
    pair: bool
    scored: bool


class BadRow(Exception):
    """What is wrong with a row, and which kind of bad row it is."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class BadRows:
    """Stops at the first bad row, or counts those that are left out."""

    def __init__(self, path: str, policy: str):
        self._path, self._policy = path, policy
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def leave_out(self, row: int, bad: BadRow) -> None:
        """Count a bad row; UserError names it where none may be left out."""
        message = f"line {row} {bad}"
        if self._policy == ERROR or (self._policy == REFERENCE and bad.kind == UNKNOWN):
            raise UserError(
                f"{self._path}: {message}; --bad_rows=skip leaves such rows out"
            )
        self._counts[bad.kind] += 1
        self._first.setdefault(bad.kind, message)

    def warn(self) -> None:
        """Log how many rows were left out, and the first of each kind."""
        for kind, count in sorted(self._counts.items()):
            logging.warning(
                "%s: %d rows left out that %s: %s%s",
                self._path,
                count,
                kind,
                self._first[kind],
                ", ..." if count > 1 else "",
            )


def _read_table(path: str) -> Iterator[tuple[int, list[str]]]:
    lines = files.read_lines(path)
    if not path.endswith(".csv"):
        for number, line in enumerate(lines, start=1):
            if line:
                yield number, line.split("\t")
        return
    reader = csv.reader((line + "\n" for line in lines), strict=True)
    try:
        before = 0
        for cells in reader:
            if cells:
                yield before + 1, cells
            before = reader.line_num
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: {error}") from error


def _read_json_lines(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(files.read_lines(path), start=1):
        if not line.strip():
            continue
        value = files.parse_json(line, f"{path}: line {number}")
        if not isinstance(value, dict):
            raise UserError(f"{path}: line {number} is not a JSON object")
        yield number, value


def _find_names(
    names: Sequence[str], layout: Layout
) -> tuple[dict[str, str], list[str]]:
    """Return role -> the name that stands for it, and the roles that have none."""
    found, missing = {}, []
    for role, accepted in layout.names.items():
        there = [name for name in accepted if name in names]
        if there:
            found[role] = there[0]
        elif role != LANGUAGE and not (role == TEXT_B and layout.pair is None):
            missing.append(role)
    return found, missing


def _is_header(cells: Sequence[str], layout: Layout) -> bool:
    """Whether line 1 is a header; where it may be none: it names two columns."""
    if layout.header is not None or not layout.places:
        return layout.header is not False
    found, _ = _find_names(cells, layout)
    return TEXT_A in found and (LABEL in found or TEXT_B in found)


def _columns_by_name(
    names: Sequence[str], layout: Layout, where: str, need_labels: bool
) -> dict[str, str]:
    found, missing = _find_names(names, layout)
    if not need_labels:
        missing = [role for role in missing if role != LABEL]
    if missing:
        accepted = " or ".join(layout.names[missing[0]])
        raise UserError(
            f"{where} names no column for {missing[0]} ({accepted}); it has "
            f"{', '.join(map(repr, list(names)[:6]))}; see --task_name, --text_column"
        )
    return found


def _open(
    path: str, layout: Layout, need_labels: bool
) -> tuple[dict[str, Key], Iterator[tuple[int, Cells]]]:
    """Return role -> key of its cell, and the rows with the lines they stand in."""
    is_json = path.endswith(JSON_LINES)
    rows = _read_json_lines(path) if is_json else _read_table(path)
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path} is empty")
    line, cells = first
    where = f"{path}: line {line}"

    def all_rows() -> Iterator[tuple[int, Cells]]:
        yield first
        yield from rows

    if is_json:
        if layout.places and layout.header is not None:
            raise UserError(f"{path}: fields of JSON objects have names, no numbers")
        return _columns_by_name(list(cells), layout, where, need_labels), all_rows()
    if _is_header(cells, layout):
        logging.info("%s: line %d is a header: %s", path, line, " | ".join(cells))
        if layout.places and layout.header is not None:
            return dict(layout.places), rows
        found = _columns_by_name(cells, layout, where, need_labels)
        return {role: cells.index(name) for role, name in found.items()}, rows
    return dict(layout.places), all_rows()


def _cell(cells: Cells, key: Key) -> Optional[Any]:
    if isinstance(cells, Mapping):
        return cells.get(key)
    return cells[key] if key < len(cells) else None


def _read_text(cells: Cells, role: str, key: Key, may_be_empty: bool) -> str:
    """Return a text; keywords, a list of strings, are joined by spaces."""
    value = _cell(cells, key)
    if value is None:
        have = f"has {len(cells)} columns, " if not isinstance(cells, Mapping) else ""
        column = key + 1 if isinstance(key, int) else key
        raise BadRow(MISSING, f"{have}lacks column {column}, its {role}")
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = " ".join(value)
    if not isinstance(value, str):
        raise BadRow(MISSING, f"has the {role} {value!r}, which is no text")
    if not (may_be_empty or value.strip()):
        raise BadRow(EMPTY, f"has an empty {role}")
    return value


def _read_label(
    cells: Cells, key: Optional[Key], layout: Layout, needed: bool
) -> Optional[str]:
    value = None if key is None else _cell(cells, key)
    if value is None or (value == "" and not needed):
        if not needed:
            return None
        raise BadRow(MISSING, "has no label")
    if not isinstance(value, (str, int)) or not str(value).strip():
        raise BadRow(MISSING, f"has the label {value!r}")
    label = str(value).strip()
    label = layout.same_labels.get(label, label)
    if layout.labels is not None and label not in layout.labels:
        if not needed:
            return None
        known = ", ".join(layout.labels)
        raise BadRow(UNKNOWN, f"has the label {label!r}, which is none of {known}")
    return label


def read_rows(path: str, layout: Layout, need_labels: bool, bad_rows: str) -> RowFile:
    """Read a data file; the suffix says its form.

    Args:
        path: `.tsv` and `.txt` (cells between tabs, no quoting), `.csv` (quoted as in
            RFC 4180), `.json` and `.jsonl` (a JSON object a line).
        layout: of its rows.
        need_labels: whether a row without a label is wrong.
        bad_rows: ERROR, SKIP or REFERENCE.

    Raises:
        UserError: a column is missing, a row is bad and may not be left out, or there
            is no row.
    """
    columns, rows = _open(path, layout, need_labels)
    bad, found, others = BadRows(path, bad_rows), [], 0
    texts = [role for role in (TEXT_A, TEXT_B) if role in columns]
    for line, cells in rows:
        if LANGUAGE in columns and _cell(cells, columns[LANGUAGE]) != layout.language:
            others += 1
            continue
        try:
            read = [
                _read_text(cells, role, columns[role], bad_rows == REFERENCE)
                for role in texts
            ]
            label = _read_label(cells, columns.get(LABEL), layout, need_labels)
        except BadRow as error:
            bad.leave_out(line, error)
            continue
        found.append(Row(read[0], read[1] if len(read) > 1 else None, label, line))
    bad.warn()
    if others:
        logging.info("%s: %d rows are not %s", path, others, layout.language)
    if not found:
        raise UserError(f"{path} holds no row that can be used")
    return RowFile(path, found, TEXT_B in columns, need_labels)
