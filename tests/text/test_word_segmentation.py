"""Segmenters, and the two rules that mark the tokens which continue a word."""

from __future__ import annotations

import random
import sys

import pytest

from albert.base.errors import UserError
from albert.text import word_segmentation
from albert.text.user_dictionary import UserWord
from albert.text.vocabulary import CONTINUATION
from albert.text.word_segmentation import (
    has_chinese,
    load_segmenter,
    mark_by_spans,
    mark_by_word_set,
)


def make_words(text):
    """Words separated by spaces, their pieces by |."""
    words = []
    for word in text.split():
        first, *rest = word.split("|")
        pieces = [first, *(CONTINUATION + piece for piece in rest)]
        words.append(("".join([first, *rest]), pieces))
    return words


def make_cut(text, expected=None):
    """A segmenter that knows one answer; it checks what it is asked."""
    spans = text.split()

    def cut(asked):
        assert asked == ("".join(spans) if expected is None else expected)
        return spans

    return cut


@pytest.mark.parametrize(
    ("words", "spans", "marked"),
    [
        ("研 究 方 法", "研究 方法", "研究 方法"),
        ("注 意 力", "注意力", "注意力"),
        ("神 经 网 络", "神经网络", "神 经 网 络"),
        ("神 经 网 络 神 经", "神经网络 神经", "神经 网 络 神经"),
        ("三 维 重 建 用", "三维重建 用", "三 维 重 建 用"),
        # The longest match from the left takes 研究生 from another place.
        ("研 究 生 命 , 研 究 生", "研究 生命 , 研究生", "研究生 命 , 研究生"),
        ("a 超", "a 超", "a 超"),
        ("t 恤", "t恤", "t 恤"),  # no match starts at a Latin token
        ("阿 q 说", "阿q 说", "阿q 说"),
        ("的", "的", "的"),
    ],
)
def test_reference_marks_words_of_up_to_three_tokens(words, spans, marked):
    marks = mark_by_word_set(make_words(words), make_cut(spans))
    expected = [i > 0 for word in marked.split() for i in range(len(word))]
    assert marks == expected


def test_reference_cuts_the_joined_pieces():
    words = make_words("卡 拉 o|k")
    cut = make_cut("卡拉 o # # k", expected="卡拉o##k")
    assert mark_by_word_set(words, cut) == [False, True, False, False]


@pytest.mark.parametrize(
    ("words", "spans", "marked"),
    [
        ("研 究 方 法", "研究 方法", [0, 1, 0, 1]),
        ("卷 积 神 经 网 络", "卷积 神经网络", [0, 1, 0, 1, 1, 1]),
        ("研 究 生 命 , 研 究 生", "研究 生命 , 研究生", [0, 1, 0, 1, 0, 0, 1, 1]),
        ("t 恤", "t恤", [0, 1]),
        ("3 . 2 倍", "3.2 倍", [0, 0, 0, 0]),  # no Chinese character in the span
        ("deep learning 方 法", "deeplearning 方法", [0, 0, 0, 1]),
        ("soft|max 函 数", "softmax 函数", [0, 0, 0, 1]),
        ("卡 拉 o|k", "卡拉ok", [0, 1, 1, 0]),  # ##k joins as a WordPiece anyway
    ],
)
def test_exact_marks_the_spans_where_they_stand(words, spans, marked):
    marks = mark_by_spans(make_words(words), make_cut(spans))
    assert marks == [bool(mark) for mark in marked]


def test_spans_cover_words_that_the_vocabulary_lacks():
    words = [("人", ["人"]), ("𠮷", ["[UNK]"]), ("野", ["野"])]
    assert mark_by_spans(words, make_cut("人 𠮷野")) == [False, False, True]


def test_a_sentence_without_words_has_no_marks():
    assert mark_by_word_set([], lambda text: []) == []
    assert mark_by_spans([], lambda text: []) == []


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("一", True),  # U+4E00
        ("龥", True),  # U+9FA5
        ("\u9fa6", False),
        ("㐀", False),
        ("##灸", True),
        ("a", False),
        ("。", False),
        ("", False),
    ],
)
def test_chinese_characters_are_those_of_the_reference(token, expected):
    assert has_chinese(token) is expected


@pytest.mark.parametrize("name", ["jieba", "rjieba"])
def test_segmenters_lose_nothing_and_find_words(name):
    if name == "rjieba":
        pytest.importorskip("rjieba")
    cut = load_segmenter(name)
    text = "卷积神经网络优于BERT-Base, 准确率98.7%。𠮷野家"
    assert "".join(cut(text)) == text
    assert {"卷积", "神经网络", "准确率"} <= set(cut(text))
    assert list(cut("")) == []


def test_rjieba_gives_another_character_for_half_a_surrogate_pair():
    pytest.importorskip("rjieba")
    words = load_segmenter("rjieba")("用\ud83d支持㐀\ude00")
    assert words == ["用", "\ufffd", "支持", "㐀", "\ufffd"]


def test_segmenters_agree_on_chinese_words(testdata):
    pytest.importorskip("rjieba")
    jieba, rjieba = load_segmenter("jieba"), load_segmenter("rjieba")
    folder = testdata / "pretraining_data"
    lines = [
        line
        for name in ("abstracts.txt", "odd.txt")
        for line in (folder / name).read_text(encoding="utf-8").split("\n")
    ]
    rng = random.Random(5)
    usual = "".join(lines)
    for _ in range(2000):  # with rare ideographs, which the two treat differently
        rare = [
            chr(rng.randrange(low, high))
            for low, high in ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, 0x2A6E0))
        ]
        line = [rng.choice([*rng.choices(usual, k=6), *rare]) for _ in range(30)]
        lines.append("".join(line))
    for line in lines:
        ours, theirs = (
            [word for word in cut(line) if has_chinese(word)] for cut in (jieba, rjieba)
        )
        assert ours == theirs
        assert "".join(rjieba(line)) == line


@pytest.fixture
def _none_is_loaded():
    word_segmentation._load_as_it_comes.cache_clear()
    yield
    word_segmentation._load_as_it_comes.cache_clear()


def test_a_segmenter_is_loaded_once_and_added_words_stay_out_of_it():
    cut = load_segmenter("jieba")
    assert load_segmenter("jieba") is cut
    text = "卷积神经网络优于旧法"
    before = cut(text)
    assert "神经网络优于" in load_segmenter("jieba", [UserWord("神经网络优于")])(text)
    assert cut(text) == before == load_segmenter("jieba")(text)


@pytest.mark.usefixtures("_none_is_loaded")
def test_a_missing_segmenter_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(UserError, match=r"rjieba.*pip install -e '.\[rjieba\]'"):
        load_segmenter("rjieba")


@pytest.mark.usefixtures("_none_is_loaded")
def test_loading_jieba_says_nothing(capfd):
    load_segmenter("jieba")(" 模型 ")
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
