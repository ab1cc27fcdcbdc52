"""Alignment, windows and targets of NER data."""

from __future__ import annotations

import pytest

from albert.tasks.data_files import find_splits
from albert.tasks.ner import examples
from albert.tasks.ner.conll import SUFFIXES, Sentence, read_conll
from albert.tasks.ner.examples import Window, plan_windows
from albert.tasks.ner.tag_schemes import LabelSet, collect_labels, find_scheme
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary, load_vocabulary

BIO, BMES = find_scheme("BIO"), find_scheme("BMES")
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *"用图像abé1⁄2，½", "##b", "hello", "##lo"])


@pytest.mark.parametrize(
    ("column", "piece"),
    [
        ("用", "用"),
        ("，", "，"),
        ("A", "a"),
        ("É", "[UNK]"),  # lower-cased and stripped of its accent: e, which is not there
        ("灸", "[UNK]"),
        (" ", "[UNK]"),
        ("\u3000", "[UNK]"),
        ("\x00", "[UNK]"),
        ("\x07", "[UNK]"),
        ("\u200b", "[UNK]"),
        ("\ufffd", "[UNK]"),
        ("½", "½"),
        ("ab", "a"),
        ("用图", "用"),
        ("hello", "hello"),
        ("𠀀", "[UNK]"),
        ("[UNK]", "[UNK]"),
    ],
)
def test_each_column_has_exactly_one_piece(column, piece):
    assert examples.first_piece(column, Tokenizer(VOCABULARY)) == piece


def test_case_is_kept_where_asked():
    assert examples.first_piece("A", Tokenizer(VOCABULARY, False)) == "[UNK]"
    assert examples.first_piece("é", Tokenizer(VOCABULARY, False)) == "é"


def test_long_columns_are_looked_up_and_not_remembered():
    ids = examples.ColumnIds(Tokenizer(VOCABULARY))
    long = "hello" + "-" * 100
    assert [ids[c] for c in (long, "用", long)] == [
        VOCABULARY.ids[piece] for piece in ("hello", "用", "hello")
    ]
    assert list(ids) == ["用"]


def test_windows_of_a_small_sentence_by_hand():
    assert plan_windows(8, 8) == [Window(0, 8, 0, 8)]
    assert plan_windows(10, 8) == [Window(0, 8, 0, 5), Window(2, 10, 5, 10)]


def _context(window, column, length):
    """Columns seen on the poorer side; a sentence's edge is no lack of context."""
    left = column - window.start if window.start else 10**6
    right = window.end - 1 - column if window.end < length else 10**6
    return min(left, right)


@pytest.mark.parametrize("capacity", [2, 3, 6, 7, 126])
@pytest.mark.parametrize("length", [1, 2, 3, 6, 7, 8, 13, 126, 127, 190, 297, 1000])
def test_each_column_is_scored_once_where_it_has_most_context(length, capacity):
    windows = plan_windows(length, capacity)
    scored = [c for w in windows for c in range(w.first, w.last)]
    assert scored == list(range(length))
    for window in windows:
        assert 0 <= window.start <= window.first < window.last <= window.end <= length
        assert window.end - window.start == min(length, capacity)
        for column in range(window.first, window.last):
            context = _context(window, column, length)
            others = [w for w in windows if w.start <= column < w.end]
            assert context == max(_context(w, column, length) for w in others)
            assert context >= capacity // 4


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        (BIO, "O B-A I-A B-B", "O B-A I-A B-B"),
        (BIO, "O I-A I-A O", "O B-A I-A O"),
        (BIO, "B-A I-B I-B", "B-A B-B I-B"),
        (BIO, "B-C I-C I-A", "O O B-A"),
        (BIO, "O B-C O", "O O O"),
        (BMES, "B-A M-A O M-B", "B-A E-A O S-B"),
        (BMES, "B-A M-A E-A S-B", "B-A M-A E-A S-B"),
    ],
)
def test_targets_are_known_and_legal(scheme, tags, expected):
    label_set = LabelSet(scheme, ("A", "B"))
    assert examples.target_tags(tags.split(), label_set) == expected.split()


