"""The features of a record, their serialised form, and the metadata."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.records import features as records
from albert.records.features import Feature


def test_the_features_are_those_of_bert():
    spec = records.feature_spec(128, 20)
    assert [(f.name, f.dtype, f.length) for f in spec] == [
        ("input_ids", "int64", 128),
        ("input_mask", "int64", 128),
        ("segment_ids", "int64", 128),
        ("masked_lm_positions", "int64", 20),
        ("masked_lm_ids", "int64", 20),
        ("masked_lm_weights", "float32", 20),
        ("next_sentence_labels", "int64", 1),
    ]


@pytest.mark.parametrize(
    ("value", "length", "expected"),
    [
        ([1, 2, 3], 3, [1, 2, 3]),
        ([1, 2], 5, [1, 2, 0, 0, 0]),
        ([], 2, [0, 0]),
        ([0, 127, 128, 16383, 16384, 2097152], 6, None),
        ([2**31, 2**63 - 1, -1, -(2**63)], 4, None),
        (b"\x00\x01\x7f", 4, [0, 1, 127, 0]),
        (b"\x01\x80\xff", 3, [1, 128, 255]),
        (range(300), 300, list(range(300))),
    ],
)
def test_tensorflow_reads_integers_as_written(value, length, expected):
    spec = [Feature("x", "int64", length)]
    example = tf.train.Example.FromString(records.serialize({"x": value}, spec))
    read = list(example.features.feature["x"].int64_list.value)
    assert read == (list(value) if expected is None else expected)


def test_tensorflow_reads_floats_as_written():
    spec = [Feature("x", "float32", 4)]
    data = records.serialize({"x": [1.0, -0.5, 3.25]}, spec)
    example = tf.train.Example.FromString(data)
    assert list(example.features.feature["x"].float_list.value) == [1, -0.5, 3.25, 0]


def test_serialised_record_equals_that_of_protocol_buffers():
    """Field by field, and byte by byte for one feature, whose place is then fixed."""
    spec = [Feature("input_ids", "int64", 3)]
    values = tf.train.Int64List(value=[1, 200, 0])
    expected = tf.train.Example(
        features=tf.train.Features(
            feature={"input_ids": tf.train.Feature(int64_list=values)}
        )
    )
    data = records.serialize({"input_ids": [1, 200]}, spec)
    assert data == expected.SerializeToString()


def test_a_value_that_is_too_long_is_refused():
    spec = [Feature("x", "int64", 2)]
    with pytest.raises(ValueError, match="x has 3 values, at most 2 fit"):
        records.serialize({"x": [1, 2, 3]}, spec)


def test_parsing_gives_what_was_serialised():
    spec = records.feature_spec(6, 2)
    values = {
        "input_ids": [2, 700, 3, 80000, 3],
        "input_mask": b"\x01" * 5,
        "segment_ids": [0, 0, 0, 1, 1],
        "masked_lm_positions": [1],
        "masked_lm_ids": [9],
        "masked_lm_weights": [1.0],
        "next_sentence_labels": [1],
    }
    parsed = records.parse(tf.constant([records.serialize(values, spec)] * 2), spec)
    expected = {
        "input_ids": [2, 700, 3, 80000, 3, 0],
        "input_mask": [1, 1, 1, 1, 1, 0],
        "segment_ids": [0, 0, 0, 1, 1, 0],
        "masked_lm_positions": [1, 0],
        "masked_lm_ids": [9, 0],
        "masked_lm_weights": [1, 0],
        "next_sentence_labels": [1],
    }
    assert set(parsed) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(parsed[name], [value, value])
        wanted = tf.float32 if name == "masked_lm_weights" else tf.int32
        assert parsed[name].dtype == wanted


def test_metadata_is_read_from_beside_the_records(tmp_path):
    record_file = str(tmp_path / "a.tfrecord")
    assert records.read_metadata(record_file) is None
    path = tmp_path / "a.tfrecord.json"
    assert records.metadata_path(record_file) == str(path)
    path.write_text(json.dumps({"vocabulary": {"size": 5}}))
    assert records.read_metadata(record_file) == {"vocabulary": {"size": 5}}


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1, 2]", "not a JSON object"), ("{", "is not JSON")],
)
def test_metadata_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=message):
        records.read_metadata(str(tmp_path / "a"))
