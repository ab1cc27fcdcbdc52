"""From one annotation format to another, with the losses said."""

from __future__ import annotations

import functools
from typing import Callable, Mapping, NamedTuple, Sequence

from albert.base import files
from albert.base.errors import UserError
from albert.tasks.ner.annotations import columns, json_lines, label_studio
from albert.tasks.ner.annotations.document import Document, Loaded, Losses, Written
from albert.tasks.ner.tag_schemes import SCHEMES


class Format(NamedTuple):
    """How a format is read from a file, and written as text."""

    read: Callable[[str], Loaded]
    write: Callable[[Sequence[Document]], Written]


FORMATS: Mapping[str, Format] = {
    **{
        scheme.name.lower(): Format(
            functools.partial(columns.read, scheme=scheme),
            functools.partial(columns.write, scheme=scheme),
        )
        for scheme in SCHEMES
    },
    "doccano": Format(json_lines.read_doccano, json_lines.write_doccano),
    "label_studio": Format(label_studio.read, label_studio.write),
    "cluener": Format(json_lines.read_cluener, json_lines.write_cluener),
    "predictions": Format(json_lines.read_predictions, json_lines.write_predictions),
}


class Conversion(NamedTuple):
    """What was converted: documents, entities, and what had no place."""

    documents: int
    entities: int
    losses: Losses


def convert(
    source: str, target: str, source_format: str, target_format: str
) -> Conversion:
    """Write the documents of file `source` to file `target` in another format.

    Args:
        source_format, target_format: keys of `FORMATS`.

    Raises:
        UserError: the source is not in its format, or holds no document.
    """
    loaded = FORMATS[source_format].read(source)
    if not loaded.documents:
        raise UserError(f"{source} holds no document")
    written = FORMATS[target_format].write(loaded.documents)
    files.write_text(target, written.text)
    entities = sum(len(item.entities) for item in loaded.documents)
    losses = loaded.losses + written.losses
    return Conversion(len(loaded.documents), entities, losses)
