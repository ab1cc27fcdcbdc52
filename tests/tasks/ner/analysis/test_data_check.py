"""What a look through NER data finds, on sentences written for it."""

from __future__ import annotations

import pathlib

import pytest

from albert.tasks.data_files import find_splits
from albert.tasks.ner.analysis import data_check
from albert.tasks.ner.conll import SUFFIXES, read_conll
from albert.tasks.ner.tag_schemes import find_scheme

BIO = find_scheme("BIO")
SHARED = pathlib.Path(__file__).resolve().parents[5] / "shared" / "data" / "ner"

TRAIN = """图 B-A
像 I-A

用 O
图 B-B
像 I-B

用 O
树 B-A

用 O
树 B-A
"""
VAL = """用 O
树 O

很 O
长 O
的 O
句 B-C
"""
TEST = """树 I-A
好 O
林 B-A
"""


@pytest.fixture
def splits(tmp_path):
    found = {}
    for name, text in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        path = tmp_path / f"{name}.conll"
        path.write_text(text, encoding="utf-8")
        found[name] = read_conll(str(path))
    return found


def _texts(findings, kind):
    return [finding.text for finding in findings if finding.kind == kind]


def test_everything_odd_is_found_once(splits):
    findings = data_check.check_splits(splits, BIO, max_seq_length=5, least_entities=2)
    assert _texts(findings, data_check.SHARED) == [
        "train line 8, train line 11, val line 1: 用树"
    ]
    assert _texts(findings, data_check.RELABELLED) == [
        "train line 8, train line 11, val line 1: 用树"
    ]
    assert _texts(findings, data_check.REPEATED) == []
    assert _texts(findings, data_check.CONTRADICTORY) == ["图像: A 1, B 1"]
    assert _texts(findings, data_check.RARE) == [
        "B: train 1, val 0, test 0",
        "C: train 0, val 1, test 0",
    ]
    assert _texts(findings, data_check.ILLEGAL) == [
        "test line 1: the sentence's start → I-A"
    ]
    assert _texts(findings, data_check.TOO_LONG) == ["val line 4: 6 tokens"]


def test_repetition_inside_a_split_is_another_finding(splits):
    findings = data_check.check_splits({"train": splits["train"]}, BIO)
    assert _texts(findings, data_check.REPEATED) == [
        "train line 8, train line 11: 用树"
    ]
    assert _texts(findings, data_check.SHARED) == []
    assert _texts(findings, data_check.RELABELLED) == []


def test_columns_that_are_cut_otherwise_are_another_sentence(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text("ab O\nc O\n\na O\nbc O\n", encoding="utf-8")
    assert data_check.check_splits({"train": read_conll(str(path))}, BIO) == []


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-A M-A", "train line 2: M-A → the sentence's end"),
        ("O E-A", "train line 2: O → E-A"),
        ("B-A E-B", "train line 2: B-A → E-B"),
        ("B-A", "train line 1: B-A → the sentence's end"),
    ],
)
def test_illegal_transitions_are_placed(tmp_path, tags, expected):
    path = tmp_path / "train.bmes"
    path.write_text("".join(f"图 {tag}\n" for tag in tags.split()), encoding="utf-8")
    splits = {"train": read_conll(str(path))}
    found = list(data_check.find_illegal(splits, find_scheme("BMES")))
    assert [finding.text for finding in found] == [expected]


def test_document_starts_are_no_sentences_that_repeat(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text(
        "-DOCSTART- O\n\n图 B-A\n\n-DOCSTART- O\n\n像 O\n", encoding="utf-8"
    )
    splits = {"train": read_conll(str(path))}
    assert data_check.check_splits(splits, BIO, least_entities=1) == []


def test_text_shows_numbers_and_the_first_of_each_kind(splits):
    counts = {name: data_check.count_split(conll) for name, conll in splits.items()}
    shown = data_check.format_counts(counts)
    assert shown.splitlines()[0] == (
        "train: 4 sentences (the longest of 3), 9 characters, 4 entities (A 3, B 1)"
    )
    findings = data_check.check_splits(splits, BIO, least_entities=2)
    lines = data_check.format_findings(findings, 1).splitlines()
    assert f"{data_check.RARE}: 2" in lines
    assert "    … and 1 more" in lines
    assert data_check.format_findings([], 1) == "nothing found"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the data sets in ../shared")
def test_the_known_traps_of_a_published_set_are_found():
    """SciBERT-CN: four I- without B- in train, a test sentence of 297 characters."""
    paths = find_splits(str(SHARED / "scibert_cn"), SUFFIXES)
    splits = {name: read_conll(path) for name, path in paths.items()}
    found = list(data_check.find_illegal(splits, BIO))
    assert sum(f.text.startswith("train") for f in found) == 4
    counts = data_check.count_split(splits["test"])
    assert (counts.sentences, counts.longest) == (147, 297)
    assert sum(counts.entities.values()) == 235
