"""The labels of a classifier (no TensorFlow)."""

from __future__ import annotations

from typing import Iterable, NamedTuple


class ClassLabels(NamedTuple):
    """The labels there are, in the order of their ids, and what is labelled.

    Attributes:
        names: of the labels.
        pairs: whether pairs of texts are labelled; else single texts.
    """

    names: tuple[str, ...]
    pairs: bool


def sort_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return labels in their order: as numbers, where all are; else as text."""
    found = set(labels)
    if all(label.lstrip("-").isdecimal() for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found))
