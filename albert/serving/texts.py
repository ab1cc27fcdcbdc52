"""What a model is asked about: a text, or a text and a second one."""

from __future__ import annotations

from typing import Optional, Sequence, Union

from albert.base.errors import UserError

Input = Union[str, Sequence[str]]


def count_characters(value: Input) -> int:
    """Return the characters of a text, or of a pair of texts."""
    return len(value) if isinstance(value, str) else sum(map(len, value))


def check_inputs(inputs: Sequence[Input], second: Optional[str]) -> None:
    """Stop where an input is not what the model takes.

    Args:
        inputs: what is to be predicted.
        second: what the model calls the second text, None where it takes single texts.

    Raises:
        UserError: it names the input by its number, from 1.
    """
    for number, value in enumerate(inputs, start=1):
        single = isinstance(value, str)
        if single and second is not None:
            raise UserError(
                f"text {number} is a single text; the model takes pairs: text and "
                f"{second}"
            )
        if not single and second is None:
            raise UserError(f"text {number} is a pair; the model takes single texts")
        if not single and len(value) != 2:
            raise UserError(f"text {number} has {len(value)} parts; a pair has two")
