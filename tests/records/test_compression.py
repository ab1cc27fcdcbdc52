"""Record files compressed by gzip, beside plain ones."""

from __future__ import annotations

import gzip
import re

import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.records import compression, damage
from albert.records.expected import ExpectedRecords
from albert.records.inspection import check_records, count_records
from albert.records.tfrecord import frame
from albert.tasks.pretraining.source import RecordSource

RECORDS = [b"one", b"two", b"three"]


@pytest.fixture
def files(tmp_path):
    """A plain file, and one compressed."""
    plain, compressed = tmp_path / "plain", tmp_path / "compressed"
    data = b"".join(map(frame, RECORDS))
    plain.write_bytes(data)
    compressed.write_bytes(gzip.compress(data))
    return [str(plain), str(compressed)]


def test_compressed_files_are_known_by_their_content(files):
    assert compression.find_compressed(files) == (files[1],)
    for file in files:
        assert list(compression.iterate_records(file)) == RECORDS
        assert count_records(file) == 3
        assert damage.scan_file(file).faults == ()


def test_one_dataset_reads_plain_and_compressed_files(files):
    opener = damage.record_opener({}, compression.find_compressed(files))
    dataset = tf.data.Dataset.from_tensor_slices(files).flat_map(opener)
    assert [record.numpy() for record in dataset] == RECORDS * 2


def test_a_compressed_file_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path):
    records = [bytes([65 + n]) * 40_000 for n in range(20)]
    data = gzip.compress(b"".join(map(frame, records)), compresslevel=0)
    path = tmp_path / "compressed"
    path.write_bytes(data[: len(data) // 2])
    file = str(path)
    with pytest.raises(UserError, match="damaged or cut short after record"):
        count_records(file)
    assert re.search("cannot be decompressed", damage.find_fault([file]))
    scan = damage.scan_file(file)
    kept = sum(segment.count for segment in scan.segments)
    assert 0 < kept <= 10
    readable = {file: scan.segments}
    opener = damage.record_opener(readable, [file])
    read = [r.numpy() for r in tf.data.Dataset.from_tensors(file).flat_map(opener)]
    assert read == records[:kept]
    assert damage.read_first(file, scan.segments) == records[0]


def test_a_source_reads_compressed_records(testdata, tmp_path):
    source = testdata / "pretraining_data/abstracts_wwm_128.tfrecord"
    compressed = tmp_path / "compressed.tfrecord"
    compressed.write_bytes(gzip.compress(source.read_bytes()))
    expected = ExpectedRecords(None, None, 13878)
    assert check_records([str(compressed)], expected)[:2] == (128, 12)
    batches = []
    for file in (source, compressed):
        data = RecordSource([str(file)], ExpectedRecords(128, 12, 13878))
        batches.append([b["input_ids"].numpy() for b in data.read("eval", 8)])
    assert len(batches[0]) == len(batches[1]) > 0
    for plain, decompressed in zip(*batches):
        tf.debugging.assert_equal(plain, decompressed)
