"""Tag schemes as tables: what labels exist, and what may follow what (no TensorFlow).

A tag is "O" or a prefix, a hyphen and a type: `B-Method`, `E-PER.NOM`.
"""

from __future__ import annotations

import dataclasses
from typing import Iterable, NamedTuple, Optional, Sequence

import numpy as np

from albert.base.errors import UserError
from albert.tasks.ner.beside import Beside

OUTSIDE = "O"


class Scheme(NamedTuple):
    """How an entity's tags are written, by four prefixes.

    The rules follow from them: an entity opens with `first` or `single`, closes with
    `last` or `single`, and goes on from `first` or `middle` to `middle` or `last`.
    Where two of the four are one letter (BIO), both rules hold for it.
    """

    name: str
    single: str
    first: str
    middle: str
    last: str

    @property
    def prefixes(self) -> str:
        """Every prefix once, in the order in which they stand in an entity."""
        parts = (self.first, self.middle, self.last, self.single)
        return "".join(dict.fromkeys(parts))


# In order of preference where a data set fits several.
SCHEMES = (
    Scheme("BIO", single="B", first="B", middle="I", last="I"),
    Scheme("BMES", single="S", first="B", middle="M", last="E"),
    Scheme("BIOES", single="S", first="B", middle="I", last="E"),
)
_PREFIXES = frozenset("".join(scheme.prefixes for scheme in SCHEMES))


def split_tag(tag: str) -> Optional[tuple[str, str]]:
    """Return (prefix, type) of a tag, ("O", "") of "O", None of anything else."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, hyphen, kind = tag.partition("-")
    return (prefix, kind) if prefix in _PREFIXES and hyphen and kind else None


def find_scheme(name: str) -> Scheme:
    """Return the scheme called `name`; UserError where there is none."""
    for scheme in SCHEMES:
        if scheme.name == name:
            return scheme
    raise UserError(f"unknown tag scheme {name!r}")


def detect_scheme(tags: Iterable[str]) -> Scheme:
    """Return the first scheme that has the prefixes of all `tags` (well-formed ones).

    Raises:
        UserError: no scheme has all of them, as where B-, I- and M- are mixed.
    """
    prefixes = {split_tag(tag)[0] for tag in set(tags)} - {OUTSIDE}
    for scheme in SCHEMES:
        if prefixes <= set(scheme.prefixes):
            return scheme
    listed = ", ".join(f"{scheme.name} ({scheme.prefixes})" for scheme in SCHEMES)
    raise UserError(
        f"the tags begin with {', '.join(sorted(prefixes))}, which no scheme has "
        f"together; known are {listed}"
    )


def is_legal(scheme: Scheme, before: str, after: str) -> bool:
    """Whether tag `after` may follow tag `before`; "O" stands for a sentence's edges.

    Example: in BIO, `I-A` may follow `B-A` and `I-A`, but neither `O` nor `B-B`.
    """
    (prefix, kind), (next_prefix, next_kind) = split_tag(before), split_tag(after)
    goes_on = (
        kind == next_kind
        and prefix in (scheme.first, scheme.middle)
        and next_prefix in (scheme.middle, scheme.last)
    )
    closes = prefix in (OUTSIDE, scheme.last, scheme.single)
    opens = next_prefix in (OUTSIDE, scheme.first, scheme.single)
    return goes_on or (closes and opens)


def count_illegal(tags: Sequence[str], scheme: Scheme) -> int:
    """Return how many transitions of a sentence are illegal, its edges included.

    Example: `O I-A I-A O` holds one in BIO, the first.
    """
    padded = [OUTSIDE, *tags, OUTSIDE]
    return sum(not is_legal(scheme, a, b) for a, b in zip(padded, padded[1:]))


def write_span(kind: str, length: int, scheme: Scheme) -> list[str]:
    """Return the tags of an entity of `length` columns.

    Example: `write_span("A", 3, BMES)` is `B-A M-A E-A`.
    """
    if length == 1:
        prefixes = scheme.single
    else:
        prefixes = scheme.first + scheme.middle * (length - 2) + scheme.last
    return [f"{prefix}-{kind}" for prefix in prefixes]


@dataclasses.dataclass(frozen=True)
class LabelSet:
    """The labels of a model: "O" and every prefix of the scheme for every type.

    A label that the training data lacks (I-X beside B-X) is there all the same, so
    that each type can be written in full.

    Attributes:
        scheme: how entities are tagged.
        types: entity types, sorted.
        latin_columns: what Latin text is in the training data's columns, "characters"
            or "words"; see `albert.tasks.ner.text`.
        beside: what is read beside tokens.
    """

    scheme: Scheme
    types: tuple[str, ...]
    latin_columns: str = "characters"
    beside: Beside = Beside()

    @property
    def labels(self) -> list[str]:
        """Every label; its index is its id, and "O" has id 0."""
        prefixes = self.scheme.prefixes
        return [OUTSIDE, *(f"{p}-{kind}" for kind in self.types for p in prefixes)]

    def legal_transitions(self) -> np.ndarray:
        """Return bool [labels, labels]: whether the column may follow the row.

        Row and column 0 ("O") tell what may begin and what may end a sentence.
        """
        labels = self.labels
        rows = [[is_legal(self.scheme, a, b) for b in labels] for a in labels]
        return np.array(rows, bool)

    def continuations(self) -> np.ndarray:
        """Return bool [labels, labels]: which go on with an entity of a label's type.

        A label that may also open one does not: `B-A` in BIO.
        """
        inside = {self.scheme.middle, self.scheme.last}
        inside -= {self.scheme.first, self.scheme.single}
        parts = [split_tag(label) for label in self.labels]
        rows = [[p in inside and kind == own for p, kind in parts] for _, own in parts]
        return np.array(rows, bool)


def collect_labels(tags: Iterable[str], scheme: Scheme) -> LabelSet:
    """Return the label set over the types that `tags` name."""
    types = {split_tag(tag)[1] for tag in set(tags)} - {""}
    return LabelSet(scheme, tuple(sorted(types)))
