"""Record files compressed by gzip: telling them apart, and reading them."""

from __future__ import annotations

from typing import Iterator, Sequence

import tensorflow as tf

v1 = tf.compat.v1

# A plain file begins with the length of its first record, which would have to be above
# 559,903 to look so.
_GZIP = b"\x1f\x8b\x08"


def is_compressed(file: str) -> bool:
    """Whether a file begins as gzip does; OSError where it cannot be read."""
    with open(file, "rb") as stream:
        return stream.read(len(_GZIP)) == _GZIP


def find_compressed(files: Sequence[str]) -> tuple[str, ...]:
    """Return those of some record files that are compressed."""
    return tuple(file for file in files if is_compressed(file))


def iterate_records(file: str) -> Iterator[bytes]:
    """Yield the records of a file, plain or compressed; DataLossError if damaged."""
    kind = "GZIP" if is_compressed(file) else ""
    return v1.io.tf_record_iterator(file, tf.io.TFRecordOptions(compression_type=kind))
