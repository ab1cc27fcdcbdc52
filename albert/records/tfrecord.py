"""The TFRecord format, written without TensorFlow.

A record is its length (uint64), the length's checksum (uint32), the data, and the
data's checksum (uint32), little-endian. The checksum is CRC-32C, rotated and offset.
Source: tensorflow/core/lib/io/record_writer.h; CRC-32C: RFC 3720, appendix B.4.
"""

from __future__ import annotations

import functools
import struct

import numpy as np

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_MASK_DELTA = 0xA282EAD8


def _make_byte_table() -> np.ndarray:
    """Return the checksum of each single byte, uint32 [256]."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    return table


@functools.lru_cache(maxsize=4)
def _make_tables(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what bytes followed by up to `length` - 1 others add to a checksum.

    Returns:
        The share of byte b with i bytes after it at [i * 256 + b], uint32; the row
        starts i * 256 in falling order of i, int32 [length]; and the share of the
        initial state in a message of i bytes, uint32 [length + 1].
    """
    byte_table = _make_byte_table()
    shares = np.empty((length, 256), np.uint32)
    shares[0] = byte_table
    initial = np.full(length + 1, 0xFFFFFFFF, np.uint32)
    for i in range(1, length):
        shares[i] = byte_table[shares[i - 1] & 0xFF] ^ (shares[i - 1] >> 8)
    for i in range(length):
        initial[i + 1] = byte_table[initial[i] & 0xFF] ^ (initial[i] >> 8)
    starts = np.arange(length - 1, -1, -1, dtype=np.int32) * 256
    return shares.ravel(), starts, initial


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of `data`.

    A checksum is linear over GF(2): the exclusive or of one share for each byte, which
    depends on the byte and on how many follow. So numpy computes it in one gather.
    """
    length = len(data)
    capacity = max(1024, 1 << (length - 1).bit_length()) if length else 1024
    shares, starts, initial = _make_tables(capacity)
    indices = starts[capacity - length :] + np.frombuffer(data, np.uint8)
    crc = np.bitwise_xor.reduce(shares.take(indices)) ^ initial[length]
    return int(crc) ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """Return the checksum of `data` as a TFRecord file holds it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


@functools.lru_cache(maxsize=4096)
def _encode_length(length: int) -> bytes:
    encoded = struct.pack("<Q", length)
    return encoded + struct.pack("<I", masked_crc32c(encoded))


def frame(data: bytes) -> bytes:
    """Return `data` as one record of a TFRecord file."""
    return _encode_length(len(data)) + data + struct.pack("<I", masked_crc32c(data))
