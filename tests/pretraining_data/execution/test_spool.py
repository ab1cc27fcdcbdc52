"""Encoded documents on disk and back, and what killed runs leave."""

from __future__ import annotations

import os

import numpy as np
import pytest

from albert.pretraining_data.documents import Document, TextCounts
from albert.pretraining_data.execution import spool


def make_document(ids, lengths, file=0):
    ids = np.array(ids, np.int32)
    marked = ids % 3 == 0
    return Document(ids, marked, marked | (ids % 2 == 0), tuple(lengths), file)


@pytest.mark.parametrize("highest", [70, 65_535, 65_536, 200_000])
def test_documents_come_back_as_they_were(tmp_path, highest):
    blocks = [
        [make_document([1, 2, 3, highest], (3, 1)), make_document([6], (1,))],
        [],
        [make_document(range(40), (15, 25), file=3)],
    ]
    counts = [TextCounts(documents=n, tokens=n * n) for n in (2, 0, 1)]
    counts[0].unknown_words.update({"x": 3})
    counts[2].unknown_words.update({"x": 1, "y": 1})
    with open(tmp_path / "s", "wb") as file:
        for block, count in zip(blocks, counts):
            file.write(spool.pack_documents(block, count))
    documents, total = spool.load_documents(str(tmp_path / "s"))
    expected = [document for block in blocks for document in block]
    assert len(documents) == len(expected)
    for found, wanted in zip(documents, expected):
        for name in ("ids", "marked", "joins"):
            assert getattr(found, name).dtype == getattr(wanted, name).dtype
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
        assert found.sentence_lengths == wanted.sentence_lengths
        assert found.file == wanted.file
    assert (total.documents, total.tokens) == (3, 5)
    assert total.unknown_words == {"x": 4, "y": 1}


def test_a_token_takes_three_bytes():
    document = make_document(range(60_000), (60_000,))
    packed = spool.pack_documents([document], TextCounts())
    assert len(packed) < 3.05 * 60_000


def fail_in_spool(path):
    with spool.open_spool(path) as folder:
        open(spool.spool_path(folder, 3), "w").close()
        raise KeyboardInterrupt


def test_the_folder_of_a_spool_is_removed_with_its_files(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fail_in_spool(str(tmp_path / "x"))
    assert os.listdir(tmp_path) == []
