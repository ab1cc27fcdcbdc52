"""Texts in the graph against what the program does to strings."""

from __future__ import annotations

import pathlib
import random

import pytest
import tensorflow as tf

from albert.base import files
from albert.serving.graph_text import ColumnReader, PieceFinder
from albert.serving.graph_windows import plan_windows
from albert.tasks.ner import examples
from albert.tasks.ner.text import CHARACTERS, CLOSERS, ENDERS, WORDS, split_text
from albert.text.tokenization import Tokenizer, split_pieces
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary

v1 = tf.compat.v1
PIECES = ("C", "CR", "##F", "##RF", "bert", "##1", "##2", "a", "aa", "##aa", "1")
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *"用模型好，。é½İi", *PIECES])
CORPORA = pathlib.Path(__file__).resolve().parents[3] / "shared/data/corpus"


def read_in_graph(texts, tokenizer, latin_columns):
    """Return of each text its columns: (sentence, start, end, id)."""
    with tf.Graph().as_default(), v1.Session() as session:
        holder = v1.placeholder(tf.string, [None])
        columns = ColumnReader(tokenizer, latin_columns).read(holder)
        session.run(v1.tables_initializer())
        found = session.run(columns, {holder: texts})
    rows, opening = [[] for _ in texts], {}
    for row, sentence, *rest in zip(
        found.text, found.sentence, found.starts, found.ends, found.ids
    ):
        own = sentence - opening.setdefault(row, sentence)
        rows[row].append((own, *rest))
    return rows


def read_in_python(text, tokenizer, latin_columns):
    ids = examples.ColumnIds(tokenizer)
    return [
        (number, start, end, ids[column])
        for number, sentence in enumerate(split_text(text, latin_columns))
        for column, start, end in zip(*sentence)
    ]


def random_texts(count=400, seed=3):
    rng = random.Random(seed)
    letters = (
        "用模好龘é½İ,.😀\u200b\0\ufffd \t\n\r\u2028\u3000CRFabert12" + ENDERS + CLOSERS
    )
    return [
        "".join(rng.choices(letters, k=rng.choice([0, 1, 2, 5, 30])))
        for _ in range(count)
    ]


def test_columns_of_a_text_counted_by_hand():
    ids = VOCABULARY.ids
    unknown = ids["[UNK]"]
    found = read_in_graph(
        ["", "用 CRF。”好", " ", "x\n\n模"], Tokenizer(VOCABULARY, False), WORDS
    )
    assert found == [
        [],
        [
            (0, 0, 1, ids["用"]),
            (0, 2, 5, ids["CR"]),  # CR ##F
            (0, 5, 6, ids["。"]),
            (0, 6, 7, unknown),
            (1, 7, 8, ids["好"]),
        ],
        [],
        [(0, 0, 1, unknown), (1, 3, 4, ids["模"])],
    ]


@pytest.mark.parametrize("do_lower_case", [False, True])
@pytest.mark.parametrize("latin_columns", [CHARACTERS, WORDS])
def test_columns_and_ids_are_those_of_the_program(latin_columns, do_lower_case):
    tokenizer, texts = Tokenizer(VOCABULARY, do_lower_case), random_texts()
    found = read_in_graph(texts, tokenizer, latin_columns)
    for text, row in zip(texts, found):
        assert row == read_in_python(text, tokenizer, latin_columns), repr(text)


def test_texts_without_any_character_have_no_columns():
    tokenizer = Tokenizer(VOCABULARY, True)
    assert read_in_graph(["", ""], tokenizer, WORDS) == [[], []]
    assert read_in_graph([" \n", ""], tokenizer, CHARACTERS) == [[], []]


def test_first_pieces_of_words():
    words = ["CRF", "CRF1", "CRF3", "bert12", "Bert", "aaaa", "aaaaa", "z", "a" * 201]
    words += ["a" * 200, "1", "11"]
    for lower in (False, True):
        with tf.Graph().as_default(), v1.Session() as session:
            finder = PieceFinder(Tokenizer(VOCABULARY, lower))
            ids = finder.find_first(tf.constant(words))
            session.run(v1.tables_initializer())
            found = session.run(ids)
        for word, number in zip(words, found):
            word = word.lower() if lower else word
            wanted = split_pieces(word, VOCABULARY)[0]
            assert VOCABULARY.tokens[number] == wanted, word


@pytest.mark.parametrize("capacity", [2, 3, 8, 126])
def test_windows_are_those_of_the_program(capacity):
    lengths = [*range(1, 4 * capacity + 3), 1000]
    with tf.Graph().as_default(), v1.Session() as session:
        found = session.run(plan_windows(tf.constant(lengths), capacity))
    wanted = [
        (number, *window)
        for number, length in enumerate(lengths)
        for window in examples.plan_windows(length, capacity)
    ]
    assert [tuple(row) for row in zip(*found)] == wanted


@pytest.mark.slow
@pytest.mark.skipif(not CORPORA.is_dir(), reason="needs ../shared/data/corpus")
@pytest.mark.parametrize("latin_columns", [CHARACTERS, WORDS])
def test_lines_of_the_corpora_give_the_same_columns(latin_columns):
    path = CORPORA / "tech_lctt.txt"  # of all, the one with the most unusual characters
    lines = list(files.read_lines(str(path)))[::600]
    tokens = {*PIECES, *"".join(lines)} - set(" \u3000")
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *sorted(tokens)])
    tokenizer = Tokenizer(vocabulary, True)
    for line, row in zip(lines, read_in_graph(lines, tokenizer, latin_columns)):
        assert row == read_in_python(line, tokenizer, latin_columns), line
