"""The features of a pretraining record, declared once, and the metadata beside a file.

Writer, parser and the check of records against flags derive from `feature_spec`.
"""

from __future__ import annotations

import os
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import tensorflow as tf

from albert import files
from albert.errors import UserError


class Feature(NamedTuple):
    """One feature of a record: its name, "int64" or "float32", and its length."""

    name: str
    dtype: str
    length: int


def feature_spec(
    max_seq_length: int, max_predictions_per_seq: int
) -> tuple[Feature, ...]:
    """Return the features of a record, as BERT and albert_zh write them."""
    return (
        Feature("input_ids", "int64", max_seq_length),
        Feature("input_mask", "int64", max_seq_length),
        Feature("segment_ids", "int64", max_seq_length),
        Feature("masked_lm_positions", "int64", max_predictions_per_seq),
        Feature("masked_lm_ids", "int64", max_predictions_per_seq),
        Feature("masked_lm_weights", "float32", max_predictions_per_seq),
        Feature("next_sentence_labels", "int64", 1),
    )


def serialize(values: Mapping[str, Sequence], spec: Sequence[Feature]) -> bytes:
    """Return a serialised tf.train.Example; short values are padded with 0.

    Raises:
        ValueError: a value is longer than its feature.
    """
    features = {}
    for name, dtype, length in spec:
        padded = list(values[name])
        if len(padded) > length:
            raise ValueError(f"{name} has {len(padded)} values, at most {length} fit")
        padded += [0] * (length - len(padded))
        if dtype == "int64":
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=padded))
        else:
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=padded))
        features[name] = feature
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()


def parse(serialized: tf.Tensor, spec: Sequence[Feature]) -> dict[str, tf.Tensor]:
    """Parse serialised records.

    Args:
        serialized: string tensor, [batch].

    Returns:
        name -> [batch, length] tensor, int32 or float32.
    """
    parsed = tf.io.parse_example(
        serialized,
        {f.name: tf.io.FixedLenFeature([f.length], tf.as_dtype(f.dtype)) for f in spec},
    )
    return {
        name: tf.cast(value, tf.int32) if value.dtype == tf.int64 else value
        for name, value in parsed.items()
    }


def metadata_path(record_file: str) -> str:
    """Return the name of the metadata beside a record file."""
    return f"{record_file}.json"


def read_metadata(record_file: str) -> Optional[dict[str, Any]]:
    """Return the metadata beside `record_file`, or None where there is none."""
    path = metadata_path(record_file)
    if not os.path.exists(path):
        return None
    value = files.read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path} is not metadata of records: not a JSON object")
    return value
