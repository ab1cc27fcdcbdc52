"""Masks drawn while training: what they keep, and that a resumed run sees the same."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.records import features as records
from albert.records.arrays import read_arrays
from albert.records.damage import find_readable
from albert.records.expected import ExpectedRecords
from albert.tasks.linear_schedule import Schedule
from albert.tasks.pretraining import dynamic_masking
from albert.tasks.pretraining.config import PretrainingConfig
from albert.tasks.pretraining.dynamic_masking import (
    DynamicMasking,
    choose_tokens,
    make_tables,
    mask_batch,
    plan_masking,
    unmask,
)
from albert.tasks.pretraining.source import RecordSource
from albert.text.vocabulary import Vocabulary
from albert.training.task import EVAL, TRAIN
from tests.pretraining_kit import write_records

v1 = tf.compat.v1

CHARACTERS = "卷积神经网络模型训练数据"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ing", "##ing"]
TOKENS += [*CHARACTERS, *("##" + c for c in CHARACTERS)]
VOCABULARY = Vocabulary(TOKENS)
TABLES = make_tables(VOCABULARY)
CLS, SEP, MASK = 2, 3, 4
LENGTH, ROOM = 16, 6


def ids(*tokens):
    return VOCABULARY.to_ids(tokens)


def make_record(rng):
    """A record of 7 to 16 tokens with two masks; and its text."""
    count = int(rng.integers(4, LENGTH - 2))
    text = [CLS, *rng.integers(7, 19, count).tolist(), SEP]
    continues = [0, *rng.integers(0, 2, count).tolist(), 0]
    places = rng.choice(np.arange(1, count + 1), 2, replace=False)
    positions = sorted(places.tolist())
    shown = list(text)
    for position in positions:
        shown[position] = MASK
    values = {
        "input_ids": shown,
        "input_mask": [1] * len(text),
        "segment_ids": [0] * len(text),
        "masked_lm_positions": positions,
        # Inside a word data creation predicts the ## form.
        "masked_lm_ids": [text[p] + 12 * continues[p] for p in positions],
        "masked_lm_weights": [1.0, 1.0],
        "next_sentence_labels": [0],
        "continues_word": continues,
    }
    return values, text


def make_batch(size, seed=0):
    """A batch as the records hold it, [B, length], and the text, padded with 0."""
    rng = np.random.default_rng(seed)
    made = [make_record(rng) for _ in range(size)]
    batch = {}
    for name, dtype, length in records.feature_spec(LENGTH, ROOM, True):
        rows = [list(values[name]) for values, _ in made]
        padded = [row + [0] * (length - len(row)) for row in rows]
        batch[name] = np.array(padded, np.int32 if dtype == "int64" else np.float32)
    text = np.array([t + [0] * (LENGTH - len(t)) for _, t in made], np.int32)
    return batch, text


TOKENS_ALONE, WORDS_ALONE = Schedule(0, 0), Schedule(1, 1)


def masking(share=0.3, words=TOKENS_ALONE, num_batches=10, seed=5):
    return DynamicMasking(TABLES, share, words, num_batches, seed)


def run(batch, number=0, how=None):
    with tf.Graph().as_default(), v1.Session() as session:
        features = {name: tf.constant(value) for name, value in batch.items()}
        number = tf.constant(number, tf.int64)
        return session.run(mask_batch(features, number, how or masking()))


def test_text_comes_back_from_the_labels_of_old_records():
    batch, text = make_batch(20)
    with tf.Graph().as_default(), v1.Session() as session:
        features = {name: tf.constant(value) for name, value in batch.items()}
        found = session.run(unmask(features, TABLES))
    np.testing.assert_array_equal(found, text)


def test_pieces_of_latin_words_stay_pieces():
    assert TABLES.plain[VOCABULARY.ids["##ing"]] == VOCABULARY.ids["##ing"]
    assert TABLES.plain[VOCABULARY.ids["##卷"]] == VOCABULARY.ids["卷"]
    assert TABLES.is_piece[VOCABULARY.ids["##ing"]]


def test_labels_and_what_is_not_masked_are_the_text():
    batch, text = make_batch(200)
    new = run(batch)
    assert set(new) == set(batch) - {"continues_word"}
    for row in range(len(text)):
        count = int(new["masked_lm_weights"][row].sum())
        length = int(batch["input_mask"][row].sum())
        assert count == max(1, round(length * 0.3))
        positions = new["masked_lm_positions"][row, :count]
        assert sorted(set(positions)) == positions.tolist()
        labels = new["masked_lm_ids"][row, :count]
        np.testing.assert_array_equal(labels, text[row, positions])
        assert not new["masked_lm_ids"][row, count:].any()
        assert not new["masked_lm_positions"][row, count:].any()
        others = np.setdiff1d(np.arange(LENGTH), positions)
        np.testing.assert_array_equal(new["input_ids"][row, others], text[row, others])
        assert not {CLS, SEP, 0} & set(text[row, positions])


def test_every_token_is_masked_as_often_and_eight_in_ten_are_hidden():
    batch, text = make_batch(4000)
    new = run(batch)
    used = new["masked_lm_weights"] > 0
    seen = np.take_along_axis(new["input_ids"], new["masked_lm_positions"], 1)[used]
    labels = new["masked_lm_ids"][used]
    assert np.mean(seen == MASK) == pytest.approx(0.8 + 0.1 / len(TOKENS), abs=0.02)
    assert np.mean(seen == labels) == pytest.approx(0.1 + 0.1 / len(TOKENS), abs=0.02)
    # Of the records with 10 tokens, each of the eight inside is masked 3 / 8 times.
    ten = batch["input_mask"].sum(axis=1) == 10
    places = new["masked_lm_positions"][ten][used[ten]]
    share = np.bincount(places, minlength=10)[1:9] / ten.sum()
    np.testing.assert_allclose(share, 3 / 8, atol=0.09)


def test_batches_have_other_masks_and_the_same_batch_the_same():
    batch, _ = make_batch(20)
    first, again, second = run(batch, 0), run(batch, 0), run(batch, 1)
    other_seed = run(batch, 0, masking(seed=6))
    np.testing.assert_array_equal(first["input_ids"], again["input_ids"])
    for other in (second, other_seed):
        assert (first["masked_lm_positions"] != other["masked_lm_positions"]).any()


def test_words_are_masked_whole_and_never_more_than_there_is_room_for():
    batch, _ = make_batch(300)
    new = run(batch, how=masking(words=WORDS_ALONE))
    sizes = []
    for row, continues in enumerate(batch["continues_word"]):
        length = int(batch["input_mask"][row].sum())
        limit = max(1, round(length * 0.3))
        count = int(new["masked_lm_weights"][row].sum())
        sizes.append(count)
        assert 1 <= count <= limit
        chosen = set(new["masked_lm_positions"][row, :count].tolist())
        words, inside = [], range(1, length - 1)
        for position in inside:
            if position > 1 and continues[position]:
                words[-1].append(position)
            else:
                words.append([position])
        cut = [word for word in words if 0 < len(chosen & set(word)) < len(word)]
        # Only a word that is alone and too long is cut.
        assert all(len(word) > limit and chosen < set(word) for word in cut)
    assert np.mean(sizes) > 2


def test_groups_are_taken_in_order_of_their_noise_and_the_first_may_be_cut():
    candidates = np.array([[False, True, True, True, True, True, False]])
    joins = np.array([[False, False, True, True, False, True, False]])
    # Groups of places: 0 | 1 2 3 | 4 5 | 6, their numbers from 1; noise of group 2, 3.
    noise = np.array([[0.0, 0.0, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0]], np.float32)
    wanted = {1: [4], 2: [4, 5], 3: [4, 5], 4: [4, 5], 5: [1, 2, 3, 4, 5]}
    for count, places in wanted.items():
        with tf.Graph().as_default(), v1.Session() as session:
            inputs = (candidates, joins, np.array([count], np.int32), noise)
            chosen = session.run(choose_tokens(*map(tf.constant, inputs)))
        assert np.flatnonzero(chosen[0]).tolist() == places


def test_share_of_whole_words_rises_over_the_run():
    batch, _ = make_batch(400)
    how = masking(words=Schedule(0, 1), num_batches=100)

    def by_words(number):
        new = run(batch, number, how)
        tokens = run(batch, number, masking(num_batches=100))
        words = run(batch, number, masking(words=WORDS_ALONE, num_batches=100))
        same = lambda a, b: (a["input_ids"] == b["input_ids"]).all(axis=1)  # noqa: E731
        assert (same(new, tokens) | same(new, words)).all()
        return np.mean(~same(new, tokens))

    start, middle, end = by_words(0), by_words(50), by_words(100)
    assert start == 0
    assert 0.3 * end < middle < 0.7 * end


@pytest.fixture
def record_file(tmp_path):
    rng = np.random.default_rng(2)
    spec = records.feature_spec(LENGTH, ROOM, True)
    made = [records.serialize(make_record(rng)[0], spec) for _ in range(40)]
    write_records(tmp_path / "new.tfrecord", made)
    return str(tmp_path / "new.tfrecord")


def make_source(file, how):
    expected = ExpectedRecords(LENGTH, ROOM, len(TOKENS))
    return RecordSource([file], expected, 10, 3, dynamic_masking=how)


def read(file, skip, take, how, mode=TRAIN):
    source = make_source(file, how)
    return list(read_arrays(lambda: source.read(mode, 8).skip(skip).take(take)))


@pytest.mark.slow
def test_resumed_run_sees_the_masks_of_an_undisturbed_one(record_file):
    how = masking(words=Schedule(0, 1))
    whole, rest = read(record_file, 0, 9, how), read(record_file, 5, 4, how)
    for one, other in zip(whole[5:], rest):
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name])
    # Five batches are an epoch: the same records come again, with other masks.
    masks = {bytes(row) for batch in whole for row in batch["input_ids"]}
    assert len(masks) > 60


def test_held_out_records_keep_their_masks(record_file):
    plain = read(record_file, 0, 2, None, EVAL)
    masked = read(record_file, 0, 2, masking(), EVAL)
    for one, other in zip(plain, masked):
        for name in set(one) - {"masked_lm_ids"}:
            np.testing.assert_array_equal(one[name], other[name])


def test_held_out_labels_are_those_of_training(record_file):
    rng = np.random.default_rng(2)  # as the file was made
    made = [make_record(rng) for _ in range(16)]
    (masked,) = read_arrays(
        lambda: make_source(record_file, masking()).read(EVAL, 16).take(1)
    )
    for row, (values, text) in enumerate(made):
        labels = [text[place] for place in values["masked_lm_positions"]]
        assert masked["masked_lm_ids"][row].tolist() == labels + [0] * (ROOM - 2)
    assert any(max(v["masked_lm_ids"]) >= ids("##卷")[0] for v, _ in made)


def test_held_out_records_need_no_word_boundaries(tmp_path):
    values, _ = make_record(np.random.default_rng(1))
    spec = records.feature_spec(LENGTH, ROOM)
    write_records(tmp_path / "old.tfrecord", [records.serialize(values, spec)])
    how = masking(words=WORDS_ALONE)
    assert len(read(str(tmp_path / "old.tfrecord"), 0, 1, how, EVAL)) == 1


def test_a_batch_has_its_true_number_where_the_input_begins_again(record_file):
    (old,) = read(record_file, 1, 1, None)
    source = make_source(record_file, masking())
    (found,) = read_arrays(lambda: source.read_from(8, 1, 9, 1).take(1))
    wanted = run(old, 9, masking())
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)


def test_nothing_is_drawn_for_batches_that_are_passed_over(record_file, monkeypatch):
    numbers = []

    def note(features, number, how):
        del how
        note = tf.numpy_function(
            lambda n: numbers.append(int(n)) or n, [number], tf.int64
        )
        with tf.control_dependencies([note]):
            return {k: tf.identity(v) for k, v in features.items()}

    monkeypatch.setattr(dynamic_masking, "mask_batch", note)
    source = make_source(record_file, masking())
    list(read_arrays(lambda: source.read_from(8, 3, 23, 1).take(2)))
    assert min(numbers) == 23  # not 0 or 20; a few more are read ahead


def test_records_without_boundaries_are_masked_by_tokens_only(tmp_path):
    spec = records.feature_spec(LENGTH, ROOM)
    values, _ = make_record(np.random.default_rng(1))
    file = tmp_path / "old.tfrecord"
    write_records(file, [records.serialize(values, spec)] * 8)
    lengths = (LENGTH, ROOM)
    how = plan_masking(VOCABULARY, [str(file)], lengths, None, Schedule(0, 0), 10, 1)
    assert how.share == ROOM / LENGTH
    assert len(read(str(file), 0, 2, how)) == 2
    with pytest.raises(UserError, match="holds no word boundaries"):
        plan_masking(VOCABULARY, [str(file)], lengths, None, Schedule(0, 1), 10, 1)
    with pytest.raises(UserError, match=r"masked_lm_prob 0\.5 of 16 tokens are 8, but"):
        plan_masking(VOCABULARY, [str(file)], lengths, 0.5, Schedule(0, 0), 10, 1)


def test_word_boundaries_are_looked_for_in_the_first_record_that_can_be_read(tmp_path):
    spec = records.feature_spec(LENGTH, ROOM, True)
    values, _ = make_record(np.random.default_rng(1))
    file = tmp_path / "damaged.tfrecord"
    write_records(file, [records.serialize(values, spec)] * 3)
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.write_bytes(content)
    plan = ([str(file)], (LENGTH, ROOM), None, Schedule(0, 1), 10, 1)
    readable = find_readable([str(file)])
    assert plan_masking(VOCABULARY, *plan, readable).needs_word_boundaries
    with pytest.raises(UserError, match="damaged.tfrecord is not a TFRecord file, or"):
        plan_masking(VOCABULARY, *plan)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"whole_word_share": "1"}, "whole_word_share needs dynamic_masking"),
        ({"masked_lm_prob": 0.2}, "masked_lm_prob needs dynamic_masking"),
        (
            {"whole_word_share": "0..2", "dynamic_masking": True},
            "whole_word_share must be at most 1",
        ),
        (
            {"whole_word_share": "all", "dynamic_masking": True},
            "whole_word_share must be a number",
        ),
    ],
)
def test_wrong_flags_are_named(flags, message):
    with pytest.raises(UserError, match=message):
        PretrainingConfig(do_train=True, **flags)
