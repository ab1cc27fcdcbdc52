"""The TFRecord format: checksums, and files that TensorFlow reads."""

from __future__ import annotations

import random
import struct

import pytest
import tensorflow as tf

from albert.records.tfrecord import crc32c, frame


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        # RFC 3720, appendix B.4, and the usual check value of the polynomial.
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_checksums(data, checksum):
    assert crc32c(data) == checksum


def crc_bit_by_bit(data):
    """The definition: polynomial division, one bit after the other."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("length", [1, 2, 3, 4, 1023, 1024, 1025, 5000])
def test_checksum_of_any_length(length):
    data = random.Random(length).getrandbits(8 * length).to_bytes(length, "little")
    assert crc32c(data) == crc_bit_by_bit(data)


def test_tensorflow_reads_the_records(tmp_path):
    rng = random.Random(0)
    lengths = [0, 1, 2, 3, 4, 7, 8, 100, 1024, 4097, 2, 100]
    written = [bytes(rng.choices(range(256), k=length)) for length in lengths]
    path = tmp_path / "x.tfrecord"
    path.write_bytes(b"".join(map(frame, written)))
    read = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    assert list(read) == written


def test_tensorflow_notices_a_changed_byte(tmp_path):
    framed = bytearray(frame(b"some data"))
    assert struct.unpack_from("<Q", framed) == (9,)
    framed[14] ^= 1
    path = tmp_path / "x.tfrecord"
    path.write_bytes(framed)
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(path)))
