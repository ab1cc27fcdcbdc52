"""Running text in sentences and columns."""

from __future__ import annotations

import random

import pytest

from albert.tasks.ner.conll import Sentence
from albert.tasks.ner.text import CHARACTERS, WORDS, find_latin_columns, split_text


def columns(text, latin=CHARACTERS):
    return [list(sentence.columns) for sentence in split_text(text, latin)]


@pytest.mark.parametrize(
    ("text", "latin", "expected"),
    [
        ("", CHARACTERS, []),
        (" \n\t", CHARACTERS, []),
        ("用 CRF。好", WORDS, [["用", "CRF", "。"], ["好"]]),
        ("用 CRF。好", CHARACTERS, [["用", "C", "R", "F", "。"], ["好"]]),
        ("他说：“好！”走", CHARACTERS, [list("他说：“好！”"), ["走"]]),
        ("第一\n第二\r\n", CHARACTERS, [list("第一"), list("第二")]),
        ("真的？！对", CHARACTERS, [list("真的？！"), ["对"]]),
        ("BERT-base 3.5", WORDS, [["BERT", "-", "base", "3", ".", "5"]]),
    ],
)
def test_sentences_and_columns(text, latin, expected):
    assert columns(text, latin) == expected


@pytest.mark.parametrize("latin", [CHARACTERS, WORDS])
def test_columns_stand_where_they_say_and_nothing_but_white_space_is_lost(latin):
    rng = random.Random(4)
    for _ in range(200):
        text = "".join(rng.choices("中文。！ab1 \n\u3000½“”;", k=rng.randint(0, 40)))
        covered = []
        for sentence in split_text(text, latin):
            for column, start, end in zip(*sentence):
                assert text[start:end] == column
                covered.extend(range(start, end))
        assert covered == [i for i, c in enumerate(text) if not c.isspace()]


@pytest.mark.parametrize(
    ("written", "expected"),
    [(["用", "C", "N", "N"], CHARACTERS), (["用", "CNN"], WORDS), (["½", "ab"], WORDS)],
)
def test_what_the_training_data_make_of_latin_text(written, expected):
    sentence = Sentence(tuple(written), None, 1)
    assert find_latin_columns([sentence]) == expected
