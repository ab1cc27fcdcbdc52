"""The first difference of two descriptions."""

from __future__ import annotations

import pytest

from albert.base.compare import first_difference


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        ({}, {}, None),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None),
        ({"a": 1, "b": 2}, {"b": 3, "a": 2}, ("b", 2, 3)),  # in the order of the second
        ({"b": 2}, {"a": 1, "b": 3}, ("a", None, 1)),
        ({"a": 1, "more": 2}, {"a": 1}, None),
        ({}, {"a": None}, None),
    ],
)
def test_the_first_value_that_differs_is_named(found, wanted, expected):
    assert first_difference(found, wanted) == expected
