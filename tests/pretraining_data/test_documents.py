"""Reading documents, and encoding them as ids and marks."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from albert.base.errors import UserError
from albert.pretraining_data import documents
from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.documents import DocumentEncoder, TextCounts
from albert.text.vocabulary import SPECIAL_TOKENS, UNK, Vocabulary

TOKENS = ("研", "究", "方", "法", "##究", "##法", "江", "南", "style", "soft", "##max")


def make_encoder(monkeypatch, spans, *more_tokens, **flags):
    """An encoder whose segmenter cuts every text at the given spans."""

    def cut(text):
        words = []
        while text:
            word = next((s for s in spans if text.startswith(s)), text[0])
            words.append(word)
            text = text[len(word) :]
        return words

    monkeypatch.setattr(documents, "load_segmenter", lambda name, words: cut)
    config = PretrainingDataConfig(("in",), ("out",), "vocab.txt", **flags)
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *TOKENS, *more_tokens])
    return DocumentEncoder(vocabulary, config), vocabulary


@pytest.mark.parametrize(
    ("line", "cleaned"),
    [
        ("  行首和行尾  ", "行首和行尾"),
        ("a   b", "a b"),
        ("a  b", "a b"),
        ("a    b", "a b"),  # four: one and one are two, which become one
        ("a     b", "a  b"),  # five: one and two are three, which become two
        ("a      b", "a b"),
        ("a       b", "a  b"),  # seven: three, which become two
        ("a\rb\r", "ab"),  # TensorFlow's reader drops carriage returns
        ("\u3000\t", ""),
        (" \r", ""),
    ],
)
def test_lines_are_cleaned_as_in_the_reference(line, cleaned):
    assert documents.clean_line(line) == cleaned


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        (["", " ", ""], []),
        (["a", "b"], [["a", "b"]]),
        (["", "a", "", "", "b", "c", ""], [["a"], ["b", "c"]]),
        (["a", "   ", "b"], [["a"], ["b"]]),
    ],
)
def test_blank_lines_stand_between_documents(lines, expected):
    assert list(documents.split_documents(lines)) == expected


def test_a_document_goes_on_in_the_next_file(tmp_path):
    for name, text in (("1", "一\n\n二"), ("2", "三\n"), ("3", "\n四\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    sizes = []
    lines = documents.read_lines([str(tmp_path / n) for n in "123"], sizes.append)
    assert list(documents.split_documents(lines)) == [["一"], ["二", "三"], ["四"]]
    assert sum(sizes) == 8 + 4 + 5


def test_a_line_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "gbk.txt"
    path.write_bytes("一行\n".encode() + "二行\n".encode("gbk"))
    with pytest.raises(UserError, match=r"gbk.txt: line 2 is not UTF-8"):
        list(documents.read_lines([str(path)]))


def test_a_document_holds_ids_marks_and_joins(monkeypatch):
    encoder, vocabulary = make_encoder(monkeypatch, ["研究", "方法"])
    document, counts = encoder.encode(["研究SoftMax", "方法方"])
    tokens = ["研", "究", "soft", "##max", "方", "法", "方"]
    assert vocabulary.to_tokens(document.ids) == tokens
    assert document.marked.tolist() == [False, True, False, False, False, True, False]
    assert document.joins.tolist() == [False, True, False, True, False, True, False]
    assert document.sentence_lengths == (4, 3)
    assert counts == TextCounts(documents=1, sentences=2, tokens=7)


def test_text_that_is_not_chinese_is_not_segmented(monkeypatch):
    encoder, _ = make_encoder(monkeypatch, ["研究"], non_chinese=True)
    document, _ = encoder.encode(["研究SoftMax", "方法"])
    assert not document.marked.any()
    assert document.joins.tolist() == [False, False, False, True, False, False]


@pytest.mark.parametrize(
    ("more", "flags", "shown", "marked"),
    [
        # The reference takes the ## away again from Chinese characters alone.
        (["##style", "##南"], {}, ["江", "南", "##style"], [0, 1, 0]),
        (["##南"], {}, ["江", "南", "style"], [0, 1, 1]),
        (
            ["##style"],
            {"continuation_labels": False},
            ["江", "南", "style"],
            [0, 1, 1],
        ),
        (
            ["##style"],
            {"whole_word_spans": "exact"},
            ["江", "南", "style"],
            [0, 1, 1],
        ),
    ],
)
def test_latin_end_of_a_chinese_word(monkeypatch, more, flags, shown, marked):
    encoder, vocabulary = make_encoder(monkeypatch, ["江南style"], *more, **flags)
    document, _ = encoder.encode(["江南Style"])
    assert vocabulary.to_tokens(document.ids) == shown
    assert document.joins.tolist() == [False, True, True]
    assert document.marked.tolist() == [bool(mark) for mark in marked]


def test_unknown_words_are_counted_by_their_text(monkeypatch):
    encoder, vocabulary = make_encoder(monkeypatch, [])
    document, counts = encoder.encode(["𠮷研😀𠮷", "究"])
    tokens = [UNK, "研", UNK, UNK, "究"]
    assert vocabulary.to_tokens(document.ids) == tokens
    assert counts.unknown_tokens == 3
    assert counts.unknown_words == Counter({"𠮷": 2, "😀": 1})


def test_lines_without_tokens_are_dropped(monkeypatch):
    encoder, _ = make_encoder(monkeypatch, [])
    document, counts = encoder.encode(["\u200b", "研", "\ufffd"])
    assert document.sentence_lengths == (1,)
    assert counts == TextCounts(1, 0, 1, sentences=1, tokens=1)
    document, counts = encoder.encode(["\u200b"])
    assert document is None
    assert counts == TextCounts(empty_documents=1)


def test_counts_of_parts_add_up():
    total = TextCounts(1, 2, 3, 4, 5, 6, Counter(a=1))
    part = TextCounts(10, 20, 30, 40, 50, 60, Counter(a=1, b=2))
    before = dataclasses.replace(part, unknown_words=Counter(part.unknown_words))
    total.add(part)
    assert total == TextCounts(11, 22, 33, 44, 55, 66, Counter(a=2, b=2))
    assert part == before
