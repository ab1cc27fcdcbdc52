"""Training on records that are damaged, or that make the gradient not finite."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf

from albert.records import tfrecord
from tests import pretraining_kit as kit

pytestmark = pytest.mark.slow


def run_damaged(runner, folder, damage, **changes):
    """Run on a record file with a damaged part that the check does not read."""
    records = folder / "train.tfrecord"
    data = bytearray(b"".join(map(tfrecord.frame, kit.make_examples(400))))
    size = len(data) // 400  # all records are as long
    data = damage(data, size)
    records.write_bytes(data)
    kit.write_claim(records)
    changes = {"num_train_steps": 60, "length_buckets": False, **changes}
    flags = kit.make_flags(folder, **changes)
    return runner.run(flags), size


def flip_in_record_301(data, size):
    data[300 * size + size // 2] ^= 1
    return data


def cut_in_record_301(data, size):
    return data[: 300 * size + size // 2]


def lengthen_record_301(data, size):
    example = tf.train.Example.FromString(kit.make_examples(1)[0])
    example.features.feature["masked_lm_ids"].int64_list.value.append(5)
    record = tfrecord.frame(example.SerializeToString())
    return data[: 300 * size] + record + data[301 * size :]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (
            flip_in_record_301,
            "record 301 (wrong checksum, at byte {offset}) is damaged",
        ),
        (cut_in_record_301, "record 301 (cut short, at byte {offset}) is damaged"),
        (lengthen_record_301, "record 301: max_predictions_per_seq is 3"),
    ],
)
def test_a_bad_record_in_the_middle_of_training_is_named(
    runner, tmp_path, damage, what
):
    done, size = run_damaged(runner, tmp_path, damage)
    assert done.status == 1, done.output
    (error,) = done.errors
    assert 20 <= done.steps[-1] < 60
    assert re.search(r"training stopped at step \d\d: ", error)
    assert f"{tmp_path}/train.tfrecord: " + what.format(offset=300 * size) in error
    assert "last good checkpoint is" in error
    assert kit.read_newest(tmp_path / "model")[0] in (20, 40)


def test_corrupt_records_are_skipped_and_counted_on_request(runner, tmp_path):
    done, size = run_damaged(
        runner, tmp_path, flip_in_record_301, skip_corrupt_records=True
    )
    assert done.status == 0, done.output
    assert done.steps[-1] == 60
    assert "skip_corrupt_records: 1 damaged records" in done.output
    assert f"record 301 (wrong checksum, at byte {300 * size})" in done.output
    assert "; 399 records are read" in done.output


def poison_record_301(data, size):
    example = tf.train.Example.FromString(bytes(data[300 * size + 12 : 301 * size - 4]))
    example.features.feature["masked_lm_weights"].float_list.value[0] = float("nan")
    record = tfrecord.frame(example.SerializeToString())
    return data[: 300 * size] + record + data[301 * size :]


@pytest.mark.parametrize(
    "flags",
    [
        {"length_buckets": True},
        {"gradient_accumulation_steps": 2},
        {"num_gpus": None, "num_cpu_replicas": 2},
    ],
)
def test_a_record_that_makes_the_gradient_not_finite_is_named(runner, tmp_path, flags):
    done, size = run_damaged(runner, tmp_path, poison_record_301, **flags)
    assert done.status == 1, done.output
    (error,) = done.errors
    step = int(re.search(r"training stopped at step (\d+): ", error).group(1))
    assert step == done.steps[-1] + 1
    cause = f"{tmp_path}/train.tfrecord: record 301: masked_lm_weights are not all"
    assert cause in error
    assert "last good checkpoint is" in error
    saved, values = kit.read_newest(tmp_path / "model")
    assert saved == (step - 1) // kit.INTERVAL * kit.INTERVAL
    assert all(np.isfinite(value).all() for value in values.values())
