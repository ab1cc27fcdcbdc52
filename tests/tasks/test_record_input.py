"""Reading records: each once an epoch, in batches of like length, trimmed."""

from __future__ import annotations

import collections
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert.records import features as records
from albert.records.expected import ExpectedRecords
from albert.records.tfrecord import frame
from albert.tasks import record_input as reading
from albert.tasks.pretraining.source import RecordSource
from albert.training.task import EVAL, TRAIN
from tests import forked
from tests.golden import Golden, placeholders

v1 = tf.compat.v1
SPEC = records.feature_spec(64, 4)


def write(path, numbers, rng):
    """Write a record for each number, which is its first token, of 1 to 64 tokens."""
    with open(path, "wb") as file:
        for number in numbers:
            length = int(rng.integers(1, 65))
            values = {
                "input_ids": [number] + [7] * (length - 1),
                "input_mask": [1] * length,
                "segment_ids": [0] * length,
                "masked_lm_positions": [0],
                "masked_lm_ids": [5],
                "masked_lm_weights": [1.0],
                "next_sentence_labels": [0],
            }
            file.write(frame(records.serialize(values, SPEC)))


@pytest.fixture
def three_files(tmp_path):
    """Three files of 40, 30 and 26 records: the numbers 1 to 96."""
    rng = np.random.default_rng(3)
    paths = [str(tmp_path / f"{index}.tfrecord") for index in range(3)]
    for path, (low, high) in zip(paths, ((1, 41), (41, 71), (71, 97))):
        write(path, range(low, high), rng)
    return paths


def numbers_of(batch):
    return batch["input_ids"][:, 0].tolist()


def read(files, batch_size, batches, seed=1, buckets=True):
    dataset = reading.read_shuffled(files, SPEC, batch_size, 50, seed, buckets)
    return list(dataset.take(batches).as_numpy_iterator())


@pytest.mark.parametrize("buckets", [True, False])
def test_each_record_is_seen_once_in_each_epoch(three_files, buckets):
    batches = read(three_files, 8, 36, buckets=buckets)  # three epochs of 12
    for epoch in range(3):
        seen = [n for b in batches[12 * epoch : 12 * epoch + 12] for n in numbers_of(b)]
        assert sorted(seen) == list(range(1, 97))


def test_what_is_left_of_an_epoch_is_seen_in_the_next(three_files):
    # 96 records in batches of 10: three epochs are 28 batches and 8 records over.
    seen = collections.Counter(
        n for b in read(three_files, 10, 28) for n in numbers_of(b)
    )
    assert sum(seen.values()) == 280
    assert sorted(seen.values()) == [2] * 8 + [3] * 88


def test_epochs_differ_and_a_seed_gives_them_again(three_files):
    first, again = read(three_files, 8, 24), read(three_files, 8, 24)
    other = read(three_files, 8, 24, seed=2)
    orders = [[numbers_of(b) for b in batches] for batches in (first, again, other)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0][:12] != orders[0][12:]


def test_batches_hold_examples_of_like_length(tmp_path):
    path = str(tmp_path / "many.tfrecord")
    write(path, range(1, 1025), np.random.default_rng(3))

    def spread(buckets):
        batches = read([path], 8, 128, buckets=buckets)
        return np.mean([np.ptp(b["input_mask"].sum(axis=1)) for b in batches])

    assert spread(True) < 12  # buckets are 8 wide; the rests at the end are mixed
    assert spread(False) > 40


@pytest.mark.parametrize(
    ("longest", "multiple", "step"), [(512, 8, 32), (128, 8, 8), (20, 1, 2), (77, 1, 5)]
)
def test_there_are_at_most_sixteen_widths(longest, multiple, step):
    assert reading.bucket_step(longest, multiple) == step
    assert len(range(step, longest + step, step)) <= 16


def test_used_length_ends_with_the_last_value():
    found = reading.used_length(tf.constant([[1, 0, 1, 0], [0, 0, 0, 0]]))
    assert found.numpy().tolist() == [3, 0]