def _sentence(length, tags=True):
    columns = tuple("用图像"[i % 3] for i in range(length))
    cycle = ("B-A", "I-A", "O")
    return Sentence(columns, tuple(cycle[i % 3] for i in range(length)), 1)


def test_examples_of_windows_hold_each_label_once_and_point_at_their_tokens():
    label_set = LabelSet(BIO, ("A",))
    sentences = [_sentence(4), _sentence(23), _sentence(1)]
    made = examples.make_examples(sentences, Tokenizer(VOCABULARY), label_set, 10)
    ids = VOCABULARY.ids
    for number, sentence in enumerate(sentences):
        rows = [i for i, s in enumerate(made.sentence) if s == number]
        labels = [label for row in rows for label in made.label_ids[row]]
        assert [label_set.labels[label] for label in labels] == list(sentence.tags)
        seen = []
        for row in rows:
            tokens = made.input_ids[row]
            assert len(tokens) <= 10
            assert (tokens[0], tokens[-1]) == (ids["[CLS]"], ids["[SEP]"])
            begin = made.offset[row]
            seen += tokens[begin : begin + len(made.label_ids[row])]
        assert seen == [ids[column] for column in sentence.columns]
    assert made.sentence == sorted(made.sentence)
    assert made.sentence.count(1) > 2


def test_nasty_characters_keep_their_labels_in_place():
    columns = ("用", " ", "\ufffd", "\x07", "ab", "用图", "像")
    tags = ("B-A", "I-A", "I-A", "O", "B-A", "O", "B-A")
    label_set = LabelSet(BIO, ("A",))
    sentence = Sentence(columns, tags, 1)
    made = examples.make_examples([sentence], Tokenizer(VOCABULARY), label_set, 128)
    tokens = " ".join(VOCABULARY.to_tokens(made.input_ids[0]))
    assert tokens == "[CLS] 用 [UNK] [UNK] [UNK] a 用 像 [SEP]"
    assert [label_set.labels[label] for label in made.label_ids[0]] == list(tags)
    assert made.unknown == 3


def test_sentence_without_tags_has_labels_of_its_length():
    sentence = Sentence(("用", "图"), None, 1)
    label_set = LabelSet(BIO, ("A",))
    made = examples.make_examples([sentence], Tokenizer(VOCABULARY), label_set, 128)
    assert made.label_ids == [[0, 0]]


def test_counts_tell_what_is_odd():
    sentences = [
        Sentence(tuple("用图像"), ("O", "I-A", "B-C"), 1),
        Sentence(tuple("灸" * 12), ("O",) * 12, 5),
    ]
    label_set = LabelSet(BIO, ("A",))
    made = examples.make_examples(sentences, Tokenizer(VOCABULARY), label_set, 10)
    counts = examples.count_data(sentences, made, label_set)
    assert counts == examples.DataCounts(
        sentences=2,
        characters=15,
        entities=2,
        windowed=1,
        unknown=12,
        illegal=1,
        unseen={"C": 1},
    )


@pytest.mark.parametrize(
    ("split", "entities", "illegal"),
    [("train", 2069, 4), ("val", 268, 0), ("test", 235, 0)],
)
def test_scibert_cn_counts_as_documented(shared, split, entities, illegal):
    vocabulary = load_vocabulary(
        str(shared / "data" / "published" / "albert_tiny" / "vocab.txt")
    )
    splits = find_splits(str(shared / "data" / "ner" / "scibert_cn"), SUFFIXES)
    train = read_conll(splits["train"]).sentences
    label_set = collect_labels((t for s in train for t in s.tags), BIO)
    assert label_set.types == ("Evaluation", "Material", "Method", "Task")
    sentences = read_conll(splits[split]).sentences
    made = examples.make_examples(sentences, Tokenizer(vocabulary), label_set, 128)
    counts = examples.count_data(sentences, made, label_set)
    assert (counts.entities, counts.illegal) == (entities, illegal)
    if split == "train":
        assert (counts.characters, counts.unknown) == (65047, 20)
        cased = Tokenizer(vocabulary, do_lower_case=False)
        made = examples.make_examples(sentences, cased, label_set, 128)
        assert made.unknown == 1960
