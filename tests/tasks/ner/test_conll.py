"""Reading files of tagged characters."""

from __future__ import annotations

import pathlib
import re

import pytest

from albert.base.errors import UserError
from albert.tasks.data_files import find_splits
from albert.tasks.ner import conll
from albert.tasks.ner.tag_schemes import find_scheme


def _write(folder, text, name="train.conll"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("中 O", ["中", "O"]),
        ("中\tO", ["中", "O"]),
        ("中   B-Method", ["中", "B-Method"]),
        ("  中 O  ", ["中", "O"]),
        ("中 NN x O", ["中", "NN", "x", "O"]),
        ("中", ["中"]),
        ("  O", [" ", "O"]),
        ("\t\tO", ["\t", "O"]),
        ("\u3000 O", ["\u3000", "O"]),
        ("\xa0 O", ["\xa0", "O"]),
        ("\u2028 O", ["\u2028", "O"]),
        ("\u3000", ["\u3000"]),
        ("\ufffd O", ["\ufffd", "O"]),
        ("\u200b O", ["\u200b", "O"]),
    ],
)
def test_line_is_split_and_a_white_space_character_is_kept(line, fields):
    assert conll.split_fields(line) == fields


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("  O O", [" ", "O", "O"]),
        ("\u3000\tNN\tO", ["\u3000", "NN", "O"]),
        (" 中 NN O", ["中", "NN", "O"]),
        ("中 O", ["中", "O"]),
    ],
)
def test_white_space_column_is_known_by_the_usual_number_of_fields(line, fields):
    assert conll.split_fields(line, usual=3) == fields


def test_indented_line_and_space_column_are_told_apart(tmp_path):
    found = conll.read_conll(_write(tmp_path, "用 N O\n 图 N O\n  N B-A\n像 N O\n"))
    assert found.sentences[0].columns == ("用", "图", " ", "像")


def test_sentences_know_their_lines(tmp_path):
    text = "\n\n用 O\n图   NN   B-A\n \t\n\n\u3000 O\n\ufffd\tI-A"
    found = conll.read_conll(_write(tmp_path, text))
    assert found.lines == tuple(text.split("\n"))
    assert found.sentences == (
        conll.Sentence(("用", "图"), ("O", "B-A"), 3),
        conll.Sentence(("\u3000", "\ufffd"), ("O", "I-A"), 7),
    )


def test_the_start_of_a_document_is_no_sentence(tmp_path):
    text = "-DOCSTART- -X- O O\n\n用 N x O\n图 N x B-A\n-DOCSTART- -X- O O\n像 N x O\n"
    found = conll.read_conll(_write(tmp_path, text))
    assert found.sentences == (
        conll.Sentence(("用", "图"), ("O", "B-A"), 3),
        conll.Sentence(("像",), ("O",), 6),
    )
    bare = conll.read_conll(_write(tmp_path, "-DOCSTART- O\n\n用\n"), need_tags=False)
    assert bare.sentences == (conll.Sentence(("用",), None, 3),)
    with pytest.raises(UserError, match="holds no sentence"):
        conll.read_conll(_write(tmp_path, "-DOCSTART-\n\n"))


def test_byte_order_mark_and_windows_line_ends_are_no_text(tmp_path):
    found = conll.read_conll(_write(tmp_path, "\ufeff用 O\r\n\r\n图 B-A\r\n"))
    assert found.lines == ("用 O", "", "图 B-A")
    assert [s.columns for s in found.sentences] == [("用",), ("图",)]


def test_file_of_one_column_has_no_tags_where_they_are_not_needed(tmp_path):
    path = _write(tmp_path, "用\n \u3000\n\n图\n")
    found = conll.read_conll(path, need_tags=False)
    assert found.sentences == (
        conll.Sentence(("用", "\u3000"), None, 1),
        conll.Sentence(("图",), None, 4),
    )
    with pytest.raises(UserError, match="line 1 has one column, '用'"):
        conll.read_conll(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("用 O\n图\n", "line 2 has one column, '图'; a character and its tag"),
        ("用 O\n\n图 B\n", "line 3: 'B' is no tag"),
        ("用 PER\n", "line 1: 'PER' is no tag"),
        ("用 O\n图 X-PER\n", "line 2: 'X-PER' is no tag"),
        ("", "holds no sentence"),
        ("\n \n\t\n", "holds no sentence"),
        (b"\xe7\x94\xa8 O\n\xff\xfe O\n", "line 2 is not UTF-8"),
    ],
)
@pytest.mark.parametrize("need_tags", [True, False])
def test_wrong_file_is_named_with_its_line(tmp_path, text, message, need_tags):
    path = _write(tmp_path, text)
    with pytest.raises(UserError, match=re.escape(message)) as error:
        conll.read_conll(path, need_tags)
    assert str(error.value).startswith(path)


def test_tag_of_another_scheme_is_named_with_its_line(tmp_path):
    found = conll.read_conll(_write(tmp_path, "用 O\n\n图 B-A\n像 M-A\n"))
    conll.check_scheme(found, find_scheme("BMES"))
    with pytest.raises(UserError, match=r"line 4: the tag 'M-A' is not of the .* BIO"):
        conll.check_scheme(found, find_scheme("BIO"))


@pytest.mark.parametrize(
    ("folder", "split", "sentences"),
    [
        ("scibert_cn", "train", 1286),
        ("scibert_cn", "val", 169),
        ("scibert_cn", "test", 147),
        ("weibo", "val", 270),
        ("resume", "train", 3821),
    ],
)
def test_third_party_files_hold_as_many_sentences_as_counted_elsewhere(
    shared, folder, split, sentences
):
    path = find_splits(str(shared / "data" / "ner" / folder), conll.SUFFIXES)[split]
    text = pathlib.Path(path).read_text(encoding="utf-8")
    blocks = text.strip("\n").split("\n\n")
    found = conll.read_conll(path)
    assert len(found.sentences) == len([b for b in blocks if b]) == sentences


def _check(path):
    for sentence in conll.read_conll(path, need_tags=False).sentences:
        conll.check_characters(sentence, path)


def test_raw_text_in_place_of_characters_is_named(tmp_path):
    path = tmp_path / "raw.txt"
    path.write_text("用\nBERT\n\n本文用模型\n", "utf-8")
    with pytest.raises(UserError, match="raw.txt: line 4 holds several characters"):
        _check(str(path))


def test_words_of_latin_letters_are_columns(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("用\nBERT\n2019\n", "utf-8")
    _check(str(path))


def test_blocks_are_the_file_again():
    lines = ["-DOCSTART- O", "", "用 O", "图 B-A", "", " ", "像 I-A", ""]
    shape = conll.find_shape(lines)
    blocks = list(conll.iterate_blocks(iter(lines), "any", shape))
    assert [line for b in blocks for line in (*b.before, *b.lines)] == lines
    assert [b.sentence and b.sentence.line for b in blocks] == [3, 7, None]
    assert [b.sentence and b.sentence.columns for b in blocks] == [
        ("用", "图"),
        ("像",),
        None,
    ]
