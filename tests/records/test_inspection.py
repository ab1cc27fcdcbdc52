"""Records compared with the flags of a run."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.records.compression import iterate_records
from albert.records.expected import ExpectedRecords
from albert.records.features import ELECTRA, electra_spec, serialize
from albert.records.inspection import (
    check_records,
    count_records,
    find_bad_record,
)
from albert.text.vocabulary import VocabularyId
from tests.pretraining_kit import write_records

RIGHT = ExpectedRecords(128, 12, 13878)
VOCABULARY = {"sha256": "a" * 64, "size": 13878, "path": "vocab.txt"}


@pytest.fixture
def records(testdata, tmp_path):
    """A copy of recorded records: 128 tokens, 12 predictions."""
    path = tmp_path / "data.tfrecord"
    shutil.copy(testdata / "pretraining_data/abstracts_wwm_128.tfrecord", path)
    return path


def write_metadata(records, vocabulary=None, **parameters):
    values = {"max_seq_length": 128, "max_predictions_per_seq": 12, **parameters}
    metadata = {"parameters": values, "vocabulary": vocabulary or VOCABULARY}
    beside = records.with_name(records.name + ".json")
    beside.write_text(json.dumps(metadata))


def test_records_that_fit_pass_without_metadata(records):
    assert check_records([str(records)], RIGHT) == (128, 12, None)


def test_lengths_that_are_not_given_are_read_from_the_records(records):
    found = check_records([str(records)], ExpectedRecords(None, None, 13878))
    assert (found.max_seq_length, found.max_predictions_per_seq) == (128, 12)


def test_metadata_name_the_vocabulary(records):
    write_metadata(records)
    found = check_records([str(records)], RIGHT)
    assert found.vocabulary == VocabularyId("a" * 64, 13878, "vocab.txt")


@pytest.mark.parametrize("with_metadata", [True, False])
@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (RIGHT._replace(max_seq_length=512), "max_seq_length is 128, but .* is 512"),
        (
            RIGHT._replace(max_predictions_per_seq=20),
            "max_predictions_per_seq is 12, but --max_predictions_per_seq is 20",
        ),
        (RIGHT._replace(vocab_size=100), "but the config's vocab_size is 100"),
    ],
)
def test_a_mismatch_names_file_found_and_given(
    records, expected, message, with_metadata
):
    if with_metadata:
        write_metadata(records)
    with pytest.raises(UserError, match=f"data.tfrecord: .*{message}"):
        check_records([str(records)], expected)


def test_metadata_with_another_hash_than_the_vocabulary_given_stop(records):
    write_metadata(records)
    given = VocabularyId("b" * 64, 13878, "mine.txt")
    with pytest.raises(UserError, match="data.tfrecord: .*aaaaaa.*mine.txt.*bbbbbb"):
        check_records([str(records)], RIGHT._replace(vocabulary=given))


def test_files_made_with_different_vocabularies_do_not_mix(records, tmp_path):
    write_metadata(records)
    other = tmp_path / "other.tfrecord"
    shutil.copy(records, other)
    write_metadata(other, {**VOCABULARY, "sha256": "b" * 64})
    with pytest.raises(UserError, match="other.tfrecord: made with the vocabulary"):
        check_records([str(records), str(other)], RIGHT)


def test_a_second_file_of_another_length_is_named(records, testdata):
    other = str(testdata / "pretraining_data/abstracts_wwm_512.tfrecord")
    with pytest.raises(UserError, match="abstracts_wwm_512.* is 512"):
        check_records([str(records), other], ExpectedRecords(None, None, 13878))


def test_a_text_file_is_named(testdata):
    text = str(testdata / "pretraining_data/abstracts.txt")
    with pytest.raises(UserError, match="abstracts.txt is not a TFRecord"):
        check_records([text], RIGHT)


def test_an_empty_file_is_named(tmp_path):
    path = tmp_path / "empty.tfrecord"
    path.write_bytes(b"")
    with pytest.raises(UserError, match="empty.tfrecord holds no record"):
        check_records([str(path)], RIGHT)


@pytest.mark.parametrize("keep", [-1, -5, -500])
def test_a_file_that_is_cut_short_is_named(records, keep):
    records.write_bytes(records.read_bytes()[:keep])
    with pytest.raises(UserError, match="data.tfrecord is damaged or cut short"):
        check_records([str(records)], RIGHT)


def test_a_changed_byte_in_the_middle_is_found(records):
    content = bytearray(records.read_bytes())
    content[len(content) // 2] ^= 1
    records.write_bytes(content)
    with pytest.raises(UserError, match="damaged or cut short after record [1-9]"):
        count_records(str(records))


def test_records_of_something_else_are_named(tmp_path):
    path = str(tmp_path / "other.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))
        features = tf.train.Features(feature={"label": feature})
        writer.write(tf.train.Example(features=features).SerializeToString())
    with pytest.raises(UserError, match="lack the feature input_ids"):
        check_records([path], RIGHT)


def write_electra_records(path, with_metadata):
    ids = [2, *range(5, 20), 3]
    values = {"input_ids": ids, "input_mask": [1] * 17, "segment_ids": [0] * 17}
    write_records(path, [serialize(values, electra_spec(24))])
    if with_metadata:
        metadata = {
            "objective": "electra",
            "parameters": {"max_seq_length": 24},
            "vocabulary": VOCABULARY,
        }
        path.with_name(path.name + ".json").write_text(json.dumps(metadata))


@pytest.mark.parametrize("with_metadata", [True, False])
def test_records_of_electra_are_those_of_three_features(tmp_path, with_metadata):
    path = tmp_path / "a.tfrecord"
    write_electra_records(path, with_metadata)
    expected = ExpectedRecords(None, None, 13878, objective=ELECTRA)
    assert check_records([str(path)], expected)[:2] == (24, None)
    with pytest.raises(UserError, match="max_seq_length is 24, but .* is 32"):
        check_records([str(path)], expected._replace(max_seq_length=32))


def test_records_of_another_objective_are_refused_by_name(records, tmp_path):
    path = tmp_path / "a.tfrecord"
    write_electra_records(path, with_metadata=False)
    with pytest.raises(UserError, match="made by create_pretraining_data.py[?]"):
        check_records([str(path)], RIGHT._replace(max_seq_length=24))
    write_electra_records(path, with_metadata=True)
    with pytest.raises(UserError, match="a.tfrecord: made by create_electra_data.py"):
        check_records([str(path)], ExpectedRecords(None, None, 13878))
    wanted = RIGHT._replace(max_predictions_per_seq=None, objective=ELECTRA)
    message = "data.tfrecord: made by create_pretraining_data.py .* needs records of "
    with pytest.raises(UserError, match=message + "create_electra_data.py"):
        check_records([str(records)], wanted)
    write_metadata(records)
    with pytest.raises(UserError, match=message + "create_electra_data.py"):
        check_records([str(records)], wanted)


def test_records_of_an_unknown_objective_are_refused(records):
    write_metadata(records)
    beside = records.with_name(records.name + ".json")
    metadata = {**json.loads(beside.read_text()), "objective": "later"}
    beside.write_text(json.dumps(metadata))
    with pytest.raises(UserError, match="the objective 'later', which this version"):
        check_records([str(records)], RIGHT)


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '{"parameters": {}, "vocabulary": "x"}',
        '{"parameters": "x", "vocabulary": {"sha256": "", "size": 13878}}',
    ],
)
def test_metadata_that_are_not_metadata_are_named(records, content):
    records.with_name(records.name + ".json").write_text(content)
    with pytest.raises(UserError, match="data.tfrecord.json"):
        check_records([str(records)], RIGHT)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("input_ids", -1, "input_ids holds -1, which is not in 0 to 13877"),
        ("masked_lm_ids", -7, "masked_lm_ids holds -7, which is not in 0 to 13877"),
        ("masked_lm_positions", 128, "masked_lm_positions holds 128, .* 0 to 127"),
        ("masked_lm_positions", -1, "masked_lm_positions holds -1, .* 0 to 127"),
        ("next_sentence_labels", 2, "next_sentence_labels holds 2, .* 0 to 1"),
        ("masked_lm_ids", 13878, "holds the token id 13878"),
    ],
)
def test_a_record_with_a_value_that_the_model_lacks_is_named(
    records, name, value, message
):
    good = list(iterate_records(str(records)))
    example = tf.train.Example.FromString(good[1])
    example.features.feature[name].int64_list.value[0] = value
    write_records(records, [good[0], example.SerializeToString(), good[2]])
    assert find_bad_record([str(records)], RIGHT, lambda: True) is None
    found = find_bad_record([str(records)], RIGHT, lambda: False)
    assert re.search(f"data.tfrecord: record 2: .*{message}", found)


def test_the_search_for_a_bad_record_finds_damage_and_nothing_in_sound_files(records):
    assert find_bad_record([str(records)], RIGHT, lambda: False) is None
    content = bytearray(records.read_bytes())
    content[-20] ^= 1
    records.write_bytes(content)
    found = find_bad_record([str(records)], RIGHT, lambda: False)
    assert "wrong checksum" in found
