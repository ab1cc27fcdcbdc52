"""Terms of a lexicon in sentences."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.text.lexicon import Found, TermFinder, count_terms, read_terms

TERMS = ("神经", "神经网络", "网络", "络", "crf")


def test_terms_are_found_where_they_overlap():
    found = list(TermFinder(TERMS, True).find("卷神经网络"))
    assert found == [Found(1, 3, 0), Found(1, 5, 1), Found(3, 5, 2), Found(4, 5, 3)]


@pytest.mark.parametrize(
    ("lower_case", "columns", "expected"),
    [
        (True, "用CRF", [Found(1, 4, 4)]),
        (False, "用CRF", []),
        (True, ["用", "CRF"], [Found(1, 2, 4)]),  # a word of Latin letters is a column
    ],
)
def test_latin_terms(lower_case, columns, expected):
    assert list(TermFinder(TERMS, lower_case).find(columns)) == expected


def test_a_term_inside_a_longer_one_is_not_counted():
    # In the first sentence 神经网络 hides 神经, 网络 and 络; the second has 网络, which
    # hides 络, and 神经. All begin with 1.
    lexicon = count_terms(TERMS, ["卷神经网络", "网络与神经"], True)
    assert lexicon.terms == TERMS
    assert lexicon.counts == (2, 2, 2, 1, 1)


def test_a_file_of_terms(tmp_path):
    path = tmp_path / "terms.txt"
    path.write_text("神经网络\n CRF\ncrf\n", encoding="utf-8")
    assert read_terms(str(path), True) == ("神经网络", "crf")
    assert read_terms(str(path), False) == ("神经网络", "CRF", "crf")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("神经\n\n网络\n", "line 2 is empty; a lexicon has a term"),
        ("", "holds no term"),
    ],
)
def test_wrong_files_of_terms_are_one_line(tmp_path, text, message):
    path = tmp_path / "terms.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_terms(str(path), True)
