"""Texts and pairs as ids: the reference's features, what is cut, windows."""

from __future__ import annotations

import json

import pytest

from albert.tasks.classification import examples
from albert.tasks.classification.config import ClassificationConfig
from albert.tasks.classification.examples import (
    Encoder,
    cut_windows,
    share_room,
    shorten,
)
from albert.tasks.classification.files import read_rows
from albert.tasks.classification.layout import choose_layout
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import load_vocabulary


def test_features_are_those_of_the_reference(testdata):
    """Of ymcui/Chinese-ELECTRA, recorded; labels in the order of their list there."""
    folder = testdata / "electra"
    tokenizer = Tokenizer(load_vocabulary(str(folder / "vocab.txt")))
    compared = 0
    for case in json.loads((folder / "classification/features.json").read_text()):
        length = case["max_seq_length"]
        settings = ClassificationConfig(
            task_name=case["task"], max_seq_length=length, bad_rows="reference"
        )
        path = folder / "classification" / case["task"] / f"{case['split']}.tsv"
        layout = choose_layout(settings)
        file = read_rows(str(path), layout, True, settings.bad_rows)
        assert list(layout.labels) == case["labels"]
        encoder = Encoder(tokenizer, settings)
        assert len(file.rows) == len(case["examples"])
        for row, wanted in zip(file.rows, case["examples"]):
            (encoded,) = encoder.encode(row.text_a, row.text_b)
            filled = length - len(encoded.input_ids)
            found = {
                "input_ids": encoded.input_ids + [0] * filled,
                "input_mask": [1] * len(encoded.input_ids) + [0] * filled,
                "segment_ids": encoded.segment_ids + [0] * filled,
                f"{case['task']}_label_ids": case["labels"].index(row.label),
            }
            assert found == {name: wanted["features"][name] for name in found}
            compared += 1
    assert compared == 22


@pytest.mark.parametrize(
    ("length", "room", "truncation", "expected"),
    [
        (5, 8, "head_tail", range(5)),
        (600, 510, "head", range(510)),
        (600, 510, "tail", range(90, 600)),
        # Sun et al. (2019): the first 128 and the last 382 tokens.
        (600, 510, "head_tail", [*range(128), *range(218, 600)]),
        (300, 126, "head_tail", [*range(32), *range(206, 300)]),
    ],
)
def test_what_is_kept_of_a_long_text(length, room, truncation, expected):
    assert list(shorten(range(length), room, truncation)) == list(expected)


@pytest.mark.parametrize("room", [8, 9])
def test_a_pair_is_cut_a_token_at_a_time(room):
    """Against BERT's loop: the longer one loses its last, the second on a tie."""
    for length_a in range(14):
        for length_b in range(14):
            a, b = length_a, length_b
            while a + b > room:
                a, b = (a - 1, b) if a > b else (a, b - 1)
            assert share_room(length_a, length_b, room) == (a, b)


@pytest.mark.parametrize(
    ("count", "length", "most", "expected"),
    [
        (3, 8, 4, [(0, 3)]),
        (8, 8, 4, [(0, 8)]),
        (10, 8, 4, [(0, 8), (2, 10)]),
        (20, 8, 4, [(0, 8), (6, 14), (12, 20)]),
        (30, 8, 2, [(0, 8), (6, 14)]),
        (30, 8, 1, [(0, 8)]),
    ],
)
def test_windows_overlap_and_end_with_the_text(count, length, most, expected):
    windows = cut_windows(range(count), length, most)
    assert [(window[0], window[-1] + 1) for window in windows] == expected


def test_windows_are_whole_texts_of_their_own(testdata):
    tokenizer = Tokenizer(load_vocabulary(str(testdata / "electra/vocab.txt")))
    settings = ClassificationConfig(max_seq_length=8, long_text="mean")
    windows = Encoder(tokenizer, settings).encode("月亮很亮月亮很亮")
    ids = [tokenizer.vocabulary.ids[c] for c in "月亮很亮月亮很亮"]
    assert [w.input_ids for w in windows] == [[3, *ids[:6], 4], [3, *ids[2:], 4]]
    assert examples.Encoded([3, *ids[:6], 4], [0] * 8) == windows[0]
