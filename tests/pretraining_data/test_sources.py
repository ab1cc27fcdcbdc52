"""Input files: plain, compressed, JSON lines; sentences of running text."""

from __future__ import annotations

import gzip
import hashlib
import json
import os

import pytest

from albert.base.errors import UserError
from albert.pretraining_data import sources

TEXT = "一\n二\n\n三 四\n"


def write(path, text, compressed=False):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if compressed else data)
    return str(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_plain_and_compressed_text_are_the_same_documents(tmp_path, compressed):
    first = write(tmp_path / "a.txt", TEXT, compressed)
    second = write(tmp_path / "b.txt", "五\n\n六\n", not compressed)
    sizes = []
    found = list(sources.read_documents([first, second], None, sizes.append))
    assert found == [["一", "二"], ["三 四", "五"], ["六"]]
    survey = sources.survey([first, second])
    assert survey.bytes == len((TEXT + "五\n\n六\n").encode())
    assert sum(sizes) <= os.path.getsize(first) + os.path.getsize(second)


def test_the_hash_is_of_the_content_and_of_its_order(tmp_path):
    plain = write(tmp_path / "a.txt", TEXT)
    compressed = write(tmp_path / "a.gz", TEXT, compressed=True)
    other = write(tmp_path / "b.txt", TEXT + "\n")
    assert sources.survey([plain]) == sources.survey([compressed])
    hashes = {
        sources.survey(paths).sha256
        for paths in ([plain], [other], [plain, other], [other, plain])
    }
    assert len(hashes) == 4
    inner = hashlib.sha256(TEXT.encode()).digest()
    assert sources.survey([plain]).sha256 == hashlib.sha256(inner).hexdigest()


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_gzip_file_is_named(tmp_path, damage):
    data = bytearray(gzip.compress(TEXT.encode() * 200))
    data = data[:-12] if damage == "cut" else data[:-6] + b"\0" + data[-5:]
    path = tmp_path / "a.gz"
    path.write_bytes(data)
    with pytest.raises(UserError, match="a.gz is damaged or cut short"):
        sources.survey([str(path)])
    with pytest.raises(UserError, match="a.gz is damaged or cut short"):
        list(sources.read_documents([str(path)], None))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("一。二！三？四；五", ["一。", "二！", "三？", "四；", "五"]),
        ("一句\n二句\n\n 三  句 ", ["一句", "二句", "三 句"]),
        ("他说：“好。”然后走了。", ["他说：“好。”", "然后走了。"]),
        ("（见图。）「对！」』完", ["（见图。）", "「对！」』", "完"]),
        ("真的？！好。。。", ["真的？！", "好。。。"]),
        ("误差是3.5，增加0.25。", ["误差是3.5，增加0.25。"]),
        ("误差是3。5。共2。二是", ["误差是3。5。", "共2。", "二是"]),
        ("e.g. a; b? c!", ["e.g. a; b? c!"]),
        ("。", ["。"]),
        (" \n", []),
    ],
)
def test_sentences_of_running_text(text, sentences):
    assert sources.split_sentences(text) == sentences


def test_no_character_of_a_text_is_lost(shared):
    text = (shared / "data/corpus/cs_abstracts.txt").read_text("utf-8")[:200_000]
    joined = "".join(sources.split_sentences(text))
    assert joined.replace(" ", "") == "".join(text.split())


@pytest.mark.parametrize("compressed", [False, True])
def test_json_lines_are_a_document_each(tmp_path, compressed):
    values = [
        {"id": 1, "body": "一。二。"},
        {"body": "\n"},
        {"body": "三\n四；五", "title": "无"},
    ]
    lines = [json.dumps(v, ensure_ascii=n % 2 == 0) for n, v in enumerate(values)]
    path = write(tmp_path / "a.jsonl", "\n".join([*lines, "", ""]), compressed)
    found = list(sources.read_documents([path], "body"))
    assert found == [["一。", "二。"], ["三", "四；", "五"]]


def test_half_a_surrogate_pair_is_a_lost_character(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(r'{"text": "\ud83d\ude00\u597d\ud83d\u3002\ude00"}' + "\n")
    assert list(sources.read_documents([str(path)], "text")) == [
        ["\U0001f600\u597d\ufffd\u3002", "\ufffd"]
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "a.jsonl: line 2 is not JSON"),
        pytest.param(
            "[" * 100_000, "a.jsonl: line 2 is JSON nested too deeply", id="nested"
        ),
        ("[1]", "line 2 is no JSON object with a field 'text'"),
        ('{"body": "x"}', "line 2 is no JSON object with a field 'text'"),
        ('{"text": 1}', "line 2: the field 'text' is not a string"),
    ],
)
def test_a_wrong_json_line_is_named(tmp_path, line, message):
    path = write(tmp_path / "a.jsonl", f'{{"text": "一"}}\n{line}\n')
    with pytest.raises(UserError, match=message):
        list(sources.read_documents([path], "text"))


def test_input_that_can_be_read_only_once_is_named(tmp_path):
    """As `--input_file=<(zcat *.gz)` is; without a writer it would be waited for."""
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    with pytest.raises(UserError, match=f"{pipe} is no regular file, and input is"):
        sources.survey([pipe])
