"""Recorded cases of data creation, for several tests."""

from __future__ import annotations

import json
import os

import tensorflow as tf

from albert.pretraining_data.config import PretrainingDataConfig


def load_cases(folder):
    """The recorded cases of a folder, by name."""
    path = folder / "cases.json"
    return {case["name"]: case for case in json.loads(path.read_text(encoding="utf-8"))}


def make_config(folder, case, output_folder, **changes):
    """The configuration of a recorded case, writing to another folder."""
    values = {
        "input_file": tuple(str(folder / name) for name in case["input"]),
        "output_file": tuple(str(output_folder / name) for name in case["output"]),
        "vocab_file": os.path.normpath(folder / case["vocab"]),
        **case["flags"],
    }
    return PretrainingDataConfig(**{**values, **changes})


def read_records(path):
    """The records of a file: name -> list of values, read by TensorFlow."""
    records = []
    for data in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        features = tf.train.Example.FromString(data).features.feature
        records.append(
            {
                name: list(feature.int64_list.value or feature.float_list.value)
                for name, feature in features.items()
            }
        )
    return records


def read_folder(folder):
    """The bytes of all records, and the metadata without the names of files."""
    contents = {}
    for path in sorted(folder.iterdir()):
        contents[path.name] = path.read_bytes()
        if path.suffix == ".json":
            metadata = json.loads(path.read_text("utf-8"))
            metadata["parameters"].pop("output_file")
            contents[path.name] = metadata
    return contents
