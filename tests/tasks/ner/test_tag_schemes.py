"""Tag schemes: what is legal, what is detected, what is written."""

from __future__ import annotations

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.tasks.ner.tag_schemes import (
    LabelSet,
    collect_labels,
    count_illegal,
    detect_scheme,
    find_scheme,
    is_legal,
    split_tag,
    write_span,
)

BIO, BMES, BIOES = map(find_scheme, ("BIO", "BMES", "BIOES"))


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("O", ("O", "")),
        ("B-PER", ("B", "PER")),
        ("I-PER.NOM", ("I", "PER.NOM")),
        ("E-a-b", ("E", "a-b")),
        ("M-方法", ("M", "方法")),
        ("B", None),
        ("B-", None),
        ("B_PER", None),
        ("X-PER", None),
        ("o", None),
        ("-PER", None),
        ("PER", None),
        ("O-PER", None),
    ],
)
def test_tag_is_split_or_refused(tag, expected):
    assert split_tag(tag) == expected


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "B-A", "I-A"], BIO),
        (["O"], BIO),
        (["I-A", "O"], BIO),
        (["B-A", "M-A", "E-A", "S-B", "O"], BMES),
        (["B-A", "E-A"], BMES),
        (["B-A", "I-A", "E-A"], BIOES),
        (["B-A", "I-A", "S-A"], BIOES),
    ],
)
def test_scheme_is_detected_from_the_prefixes(tags, scheme):
    assert detect_scheme(tags) == scheme


def test_prefixes_that_no_scheme_has_together_are_refused():
    with pytest.raises(UserError, match="begin with B, I, M, which no scheme has"):
        detect_scheme(["B-A", "I-A", "M-B"])


def test_unknown_scheme_name_is_refused():
    with pytest.raises(UserError, match="unknown tag scheme 'BILOU'"):
        find_scheme("BILOU")


LEGAL = {
    BIO: [
        *("O O", "O B-A", "B-A O", "B-A I-A", "B-A B-A", "B-A B-B"),
        *("I-A I-A", "I-A O", "I-A B-A", "I-A B-B"),
    ],
    BMES: [
        *("O O", "O B-A", "O S-A", "B-A M-A", "B-A E-A", "M-A M-A", "M-A E-A"),
        *("E-A O", "E-A B-B", "E-A S-A", "S-A O", "S-A S-B", "S-A B-A"),
    ],
    BIOES: ["O B-A", "B-A I-A", "I-A I-A", "I-A E-A", "B-A E-A", "E-A S-B"],
}
ILLEGAL = {
    BIO: ["O I-A", "B-A I-B", "I-A I-B"],
    BMES: [
        *("O M-A", "O E-A", "B-A O", "B-A B-A", "B-A S-A", "M-A O", "M-A B-A"),
        *("M-A S-A", "E-A M-A", "E-A E-A", "S-A E-A", "B-A M-B", "M-A E-B"),
    ],
    BIOES: ["O I-A", "I-A O", "B-A I-B", "E-A I-A", "S-A I-A", "I-A B-A"],
}


@pytest.mark.parametrize("table", [LEGAL, ILLEGAL], ids=["legal", "illegal"])
@pytest.mark.parametrize("scheme", [BIO, BMES, BIOES], ids=lambda scheme: scheme.name)
def test_transition_is_legal_as_the_table_says(scheme, table):
    for pair in table[scheme]:
        assert is_legal(scheme, *pair.split()) == (table is LEGAL), pair


@pytest.mark.parametrize(
    ("scheme", "tags", "count"),
    [
        (BIO, "O I-A I-A O", 1),
        (BIO, "I-A I-B B-A I-A", 2),
        (BIO, "B-A I-A O", 0),
        (BMES, "B-A M-A", 1),
        (BMES, "E-A", 1),
        (BMES, "B-A O M-A", 3),
        (BMES, "S-A B-A E-A", 0),
    ],
)
def test_illegal_transitions_are_counted_with_the_edges(scheme, tags, count):
    assert count_illegal(tags.split(), scheme) == count


@pytest.mark.parametrize(
    ("scheme", "by_length"),
    [
        (BIO, ["B-A", "B-A I-A", "B-A I-A I-A"]),
        (BMES, ["S-A", "B-A E-A", "B-A M-A E-A", "B-A M-A M-A E-A"]),
        (BIOES, ["S-A", "B-A E-A", "B-A I-A E-A"]),
    ],
)
def test_written_span_is_spelled_as_the_scheme_wants(scheme, by_length):
    for length, tags in enumerate(by_length, start=1):
        assert write_span("A", length, scheme) == tags.split()


def test_labels_are_complete_and_in_a_stable_order():
    tags = ["O", "B-Task", "B-Method", "I-Method"]
    expected = ["O", "B-Method", "I-Method", "B-Task", "I-Task"]
    assert collect_labels(tags, BIO).labels == expected
    assert collect_labels(reversed(tags), BIO).labels == expected
    assert collect_labels(["S-X"], BMES).labels == ["O", "B-X", "M-X", "E-X", "S-X"]


def test_matrix_of_legal_transitions_has_row_before_and_column_after():
    expected = [
        # O  B-A  I-A
        [1, 1, 0],  # O
        [1, 1, 1],  # B-A
        [1, 1, 1],  # I-A
    ]
    found = LabelSet(BIO, ("A",)).legal_transitions()
    np.testing.assert_array_equal(found, np.array(expected, bool))
