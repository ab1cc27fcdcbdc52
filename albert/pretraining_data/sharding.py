"""Assigning documents to shards; a shard's name and random stream.

A shard holds whole documents. All here depends on the documents, the number of shards
and the seed alone, never on who works on a shard or when.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import os
import random
from typing import TYPE_CHECKING, Iterable, Iterator, NamedTuple, Optional

from albert.base.errors import UserError

if TYPE_CHECKING:
    from albert.pretraining_data.sources import Text

MOST_SHARDS = 99_999  # what the five digits of a file's name can count
_MEGABYTE = 1_000_000


class Shard(NamedTuple):
    """One of `count` shards."""

    index: int
    count: int

    def __str__(self) -> str:
        """Name the shard as its file does, counted from 0."""
        return f"shard {self.index} (of {self.count}, counted from 0)"


def count_shards(
    text_bytes: int, num_shards: Optional[int], shard_size_mb: float
) -> int:
    """Return `num_shards`, or without it how many shards of that size hold the text.

    Raises:
        UserError: there would be more than `MOST_SHARDS`.
    """
    if num_shards is not None:
        return num_shards
    count = max(1, math.ceil(text_bytes / (shard_size_mb * _MEGABYTE)))
    if count > MOST_SHARDS:
        least = text_bytes / _MEGABYTE / MOST_SHARDS
        raise UserError(
            f"shard_size_mb must be at least {least:.2g} "
            f"for {text_bytes:,} bytes of text, got {shard_size_mb:g}: there can be "
            f"{MOST_SHARDS:,} shards at most"
        )
    return count


def name_shard(path: str, shard: Shard) -> str:
    """Return the name of a shard's file: `path` itself where there is but one.

    Example: out/a.tfrecord becomes out/a-00000-of-00004.tfrecord.
    """
    if shard.count == 1:
        return path
    root, extension = os.path.splitext(path)
    return f"{root}-{shard.index:05d}-of-{shard.count:05d}{extension}"


def make_random(seed: int, index: int) -> random.Random:
    """Return the random stream of a shard; that of shard 0 is the reference's."""
    if index == 0:
        return random.Random(seed)
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    return random.Random(int.from_bytes(digest[:16], "big"))


def assign_documents(
    documents: Iterable[Text], count: int
) -> Iterator[tuple[int, Text]]:
    """Yield each document with its shard: the one with the least text so far.

    So shards are of like size, and each has its share of every part of the corpus.
    Ties go to the lowest shard.
    """
    heap = [(0, index) for index in range(count)]
    for document in documents:
        size, index = heap[0]
        heapq.heapreplace(heap, (size + sum(map(len, document.lines)), index))
        yield index, document
