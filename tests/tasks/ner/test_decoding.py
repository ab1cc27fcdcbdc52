"""Decoding many sentences at a time, against one at a time, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from albert.tasks.ner import decoding
from tests.modeling.crf_reference import viterbi


def make_sentences(rng, labels):
    lengths = [5, 1, 9, 2, 5, 30, 1]
    return [rng.normal(size=(n, labels)).astype(np.float32) for n in lengths]


@pytest.mark.parametrize("at_once", [1, 3, 256])
def test_sentences_of_all_lengths_have_the_paths_they_have_alone(monkeypatch, at_once):
    monkeypatch.setattr(decoding, "_AT_ONCE", at_once)
    rng = np.random.default_rng(2)
    sentences = make_sentences(rng, 4)
    transitions = rng.normal(size=(4, 4)).astype(np.float32)
    legal = rng.random((4, 4)) < 0.7
    legal[0, 0] = True
    found = decoding.best_labels(sentences, transitions, legal)
    for path, emissions in zip(found, sentences):
        wanted = viterbi(emissions, transitions, legal)
        np.testing.assert_array_equal(path, wanted)


def test_without_transitions_each_character_has_its_best_label():
    sentences = make_sentences(np.random.default_rng(3), 4)
    found = decoding.best_labels(sentences, None, np.ones((4, 4), bool))
    for path, emissions in zip(found, sentences):
        assert path.tolist() == [int(np.argmax(row)) for row in emissions]
