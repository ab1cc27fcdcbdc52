"""Damaged TFRecord files: found, named, read around."""

from __future__ import annotations

import logging
import random

import pytest
import tensorflow as tf

from albert.records import damage
from albert.records.tfrecord import frame

v1 = tf.compat.v1

RECORDS = [bytes([65 + i]) * (5 + i) for i in range(6)]  # AAAAA, BBBBBB, ...
OFFSETS = [sum(len(frame(r)) for r in RECORDS[:i]) for i in range(7)]


def write(path, records=RECORDS, flip=(), cut=None):
    """Write a file, with some of its bytes inverted or its end cut off."""
    data = bytearray(b"".join(map(frame, records)))
    for position in flip:
        data[position] ^= 0xFF
    path.write_bytes(data[:cut])
    return str(path)


def data_of(index):
    """A byte in the middle of a record's data."""
    return OFFSETS[index] + 12 + 2


def read(files, readable):
    """What a dataset over the files gives."""
    dataset = tf.data.Dataset.from_tensor_slices(files)
    dataset = dataset.flat_map(damage.record_opener(readable))
    return [r.numpy() for r in dataset]


CASES = [
    # (bytes inverted, length, records read, [(record, what, where)])
    ([], None, [0, 1, 2, 3, 4, 5], []),
    ([data_of(2)], None, [0, 1, 3, 4, 5], [(3, "wrong checksum", OFFSETS[2])]),
    ([data_of(0)], None, [1, 2, 3, 4, 5], [(1, "wrong checksum", 0)]),
    ([OFFSETS[6] - 1], None, [0, 1, 2, 3, 4], [(6, "wrong checksum", OFFSETS[5])]),
    (
        [data_of(1), data_of(2), data_of(4)],
        None,
        [0, 3, 5],
        [
            (2, "wrong checksum", OFFSETS[1]),
            (3, "wrong checksum", OFFSETS[2]),
            (5, "wrong checksum", OFFSETS[4]),
        ],
    ),
    ([OFFSETS[3]], None, [0, 1, 2], [(4, "damaged length", OFFSETS[3])]),
    ([], OFFSETS[4] + 15, [0, 1, 2, 3], [(5, "cut short", OFFSETS[4])]),
    ([], OFFSETS[4] + 3, [0, 1, 2, 3], [(5, "cut short", OFFSETS[4])]),
    ([], OFFSETS[4], [0, 1, 2, 3], []),
    (
        [data_of(1)],
        OFFSETS[3] + 5,
        [0, 2],
        [(2, "wrong checksum", OFFSETS[1]), (4, "cut short", OFFSETS[3])],
    ),
    ([0], None, [], [(1, "damaged length", 0)]),
]


@pytest.mark.parametrize(("flip", "cut", "kept", "faults"), CASES)
def test_faults_are_found_and_read_around(tmp_path, flip, cut, kept, faults):
    file = write(tmp_path / "a", flip=flip, cut=cut)
    scan = damage.scan_file(file)
    assert [(f.record, f.what, f.offset) for f in scan.faults] == faults
    readable = damage.find_readable([file])
    assert set(readable) == ({file} if faults else set())
    assert read([file], readable) == [RECORDS[i] for i in kept]
    sizes = [OFFSETS[i + 1] - OFFSETS[i] for i in kept]
    lost = sum(fault.bytes_lost for fault in scan.faults)
    assert sum(sizes) + lost == (tmp_path / "a").stat().st_size


def test_whole_and_damaged_files_are_read_together(tmp_path):
    whole = write(tmp_path / "whole")
    broken = write(tmp_path / "broken", flip=[data_of(3)])
    nothing = write(tmp_path / "nothing", flip=[0])
    files = [broken, whole, nothing, whole]
    kept = RECORDS[:3] + RECORDS[4:]
    assert read(files, damage.find_readable(files)) == kept + RECORDS + RECORDS


def test_many_faults_at_random_places(tmp_path):
    rng = random.Random(1)
    records = [rng.randbytes(rng.randint(0, 3000)) for _ in range(200)]
    offsets = [sum(len(frame(r)) for r in records[:i]) for i in range(200)]
    bad = sorted(rng.sample([i for i in range(200) if records[i]], 20))
    flips = [offsets[i] + 12 + rng.randrange(len(records[i])) for i in bad]
    file = write(tmp_path / "a", records, flips)
    readable = damage.find_readable([file])
    assert read([file], readable) == [r for i, r in enumerate(records) if i not in bad]


def test_the_first_fault_is_named_with_its_file_and_record(tmp_path):
    whole = write(tmp_path / "whole")
    broken = write(tmp_path / "broken", flip=[data_of(3), data_of(5)])
    assert damage.find_fault([whole]) is None
    assert damage.find_fault([whole, broken]).startswith(
        f"{broken}: record 4 (wrong checksum, at byte {OFFSETS[3]}) is damaged: make"
    )


def test_what_is_passed_over_is_counted_in_the_log(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="absl")
    logging.getLogger("absl").propagate = True
    file = write(tmp_path / "a", flip=[data_of(2), data_of(4)])
    damage.find_readable([file, write(tmp_path / "b")])
    lines = "\n".join(record.getMessage() for record in caplog.records)
    assert f"{file}: skipping 2 damaged records" in lines
    assert f"record 3 (wrong checksum, at byte {OFFSETS[2]}), record 5" in lines
    assert "; 4 records are read" in lines
    assert "skip_corrupt_records: 2 damaged records" in lines
    assert "in 1 of 2 files" in lines


def test_the_first_readable_record_is_found(tmp_path):
    file = write(tmp_path / "a", flip=[data_of(0), data_of(1)])
    segments = damage.find_readable([file])[file]
    assert damage.read_first(file, segments) == RECORDS[2]
    assert damage.read_first(file, ()) is None


def test_segments_are_read_inside_a_graph_and_an_interleave(tmp_path):
    files = [write(tmp_path / n, flip=[data_of(3)]) for n in "ab"]
    readable = damage.find_readable(files)
    with tf.Graph().as_default(), v1.Session() as session:
        dataset = tf.data.Dataset.from_tensor_slices(files).repeat(2)
        dataset = dataset.interleave(damage.record_opener(readable), cycle_length=2)
        following = v1.data.make_one_shot_iterator(dataset).get_next()
        got = [session.run(following) for _ in range(20)]
    assert sorted(got) == sorted((RECORDS[:3] + RECORDS[4:]) * 4)
