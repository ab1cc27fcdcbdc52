"""Dealing record files to the machines that train together."""

from __future__ import annotations

import os
from typing import NamedTuple, Sequence

from absl import logging


class InputShare(NamedTuple):
    """What one machine reads: of each of its files the records `index`, + count, ...

    Together the shares of all machines hold each record once.

    Attributes:
        files: record files.
        index, count: 0 and 1 where all records of the files are its own.
    """

    files: tuple[str, ...]
    index: int = 0
    count: int = 1


def deal_files(files: Sequence[str], index: int, count: int) -> InputShare:
    """Return the share of machine `index` of `count`, the same whoever works it out.

    Each machine reads files of its own, of about the same size altogether. Where there
    are fewer files than machines, all read every file, and of it every count-th record.

    Args:
        files: names that mean the same on every machine.
    """
    if count == 1:
        return InputShare(tuple(files))
    if len(files) < count:
        logging.warning(
            "%d input files for %d machines: each machine reads all of them, and uses "
            "one record in %d; with as many files each would read its own",
            len(files),
            count,
            count,
        )
        return InputShare(tuple(files), index, count)
    shares: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    named = sorted((-os.path.getsize(path), path) for path in files)
    for negative_size, path in named:  # the largest first, to the least so far
        least = min(range(count), key=lambda i: (sizes[i], i))
        shares[least].append(path)
        sizes[least] -= negative_size
    logging.info("This machine reads %d of %d files", len(shares[index]), len(files))
    return InputShare(tuple(shares[index]))
