"""What is read of a sentence beside its tokens, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.serving.ner_emissions import NerEmissions, make_features
from albert.tasks.ner import beside as module
from albert.tasks.ner.beside import (
    Beside,
    ColumnFeatures,
    cut_window,
    find_places,
    pad_arrays,
    read_beside,
)
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.conll import ConllFile, Sentence
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme
from albert.tasks.ner.task import NerTask
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from albert.training.task import PREDICT
from tests.conformance.kit import small_config

CHARACTERS = "用神经网络做图像分类的方法"
TERMS = "神经\n神经网络\n网络\n做\n"
BIGRAMS = "3 2\n神经 1 2\n经网 3 4\n分类 5 6\n"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    # Words of two characters, in place of a segmenter that takes seconds to load.
    monkeypatch.setattr(
        module,
        "load_segmenter",
        lambda name: lambda text: [text[i : i + 2] for i in range(0, len(text), 2)],
    )
    (tmp_path / "terms.txt").write_text(TERMS, encoding="utf-8")
    (tmp_path / "bigrams.txt").write_text(BIGRAMS, encoding="utf-8")
    return NerConfig(
        lexicon_file=str(tmp_path / "terms.txt"),
        bigram_vectors=str(tmp_path / "bigrams.txt"),
        word_boundaries="jieba",
        max_seq_length=10,
    )


@pytest.fixture
def beside(settings):
    return read_beside(settings, ["用神经网络", "神经"])


def test_sets_of_terms_and_their_weights(settings, beside):
    # 神经网络 stands once; 神经 once outside of it; each has one more.
    assert beside.lexicon.counts == (2, 2, 1, 1)
    found = ColumnFeatures(settings, beside).compute("用神经网络", "用神经网络")
    ids, weights = found["lexicon_ids"], found["lexicon_weights"]
    assert ids.shape == weights.shape == (5, 4, 2)
    # Sets: begins, goes on, ends, alone. Terms count from 1.
    assert ids.tolist() == [
        [[0, 0], [0, 0], [0, 0], [0, 0]],
        [[1, 2], [0, 0], [0, 0], [0, 0]],
        [[0, 0], [2, 0], [1, 0], [0, 0]],
        [[3, 0], [2, 0], [0, 0], [0, 0]],
        [[0, 0], [0, 0], [2, 3], [0, 0]],
    ]
    # At 神 both have frequency 2 of 4; at 络 2 and 1 of 3; times 4.
    np.testing.assert_allclose(weights[1, 0], [2.0, 2.0])
    np.testing.assert_allclose(weights[4, 2], [8 / 3, 4 / 3])
    np.testing.assert_allclose(weights[3, :2, 0], [4 / 3, 8 / 3])
    assert weights[0].tolist() == np.zeros((4, 2)).tolist()


def test_a_term_of_one_character_stands_alone(settings, beside):
    found = ColumnFeatures(settings, beside).compute("做", "做")
    assert found["lexicon_ids"].tolist() == [[[0], [0], [0], [4]]]


def test_bigrams_end_and_begin_at_a_token(settings, beside):
    found = ColumnFeatures(settings, beside).compute("神经网络", "神经网络")
    assert found["bigram_ids"].tolist() == [[0, 1], [1, 2], [2, 0], [0, 0]]


def test_places_in_words():
    # 1 begins, 2 goes on, 3 ends, 4 stands alone.
    assert find_places("用神经网络", ["用", "神经网络"]).tolist() == [4, 1, 2, 2, 3]
    # A column of several characters, and a word that ends within it.
    assert find_places(["用", "CRF", "法"], ["用C", "RF", "法"]).tolist() == [1, 3, 4]


def test_windows_have_an_empty_row_at_both_ends_and_are_padded():
    arrays = {"a": np.array([1, 2, 3]), "s": np.arange(1, 13).reshape(3, 4, 1)}
    first, second = cut_window(arrays, 0, 2), cut_window(arrays, 2, 3)
    assert first["a"].tolist() == [0, 1, 2, 0]
    batch = pad_arrays([first, second])
    assert batch["a"].tolist() == [[0, 1, 2, 0], [0, 3, 0, 0]]
    assert batch["s"].shape == (2, 4, 4)
    assert batch["s"][1].tolist() == [[0] * 4, [9, 10, 11, 12], [0] * 4, [0] * 4]


def test_what_is_kept_reads_as_what_was_read(settings, beside):
    stored = Beside.from_json(json.loads(json.dumps(beside.to_json())))
    assert stored.bigrams.initial is None
    assert stored.bigrams.width == 2
    columns = "用神经网络做图像分类"
    found, again = (
        ColumnFeatures(settings, b).compute(columns, columns) for b in (beside, stored)
    )
    assert set(found) == {"lexicon_ids", "lexicon_weights", "word_boundaries"} | {
        "bigram_ids"
    }
    for name, value in found.items():
        np.testing.assert_array_equal(value, again[name])
    assert Beside.from_json({}) == Beside()


def test_vectors_of_terms_that_a_file_lacks_are_drawn_like_the_others(
    settings, tmp_path
):
    path = tmp_path / "vectors.txt"
    path.write_text("2 3\n神经 1 2 3\n别的 4 5 6\n", encoding="utf-8")
    given = NerConfig(lexicon_file=settings.lexicon_file, lexicon_vectors=str(path))
    terms = read_beside(given, []).terms
    assert terms.width == 3
    assert terms.initial[0].tolist() == [1, 2, 3]
    assert (terms.initial[1:] != 0).all()
    path.write_text("1 3\n别的 4 5 6\n", encoding="utf-8")
    with pytest.raises(UserError, match="none of its words is a term of the lexicon"):
        read_beside(given, [])


def test_vectors_of_another_width_are_one_line(settings, tmp_path):
    (tmp_path / "bigrams.txt").write_text("2 2\n神经 1 2\n经网 3\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 3: 1 values, but the first line says 2"):
        read_beside(settings, [])


def test_vectors_of_terms_need_terms():
    with pytest.raises(UserError, match="--lexicon_vectors needs --lexicon_file"):
        NerConfig(lexicon_vectors="x")


def test_training_and_prediction_compute_the_same(settings, beside):
    """Windows of the same sentences, as the source and the predictor cut them."""
    labels = LabelSet(find_scheme("BIO"), ("A",), beside=beside)
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *CHARACTERS])
    task = NerTask(settings, labels, Tokenizer(vocabulary), small_config("conv"))
    texts = ["用神经网络做图像分类的方法", "神经"]
    sentences = tuple(Sentence(tuple(text), None, 1) for text in texts)
    source = task.make_source("x", ConllFile("x", (), sentences), 0)
    wanted = source.make_batch(np.arange(4))  # the first sentence is three windows
    emissions = NerEmissions(task, None, 8)
    found = make_features(list(emissions.cut([list(text) for text in texts])))
    assert set(found) == set(task.features(PREDICT))
    assert {"lexicon_ids", "word_boundaries", "bigram_ids"} < set(found)
    for name, value in found.items():
        np.testing.assert_array_equal(value, wanted[name], err_msg=name)
