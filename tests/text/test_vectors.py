"""Vectors in the text format of word2vec: read, and trained by the tool."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.text.config import VectorTrainingConfig
from albert.text.vector_training import format_vectors, make_splitter, pair_tokens
from albert.text.vectors import read_vectors
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.pretraining_kit import REPO

TOKENS = [*SPECIAL_TOKENS, *"神经网络模型训练大小", "deep", "##er"]
VOCABULARY = Vocabulary(TOKENS, path="vocab.txt")


def test_vectors_of_the_vocabulary_are_read_and_others_passed_over(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("3 2\n经 0.5 -1\n其 9 9\n##er 2e-1 3\n", encoding="utf-8")
    found = read_vectors(str(path), VOCABULARY)
    index = VOCABULARY.ids
    assert found.known.sum() == 2
    assert found.values[index["经"]].tolist() == [0.5, -1]
    np.testing.assert_allclose(found.values[index["##er"]], [0.2, 3])
    assert not found.values[index["神"]].any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("经 0.5 1\n", "its first line must be the number of tokens and the width"),
        ("", "its first line must be"),
        ("1 2\n经 0.5\n", "line 2: 1 values, but the first line says 2"),
        ("1 2\n经 a b\n", "line 2: could not convert"),
        ("1 2\n经 nan 1\n", "line 2: a value is not finite"),
        ("1 2\n经 1e39 1\n", "line 2: a value is not finite"),
        ("1 2\n其 1 1\n", "none of its tokens is in the vocabulary vocab.txt"),
    ],
)
def test_what_are_no_vectors_is_one_line(tmp_path, text, message):
    path = tmp_path / "vectors.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_vectors(str(path), VOCABULARY)


def test_what_is_written_is_read_again(tmp_path):
    values = np.array([[0.25, -3.5], [1e-7, 12345.6]], np.float32)
    path = tmp_path / "vectors.txt"
    path.write_text("".join(format_vectors(["经", "神"], values)), encoding="utf-8")
    found = read_vectors(str(path), VOCABULARY)
    index = [VOCABULARY.ids[token] for token in "经神"]
    np.testing.assert_allclose(found.values[index], values, rtol=1e-5)


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        ("token", ["训", "练", "神", "经", "网", "络", "deep", "##er"]),
        ("bigram", ["训练", "练神", "神经", "经网", "网络", "络deep", "deep##er"]),
        ("word", ["训练", "神经网络", "deeper"]),
    ],
)
def test_units_of_a_sentence(unit, wanted):
    split = make_splitter(VOCABULARY, VectorTrainingConfig(unit=unit))
    assert split("训练神经网络 Deeper") == wanted


def test_one_token_has_no_pair():
    assert pair_tokens(["神"]) == []


def train(tmp_path, name, *flags):
    """Train on text where 大 and 小 stand in the same places, 经 and 神 in others."""
    text, vocabulary = tmp_path / "text.txt", tmp_path / "vocab.txt"
    lines = ["训大练", "训小练", "网经络", "网神络"]
    text.write_text("\n".join(lines * 100) + "\n", encoding="utf-8")
    vocabulary.write_text("".join(token + "\n" for token in TOKENS), encoding="utf-8")
    command = [
        *(sys.executable, "tools/train_vectors.py", f"--input_file={text}"),
        *(f"--vocab_file={vocabulary}", f"--output_file={tmp_path / name}"),
        *("--vector_size=12", "--epochs=100", *flags),
    ]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True)


@pytest.mark.slow
def test_tool_puts_tokens_of_like_company_side_by_side_and_is_repeatable(tmp_path):
    pytest.importorskip("gensim")
    for name in ("one", "two"):
        done = train(tmp_path, name)
        assert done.returncode == 0, done.stderr
    assert "8 of the vocabulary's 17 tokens have one" in done.stdout
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    values = read_vectors(str(tmp_path / "one"), VOCABULARY).values
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    big, small, other = (unit[VOCABULARY.ids[token]] for token in "大小经")
    assert big @ small > 0.9
    assert big @ other < 0.8


@pytest.mark.slow
def test_text_without_frequent_tokens_is_one_line(tmp_path):
    pytest.importorskip("gensim")
    done = train(tmp_path, "vectors", "--min_count=1000")
    assert done.returncode == 1
    assert "no token occurs 1000 times (min_count)" in done.stderr
    assert not (tmp_path / "vectors").exists()
