"""Damaged TFRecord files: what is wrong where, and reading what is still readable.

A record whose data have a wrong checksum is skipped alone: its length is known.
Where a length is damaged or the file is cut short, nothing after it can be read.
"""

from __future__ import annotations

import os
import struct
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from albert.records import compression, tfrecord

_HEADER_BYTES, _FOOTER_BYTES = 12, 4
_BUFFER_BYTES = 256 * 1024  # of reading, as tf.data.TFRecordDataset
_LISTED = 5  # damaged records named in the log


class Segment(NamedTuple):
    """Readable records in a row: where the first begins, in bytes, and how many."""

    offset: int
    count: int


class Fault(NamedTuple):
    """Something unreadable.

    Attributes:
        record: its number in the file, from 1.
        offset: where it begins, in bytes.
        what: "wrong checksum", "damaged length" or "cut short".
        bytes_lost: how much of the file cannot be read because of it.
    """

    record: int
    offset: int
    what: str
    bytes_lost: int

    def __str__(self) -> str:
        return f"record {self.record} ({self.what}, at byte {self.offset})"


class Scan(NamedTuple):
    """What a file was found to hold.

    Attributes:
        segments: the readable records.
        faults: the others, in their order; only the last can be more than one record.
    """

    segments: tuple[Segment, ...]
    faults: tuple[Fault, ...]


# File -> its readable records, for the files that are damaged.
Readable = Mapping[str, Sequence[Segment]]


def count_sound(file: str) -> tuple[int, bool]:
    """Return how many records TensorFlow reads from a file, and whether that is all.

    TensorFlow takes a file that ends within a record's first 12 bytes for whole.
    """
    count, read = 0, 0
    try:
        for record in compression.iterate_records(file):
            count += 1
            read += _HEADER_BYTES + len(record) + _FOOTER_BYTES
    except tf.errors.DataLossError:
        return count, False
    if compression.is_compressed(file):
        return count, True
    return count, read == os.path.getsize(file)


def _read_faults(file: str, sound: int) -> Iterator[tuple[int, Optional[str]]]:
    """Yield the offset of each record and its fault, if any; the last may be the end.

    Args:
        sound: the first records, known to be readable; their data are not checked.
    """
    size = os.path.getsize(file)
    with open(file, "rb") as stream:
        number, offset = 0, 0
        while offset < size:
            number += 1
            header = stream.read(_HEADER_BYTES)
            if len(header) < _HEADER_BYTES:
                yield offset, "cut short"
                return
            length, checksum = struct.unpack("<QI", header)
            if tfrecord.masked_crc32c(header[:8]) != checksum:
                yield offset, "damaged length"
                return
            end = offset + _HEADER_BYTES + length + _FOOTER_BYTES
            if end > size:
                yield offset, "cut short"
                return
            fault = None
            if number > sound:
                data = stream.read(length)
                (checksum,) = struct.unpack("<I", stream.read(_FOOTER_BYTES))
                if tfrecord.masked_crc32c(data) != checksum:
                    fault = "wrong checksum"
            yield offset, fault
            offset = end
            stream.seek(offset)


def scan_file(file: str) -> Scan:
    """Read a TFRecord file through.

    Raises:
        OSError: it cannot be opened or read.
    """
    sound, whole = count_sound(file)
    if whole:
        return Scan((Segment(0, sound),) if sound else (), ())
    size = os.path.getsize(file)
    if compression.is_compressed(file):  # nothing after the damage can be read
        segment = (Segment(0, sound),) if sound else ()
        return Scan(segment, (Fault(sound + 1, 0, "cannot be decompressed", size),))
    segments: list[Segment] = []
    faults: list[Fault] = []
    start, count = 0, 0  # of the segment that is being read
    found = list(_read_faults(file, sound))
    ends = [offset for offset, _ in found[1:]] + [size]
    for number, ((offset, fault), end) in enumerate(zip(found, ends), start=1):
        if fault is None:
            start = start if count else offset
            count += 1
            continue
        if count:
            segments.append(Segment(start, count))
        count = 0
        faults.append(Fault(number, offset, fault, end - offset))
    if count:
        segments.append(Segment(start, count))
    return Scan(tuple(segments), tuple(faults))


