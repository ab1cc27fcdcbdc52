"""Encoded documents on disk, between their encoding and the making of a shard.

A shard's spool is a sequence of pickled blocks. It is read by the run that wrote it and
removed with it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
from itertools import accumulate
from typing import Callable, Iterator, NamedTuple, Sequence

import numpy as np

from albert.pretraining_data.config import RecordsConfig
from albert.pretraining_data.documents import Document, TextCounts
from albert.pretraining_data.record_makers import find_maker
from albert.pretraining_data.sources import Text
from albert.text.vocabulary import Vocabulary

_MARKED, _JOINS = 1, 2  # bits of a token's flags


class _Block(NamedTuple):
    """Documents side by side.

    Attributes:
        ids: uint16 or int32 [tokens].
        flags: uint8 [tokens].
        sentence_lengths, files: of each document.
        counts: what was read for them.
    """

    ids: np.ndarray
    flags: np.ndarray
    sentence_lengths: list[tuple[int, ...]]
    files: list[int]
    counts: TextCounts


def pack_documents(documents: Sequence[Document], counts: TextCounts) -> bytes:
    """Return documents as bytes; 3 for a token if all ids are below 65536."""
    ids = np.concatenate([d.ids for d in documents] or [np.zeros(0, np.int32)])
    marked = np.concatenate([d.marked for d in documents] or [np.zeros(0, bool)])
    joins = np.concatenate([d.joins for d in documents] or [np.zeros(0, bool)])
    if not len(ids) or ids.max() <= np.iinfo(np.uint16).max:
        ids = ids.astype(np.uint16)
    flags = marked * np.uint8(_MARKED) | joins * np.uint8(_JOINS)
    lengths = [d.sentence_lengths for d in documents]
    numbers = [d.file for d in documents]
    return pickle.dumps(tuple(_Block(ids, flags, lengths, numbers, counts)), protocol=4)


def _unpack_documents(block: _Block) -> Iterator[Document]:
    ids = block.ids.astype(np.int32)
    marked, joins = block.flags & _MARKED != 0, block.flags & _JOINS != 0
    ends = list(accumulate(map(sum, block.sentence_lengths)))
    for start, end, *rest in zip(
        *([0, *ends], ends, block.sentence_lengths, block.files)
    ):
        yield Document(ids[start:end], marked[start:end], joins[start:end], *rest)


def load_documents(path: str) -> tuple[list[Document], TextCounts]:
    """Return the documents of a spool, and what was read for them."""
    documents: list[Document] = []
    counts = TextCounts()
    with open(path, "rb") as file:
        while file.peek(1):
            block = _Block(*pickle.load(file))
            documents += _unpack_documents(block)
            counts.add(block.counts)
    return documents, counts


def make_encoding(
    vocabulary: Vocabulary, config: RecordsConfig
) -> Callable[[tuple[int, list]], tuple[int, bytes]]:
    """Return the function that encodes the documents of (shard, documents)."""
    encoder = find_maker(config)(config, vocabulary).make_encoder()

    def encode(block: tuple[int, Sequence[Text]]) -> tuple[int, bytes]:
        index, texts = block
        counts = TextCounts()
        documents = []
        for text in texts:
            document, document_counts = encoder.encode(text.lines)
            counts.add(document_counts)
            if document is not None:
                documents.append(document._replace(file=text.file))
        return index, pack_documents(documents, counts)

    return encode


@contextlib.contextmanager
def open_spool(path: str) -> Iterator[str]:
    """Yield a new folder beside `path`, and remove it with all in it at the end."""
    folder = f"{path}.spool.tmp-{os.getpid()}"
    os.mkdir(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def spool_path(folder: str, index: int) -> str:
    """Return the name of a shard's spool."""
    return os.path.join(folder, f"{index:05d}")
