"""Assigning record files to the machines that train together."""

from __future__ import annotations

import os
from typing import NamedTuple, Sequence

from absl import logging

_EVEN = 1.05  # the most that one machine's files may hold, with 1 for another's


class InputShard(NamedTuple):
    """What one machine reads; the shards of all machines hold each record once.

    Attributes:
        files: record files.
        index, num_shards: of each file, the records i with i % num_shards = index; 0
            and 1 for all of them.
    """

    files: tuple[str, ...]
    index: int = 0
    num_shards: int = 1


def _assign(files: Sequence[str], count: int) -> tuple[list[list[str]], list[int]]:
    """Return the files of each machine and their bytes, as even as whole files go."""
    assigned: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    for negative_size, path in sorted((-os.path.getsize(path), path) for path in files):
        least = min(range(count), key=lambda index: (sizes[index], index))
        assigned[least].append(path)
        sizes[least] -= negative_size
    return assigned, sizes


def assign_files(files: Sequence[str], index: int, count: int) -> InputShard:
    """Return the shard of machine `index` of `count`; the same on every machine.

    Each machine reads files of its own where these can be divided evenly: each repeats
    what it has, so one with half as much would show its records twice as often. Else
    all machines read every file, and each uses its part of the records.

    Args:
        files: names that mean the same on every machine.
    """
    if count == 1:
        return InputShard(tuple(files))
    assigned, sizes = _assign(files, count)
    if max(sizes) > _EVEN * min(sizes):
        logging.warning(
            "%d input files cannot be divided evenly among %d machines: each machine "
            "reads all of them, and uses one record in %d",
            len(files),
            count,
            count,
        )
        return InputShard(tuple(files), index, count)
    logging.info("This machine reads %d of %d files", len(assigned[index]), len(files))
    return InputShard(tuple(assigned[index]))
