"""What counting neighbours reaches, against guesses made by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.records.expected import ExpectedRecords
from albert.tasks.pretraining import baselines
from albert.tasks.pretraining.baselines import (
    Baselines,
    Tokens,
    all_tokens,
    compare_with_counting,
    count_tokens,
    describe,
    guess_by_neighbours,
    has_learned_more,
    labels_are_tokens,
    masked_tokens,
    measure_baselines,
    restore,
)
from albert.tasks.pretraining.config import PretrainingFiles
from albert.tasks.pretraining.run import warn_of_other_labels
from albert.tasks.pretraining.source import RecordSource
from albert.training.task import DataSource
from tests import pretraining_kit as kit

CLS, SEP, MASK = 1, 2, 3


def make_batch(rows):
    """Records of (tokens before masking, {position: what is seen there})."""
    length = max(len(tokens) for tokens, _ in rows)
    most = max(len(seen) for _, seen in rows)
    batch = {
        "input_ids": np.zeros((len(rows), length), np.int32),
        "input_mask": np.zeros((len(rows), length), np.int32),
        "masked_lm_positions": np.zeros((len(rows), most), np.int32),
        "masked_lm_ids": np.zeros((len(rows), most), np.int32),
        "masked_lm_weights": np.zeros((len(rows), most), np.float32),
    }
    for row, (tokens, seen) in enumerate(rows):
        batch["input_ids"][row, : len(tokens)] = tokens
        batch["input_mask"][row, : len(tokens)] = 1
        for column, (position, shown) in enumerate(sorted(seen.items())):
            batch["input_ids"][row, position] = shown
            batch["masked_lm_positions"][row, column] = position
            batch["masked_lm_ids"][row, column] = tokens[position]
            batch["masked_lm_weights"][row, column] = 1.0
    return batch


class Arrays(DataSource):
    """One batch held in memory."""

    def __init__(self, batch):
        self._batch = batch

    def read(self, mode, batch_size):
        del mode
        return tf.data.Dataset.from_tensor_slices(self._batch).batch(batch_size)


# Between 10 and 12 stands 11 twice and 13 once; after 20 stands 21; 11 is the most
# frequent token.
TRAIN = make_batch(
    [
        ([CLS, 10, 11, 12, SEP], {2: MASK}),
        ([CLS, 10, 11, 12, SEP], {1: MASK}),
        ([CLS, 10, 13, 12, SEP], {3: MASK}),
        ([CLS, 20, 21, 11, SEP], {1: 11}),
        ([CLS, 20, 21, 11, SEP], {2: MASK}),
    ]
)


def guess(row):
    counts = count_tokens(all_tokens(TRAIN), 30)
    return guess_by_neighbours(counts, masked_tokens(make_batch([row]), MASK)).tolist()


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (([CLS, 10, 9, 12, SEP], {2: MASK}), [11]),  # both neighbours are known
        (([CLS, 20, 9, 12, SEP], {2: MASK}), [21]),  # never met together: the left one
        (([CLS, 9, 9, 12, SEP], {2: MASK}), [11]),  # the right one
        # After [CLS] stands 10 three times, 20 twice; before 9 nothing was ever met.
        (([CLS, 20, 21, 9, SEP], {1: MASK, 2: MASK}), [10, 11]),
        (([CLS, 9, 9, 9, SEP], {2: MASK}), [11]),  # the most frequent one
        (([CLS, 10, 9, 12, SEP], {2: 25}), [25]),  # what is seen is copied
    ],
)
def test_guesses_go_from_both_neighbours_to_one_to_frequency(row, wanted):
    assert guess(row) == wanted


def test_restored_records_are_the_text_before_masking():
    assert restore(TRAIN)[3].tolist() == [CLS, 20, 21, 11, SEP]
    assert TRAIN["input_ids"][3].tolist() == [CLS, 11, 21, 11, SEP]


HELD_OUT = make_batch(
    [
        ([CLS, 10, 11, 12, SEP], {2: MASK}),  # both are right
        ([CLS, 20, 21, 11, SEP], {2: MASK}),  # the neighbours are right
        ([CLS, 10, 14, 12, SEP], {2: 14}),  # copied
        ([CLS, 10, 14, 12, SEP], {2: MASK}),  # neither
    ]
)


def test_accuracies_are_shares_of_the_held_out_masks():
    found = measure_baselines([Arrays(TRAIN)], Arrays(HELD_OUT), 30, True)
    assert found == Baselines(0.5, 0.75, 4, 5)
    part = measure_baselines([Arrays(TRAIN)], Arrays(HELD_OUT), 30, True, 2)
    assert part == Baselines(0.5, 1.0, 2, 5)


def test_masked_tokens_alone_are_counted_where_labels_may_be_marked():
    found = measure_baselines([Arrays(TRAIN)], Arrays(HELD_OUT), 30, False)
    # Of the training records' masks: (10, 12) -> 11, (20, 11) -> 21.
    assert found.neighbours == 0.75
    assert found.num_records == 5


def test_labels_are_tokens_only_where_metadata_say_so(tmp_path):
    file = tmp_path / "a"
    assert not labels_are_tokens([str(file)])
    for value in (True, False):
        text = json.dumps({"parameters": {"continuation_labels": value}})
        (tmp_path / "a.json").write_text(text)
        assert labels_are_tokens([str(file)]) is not value


def test_more_is_two_standard_errors_above():
    # Of 10,000 tokens, 20 % known from neighbours: a standard error of 0.4 %.
    baselines = Baselines(0.1, 0.2, 10_000, 50)
    assert not has_learned_more(0.2079, baselines)
    assert has_learned_more(0.2081, baselines)
    assert "learned no more than that table" in describe(0.2, baselines)
    sentence = describe(0.272, baselines)
    assert sentence == (
        "the model predicts 27.2% of 10,000 masked tokens; the most frequent token "
        "gives 10.0%, a table of left and right neighbours in 50 training records "
        "20.0%: the model has learned more than that table"
    )


def test_nothing_is_said_without_a_masked_lm():
    assert compare_with_counting(None, [], None, 30, True) == {}


def test_nothing_is_said_of_records_without_masks():
    empty = {**HELD_OUT, "masked_lm_weights": 0 * HELD_OUT["masked_lm_weights"]}
    for count_all in (True, False):
        assert measure_baselines([Arrays(TRAIN)], Arrays(empty), 30, count_all) is None
        sources = ([Arrays(empty)], Arrays(HELD_OUT))
        assert measure_baselines(*sources, 30, False) is None
    assert compare_with_counting(0.1, [Arrays(TRAIN)], Arrays(empty), 30, True) == {}


def test_a_damaged_record_among_those_that_are_counted_is_named(tmp_path):
    path = tmp_path / "train.tfrecord"
    kit.write_records(path, kit.make_examples(3))
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    expected = ExpectedRecords(kit.LENGTH, kit.MASKED, kit.VOCABULARY_SIZE)
    sample = RecordSource([str(path)], expected)
    message = r"train.tfrecord: record 3 \(wrong checksum.*the scores themselves are"
    with pytest.raises(UserError, match=message):
        compare_with_counting(0.1, [sample], Arrays(HELD_OUT), 40, False)


@pytest.mark.parametrize(
    ("train", "held", "warned"),
    [(True, False, True), (True, True, False), (None, True, False)],
)
def test_other_labels_of_held_out_records_are_warned_of(
    tmp_path, caplog, train, held, warned
):
    for name, value in (("train", train), ("held", held)):
        (tmp_path / name).write_bytes(b"")
        if value is not None:
            text = json.dumps({"parameters": {"continuation_labels": value}})
            (tmp_path / f"{name}.json").write_text(text)
    files = PretrainingFiles(
        str(tmp_path / "train"), (str(tmp_path / "train"),), (str(tmp_path / "held"),)
    )
    warn_of_other_labels(files)
    assert ("differ in --continuation_labels" in caplog.text) == warned


@pytest.mark.parametrize(
    ("most_tokens", "count_all", "records"),
    # The two sources hold five records of five tokens, one masked, each.
    [(10**9, True, 10), (0, True, 2), (0, False, 2), (20, True, 4)],
)
def test_tokens_that_are_counted_are_limited(
    monkeypatch, most_tokens, count_all, records
):
    monkeypatch.setattr(baselines, "_MOST_TOKENS", most_tokens)
    sources = [Arrays(TRAIN), Arrays(TRAIN)]
    found = measure_baselines(sources, Arrays(HELD_OUT), 30, count_all)
    assert found.num_records == records


def test_neighbours_of_a_large_vocabulary_are_told_apart():
    """70,000 squared is above 2 to the power of 32: keys of 32 bits would meet."""
    # 61,357 x 70,000 = 2^32 + 22,704, so that 32 bits give the key of (0, 22,704).
    left = np.array([61_357, 61_357, 0], np.int32)
    label = np.array([7, 7, 8], np.int32)
    right = np.array([1, 1, 22_705], np.int32)
    seen = np.full(3, -1, np.int32)
    counts = count_tokens(Tokens(left, label, right, seen), 70_000)
    guess = guess_by_neighbours(counts, Tokens(left, label, right, seen))
    assert guess.tolist() == [7, 7, 8]
