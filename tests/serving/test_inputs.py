"""Texts from files and standard input."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading

import pytest

from albert.base.errors import UserError
from albert.serving.inputs import Fields, count_bytes, read_items


def write(folder, name, text, pack=False):
    content = text if isinstance(text, bytes) else text.encode("utf-8")
    path = folder / name
    path.write_bytes(gzip.compress(content) if pack else content)
    return str(path)


def give_standard_input(monkeypatch, content):
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))
    monkeypatch.setattr(sys, "stdin", stream)


@pytest.mark.parametrize("pack", [False, True])
def test_every_line_is_a_text_as_it_stands(tmp_path, pack):
    lines = "\ufeff 用模型\r\n\n图像\u2028分类 \n最后"
    paths = [write(tmp_path, "a", lines, pack), write(tmp_path, "b", "另一\n", pack)]
    found = [item.text for item in read_items(paths, "text")]
    assert found == [" 用模型", "", "图像\u2028分类 ", "最后", "另一"]


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("input_format", ["text", "conll"])
def test_standard_input_is_read_where_no_file_is_named(monkeypatch, pack, input_format):
    content = {"text": "用\n图\n", "conll": "用 O\n\n图 B-A\n"}[input_format].encode()
    give_standard_input(monkeypatch, gzip.compress(content) if pack else content)
    assert [item.text for item in read_items([], input_format)] == ["用", "图"]


def test_objects_keep_their_other_fields(tmp_path):
    path = write(tmp_path, "a", '{"id": 7, "body": "用"}\n\n{"body": "", "x": [1]}\n')
    found = list(read_items([path], "jsonl", Fields("body")))
    assert [item.text for item in found] == ["用", ""]
    assert [dict(item.fields) for item in found] == [
        {"id": 7, "body": "用"},
        {"body": "", "x": [1]},
    ]


def test_sentences_of_files_stay_apart(tmp_path):
    first = write(tmp_path, "a", "用 O\n图 B-A\n\n像 O\n")
    second = write(tmp_path, "b", "机 O\n")
    third = write(tmp_path, "c", "\n器 O\n\n")
    items = list(read_items([first, second, third], "conll"))
    lines = [x for i in items for x in (*i.block.before, *i.block.lines)]
    assert lines == ["用 O", "图 B-A", "", "像 O", "", "机 O", "", "器 O", ""]
    assert [item.text for item in items] == ["用图", "像", "机", "器", ""]


def test_how_many_fields_lines_have_counts_in_the_whole_file(tmp_path):
    """A space is a character where most lines have a tag beside theirs."""
    path = write(tmp_path, "a", "用\tO\n \tO\n图\tB-A\n")
    (item,) = read_items([path], "conll")
    assert item.block.sentence.columns == ("用", " ", "图")


def test_a_pipe_of_columns_is_read_too(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = "用 O\n\n图 B-A\n".encode()
    thread = threading.Thread(target=path.write_bytes, args=(content,))
    thread.start()
    assert [item.text for item in read_items([str(path)], "conll")] == ["用", "图"]
    thread.join()
    assert count_bytes([str(path)]) is None


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("input_format", ["text", "conll"])
def test_all_bytes_are_counted(tmp_path, pack, input_format):
    path = write(tmp_path, "a", "用 O\n" * 5000, pack)
    counted = []
    for _ in read_items([path], input_format, advance=counted.append):
        pass
    assert 0.9 * count_bytes([path]) <= sum(counted) <= count_bytes([path])


@pytest.mark.parametrize(
    ("input_format", "content", "message"),
    [
        ("text", b"a\n\xff\n", "line 2 is not UTF-8"),
        ("text", gzip.compress(b"a" * 99)[:-9], "damaged or cut short"),
        ("conll", gzip.compress(b"a" * 99)[:-9], "damaged or cut short"),
        ("jsonl", b'{"text": "a"}\n{"text": ', "line 2 is not JSON"),
        ("jsonl", b"[" * 100_000, "line 1 is JSON nested too deeply"),
        ("jsonl", b'["a"]\n', "line 1 is no JSON object"),
        ("jsonl", b'{"body": "a"}\n', r"line 1 has no field 'text' \(--text_field\)"),
        ("jsonl", b"{}\n", "it has none"),
        ("jsonl", b'\n{"text": 3}\n', "line 2: the field 'text' is no string"),
        ("conll", "用模型\n".encode(), "line 1 holds several characters"),
        ("conll", "用 O\n\n图\n".encode(), "line 3 has one column"),
        ("conll", "用 O\n图 NN\n".encode(), "line 2: 'NN' is no tag"),
    ],
)
def test_wrong_input_names_file_and_line(tmp_path, input_format, content, message):
    path = write(tmp_path, "given", content)
    with pytest.raises(UserError, match=f"given.*{message}"):
        list(read_items([path], input_format))
