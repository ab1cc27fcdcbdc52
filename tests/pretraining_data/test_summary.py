"""Counts in words, and instances as text."""

from __future__ import annotations

from array import array
from collections import Counter

import numpy as np
import pytest

from albert.pretraining_data import masking, summary
from albert.pretraining_data.documents import Document, TextCounts
from albert.pretraining_data.instances import Instance, SegmentPair, expand_instance
from albert.pretraining_data.summary import InstanceCounts
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary

TOKENS = ["一", "种", "##种", "图", "像", "##像", "方", "法", "soft", "##max", "饭"]
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *TOKENS])
TABLES = masking.make_masking_vocabulary(VOCABULARY, True, "reference")


def make_instance(swapped=False):
    """一种 图像 softmax / 方法, its words joined; the vocabulary lacks ##法."""
    ids = VOCABULARY.to_ids(["一", "种", "图", "像", "soft", "##max", "方", "法"])
    marked = np.array([0, 1, 0, 1, 0, 0, 0, 1], bool)
    joins = np.array([0, 1, 0, 1, 0, 1, 0, 1], bool)
    document = Document(np.array(ids, np.int32), marked, joins, (6, 2))
    pair = SegmentPair(6, 8, 0, 6, True) if swapped else SegmentPair(0, 6, 6, 8, False)
    mask, rice, method = VOCABULARY.to_ids(["[MASK]", "饭", "法"])
    if swapped:
        positions, replacements = [1, 2], [mask, mask]
    else:
        positions, replacements = [3, 4, 8, 9], [mask, mask, rice, method]
    return Instance(document, pair, array("I", positions), array("I", replacements))


@pytest.mark.parametrize(
    ("swapped", "whole_words", "text"),
    [
        (
            False,
            True,
            "first   一种 {图像} softmax\nsecond  {方法 -> 饭 法}",
        ),
        (
            False,
            False,
            "first   一 种 {图} {像} soft ##max\nsecond  {方 -> 饭} {法 -> 法}",
        ),
        (
            True,
            True,
            "first   {方法}  (swapped: follows the second in the text)\n"
            "second  一种 图像 softmax",
        ),
    ],
)
def test_an_instance_is_shown_with_its_words(swapped, whole_words, text):
    instance = make_instance(swapped)
    tokens = expand_instance(instance, TABLES)
    assert summary.show_instance(instance, tokens, VOCABULARY, whole_words) == text


def count_both():
    counts = InstanceCounts()
    for swapped in (False, True):
        instance = make_instance(swapped)
        counts.add(instance, expand_instance(instance, TABLES))
    return counts


def test_instances_are_counted():
    counts = count_both()
    assert (counts.instances, counts.tokens) == (2, 2 * 11)
    assert (counts.masked, counts.swapped) == (6, 1)
    assert counts.fallbacks == Counter({VOCABULARY.ids["法"]: 2})


def make_counts(text=None):
    text = text or TextCounts(5, 1, 2, 20, 1000, 6, Counter({"𠮷": 4, "b": 1, "a": 1}))
    return summary.make_counts(text, count_both(), VOCABULARY)


def test_counts_of_the_metadata():
    assert make_counts() == {
        "documents": 5,
        "sentences": 20,
        "tokens": 1000,
        "truncated_sentences": 0,
        "documents_without_instances": {"single_sentence": 2, "no_tokens": 1},
        "instances": 2,
        "instance_tokens": 22,
        "masked_positions": 6,
        "swapped_instances": 1,
        "swapped_share": 0.5,
        "unknown": {
            "tokens": 6,
            "share": 0.006,
            "most_frequent": [["𠮷", 4], ["a", 1], ["b", 1]],
        },
        "labels_without_continuation_form": {
            "positions": 2,
            "share": 0.333333,
            "most_frequent": [["法", 2]],
        },
    }


def test_twenty_sources_of_unknown_tokens_are_listed_and_long_ones_cut():
    words = Counter({f"word{n:02}": 100 - n for n in range(30)})
    words["x" * 500] = 1000
    counts = make_counts(TextCounts(1, 0, 0, 1, 5000, 100, words))
    listed = counts["unknown"]["most_frequent"]
    assert listed[0] == ["x" * 60 + "...", 1000]
    assert listed[1:] == [[f"word{n:02}", 100 - n] for n in range(19)]


def test_counts_in_words():
    lines = "\n".join(summary.describe_counts(make_counts()))
    for part in (
        "5 documents, 20 sentences, 1,000 tokens",
        "2 instances of 11.0 tokens on average; 3.0 of them masked",
        "50.0% of the pairs swapped",
        "2 of one sentence only, 1 without any token",
        "0.600% of the tokens are [UNK], from 𠮷 4, a 1, b 1",
        "2 labels (33.333%)",
        "法 2",
    ):
        assert part in lines
    assert "most documents" not in lines


def test_truncated_sentences_are_named():
    counts = make_counts(TextCounts(5, 0, 0, 9, 100, truncated_sentences=1234))
    assert counts["truncated_sentences"] == 1234
    lines = "\n".join(summary.describe_counts(counts))
    assert "1,234 sentences are longer than an instance and were truncated" in lines


def test_a_text_of_single_sentences_gets_a_hint():
    counts = make_counts(TextCounts(5, 0, 3, 9, 100))
    lines = summary.describe_counts(counts)
    assert "most documents have one sentence only" in lines[-1]
    assert "0.000% of the tokens are [UNK]" in lines