def trimmed(lengths, masks):
    mask = np.arange(64) < np.array(lengths)[:, None]
    weights = np.arange(4) < np.array(masks)[:, None]
    batch = {f.name: np.zeros((len(lengths), f.length), np.int32) for f in SPEC}
    batch["input_mask"] = mask.astype(np.int32)
    batch["masked_lm_weights"] = weights.astype(np.float32)
    found = reading.trim({n: tf.constant(v) for n, v in batch.items()})
    return {name: value.shape[1] for name, value in found.items()}


@pytest.mark.parametrize(
    ("lengths", "masks", "width", "predictions"),
    [
        ([3, 8], [1, 2], 8, 2),
        ([9, 2], [1, 1], 16, 1),
        ([64, 64], [4, 0], 64, 4),
        ([1, 1], [0, 0], 8, 1),  # nothing masked: one column stays
    ],
)
def test_a_batch_is_trimmed_to_its_bucket(lengths, masks, width, predictions):
    found = trimmed(lengths, masks)
    assert {found[n] for n in ("input_ids", "input_mask", "segment_ids")} == {width}
    for name in ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights"):
        assert found[name] == predictions
    assert found["next_sentence_labels"] == 1


@pytest.mark.parametrize("layout", ["postln", "preln", "google"])
def test_losses_of_an_example_are_those_of_the_padded_one(testdata, layout):
    golden = Golden(testdata / "modeling" / layout)
    full = golden.batch(0)
    rows = {name: value[:3].copy() for name, value in full.items()}
    rows["input_mask"] = np.int32(np.arange(40) < [[9], [14], [16]])
    rows["masked_lm_positions"] %= 9
    rows["masked_lm_weights"] = np.float32(np.arange(6) < [[2], [1], [3]])
    losses = []
    for trims in (True, False):
        golden.task._length_buckets = trims
        with tf.Graph().as_default():
            inputs = placeholders(rows)
            output = golden.task.build(inputs, EVAL, golden.build_encoder)
            with golden.session() as session:
                feed = {inputs[name]: value for name, value in rows.items()}
                losses.append(session.run(output.predictions, feed))
    for name, padded in losses[1].items():
        np.testing.assert_allclose(losses[0][name], padded, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "name", "value", "high"),
    [
        (TRAIN, "input_ids", 100, 99),
        (EVAL, "masked_lm_positions", -1, 63),
        (EVAL, "next_sentence_labels", 2, 1),
    ],
)
def test_a_value_that_the_model_has_no_place_for_ends_the_reading(
    tmp_path, mode, name, value, high
):
    # On a GPU looking it up would give zeros, and training go on.
    values = {
        **{"input_ids": [99] * 64, "input_mask": [1] * 64, "segment_ids": [0] * 64},
        **{"masked_lm_positions": [63], "masked_lm_ids": [99]},
        **{"masked_lm_weights": [1.0], "next_sentence_labels": [1]},
    }
    path, expected = str(tmp_path / "a.tfrecord"), ExpectedRecords(64, 4, 100)
    with open(path, "wb") as file:
        for record in (values, {**values, name: [value]}):
            file.write(frame(records.serialize(record, SPEC)))
    source = RecordSource([path], expected, length_buckets=False)
    message = f"{name} are not in 0 to {high}"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(source.read(mode, 1).take(2))
    assert f"{path}: record 2: " in source.find_bad_input(lambda: False)


REPLICAS = """
import sys
import tensorflow as tf
from albert.tasks import record_input as reading
from tests.tasks.test_record_input import SPEC, numbers_of
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    iterator = strategy.make_input_fn_iterator(
        lambda _: reading.read_shuffled(sys.argv[1:], SPEC, 4, 50, 1, True)
    )
    session.run(iterator.initialize())
    both = strategy.experimental_local_results(iterator.get_next())
    for step in range(24):
        for batch in session.run(both):
            print("seen", *numbers_of(batch))
"""


@pytest.mark.slow
def test_two_replicas_together_see_each_record_once_an_epoch(repo, three_files):
    # As an Estimator reads: each replica takes its own batches from one dataset.
    done = forked.run(
        [sys.executable, "-c", REPLICAS, *three_files],
        cwd=repo,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    seen = [line.split()[1:] for line in done.stdout.splitlines() if "seen" in line]
    assert len(seen) == 48  # two epochs of 12 steps, 4 records on each replica
    for epoch in (seen[:24], seen[24:]):
        assert sorted(int(n) for batch in epoch for n in batch) == list(range(1, 97))
