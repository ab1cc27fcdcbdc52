"""The rows of n-grams, looked up token by token."""

from __future__ import annotations

from albert.modeling.ngrams import TEMPLATES


def hash_of(number, ids, num_rows):
    value = number + 1
    for token in ids:
        value = (value * 1_000_003 + token + 1) % (2**31 - 1)
    return value % num_rows


def rows(tokens, num_rows):
    """The rows of one example without padding, [its tokens, templates]."""
    at = dict(enumerate(tokens))
    return [
        [
            hash_of(
                number, [at.get(place + offset, 0) for offset in template], num_rows
            )
            for number, template in enumerate(TEMPLATES)
        ]
        for place in range(len(tokens))
    ]