def find_fault(files: Sequence[str]) -> Optional[str]:
    """Return a sentence that names file and record of the first fault, or None."""
    for file in files:
        faults = scan_file(file).faults
        if faults:
            return (
                f"{file}: {faults[0]} is damaged: make the file again, or give "
                "--skip_corrupt_records to do without what cannot be read"
            )
    return None


def find_readable(files: Sequence[str]) -> dict[str, tuple[Segment, ...]]:
    """Read files through; return the damaged ones and what can be read of them.

    Logs how many records are skipped, and which.
    """
    readable, skipped, lost = {}, 0, 0
    for file in files:
        scan = scan_file(file)
        if not scan.faults:
            continue
        readable[file] = scan.segments
        skipped += len(scan.faults)
        lost += sum(fault.bytes_lost for fault in scan.faults)
        more = len(scan.faults) - _LISTED
        logging.warning(
            "%s: skipping %d damaged records of %d bytes: %s%s; %d records are read",
            file,
            len(scan.faults),
            sum(fault.bytes_lost for fault in scan.faults),
            ", ".join(str(fault) for fault in scan.faults[:_LISTED]),
            f" and {more} more" if more > 0 else "",
            sum(segment.count for segment in scan.segments),
        )
    logging.info(
        "skip_corrupt_records: %d damaged records (%d bytes) in %d of %d files",
        skipped,
        lost,
        len(readable),
        len(files),
    )
    return readable


def _read_segment(
    file: tf.Tensor, offset: tf.Tensor, count: tf.Tensor, compression: tf.Tensor
):
    """Return a dataset of `count` records of a file from a byte on."""
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=[file],
        compression_type=compression,
        buffer_size=_BUFFER_BYTES,
        byte_offsets=[offset],
    )
    spec = tf.TensorSpec([], tf.string)
    return tf.data.experimental.from_variant(variant, spec).take(count)


def record_opener(
    readable: Readable, gzip_files: Sequence[str] = ()
) -> Callable[[Any], tf.data.Dataset]:
    """Return what makes the dataset of a file's records from its name.

    Args:
        readable: files of which only some segments are read.
        gzip_files: files that are compressed by gzip.

    Returns:
        A function of a string scalar; `tf.data.TFRecordDataset` where nothing is
        damaged or compressed.
    """
    if not readable and not gzip_files:
        return tf.data.TFRecordDataset
    rows = [(file, *segment) for file in readable for segment in readable[file]]
    names = np.array([file for file, _, _ in rows], object)
    bounds = np.array([segment for _, *segment in rows], np.int64).reshape(-1, 2)
    damaged, gzipped = np.array(list(readable), object), np.array(gzip_files, object)

    def open_file(file: tf.Tensor) -> tf.data.Dataset:
        gzipped_file = tf.reduce_any(tf.equal(tf.constant(gzipped, tf.string), file))
        kind = tf.where(gzipped_file, "GZIP", "")
        own = tf.boolean_mask(bounds, tf.equal(tf.constant(names, tf.string), file))
        is_damaged = tf.reduce_any(tf.equal(tf.constant(damaged, tf.string), file))
        everything = tf.constant([[0, -1]], tf.int64)
        segments = tf.cond(is_damaged, lambda: own, lambda: everything)
        return tf.data.Dataset.from_tensor_slices(segments).flat_map(
            lambda segment: _read_segment(file, segment[0], segment[1], kind)
        )

    return open_file


def read_first(file: str, segments: Sequence[Segment]) -> Optional[bytes]:
    """Return the first readable record of a damaged file, None where there is none."""
    if not segments:
        return None
    if compression.is_compressed(file):
        return next(compression.iterate_records(file))
    with open(file, "rb") as stream:
        stream.seek(segments[0].offset)
        (length, _) = struct.unpack("<QI", stream.read(_HEADER_BYTES))
        return stream.read(length)
