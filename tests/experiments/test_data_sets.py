"""Folds and shares of labelled sentences."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.tasks.ner.conll import Sentence, read_conll
from experiments.data_sets import DataSet, prepare, split_folds, take_share


def make_sentences(count):
    return [Sentence((str(i), "文"), ("B-A", "O"), i) for i in range(count)]


def test_every_sentence_is_tested_in_one_fold_and_never_trained_on_in_it():
    sentences = make_sentences(103)
    tested = []
    for fold in range(5):
        train, val, test = split_folds(sentences, 5, fold)
        assert sorted([*train, *val, *test]) == sorted(sentences)
        assert 20 <= len(test) <= 21
        assert 8 <= len(val) <= 9  # a tenth of the other folds
        tested += test
    assert sorted(tested) == sorted(sentences)


def test_equal_sentences_stay_together():
    sentences = [
        Sentence((str(i % 20),), (tag,), i) for i, tag in enumerate(["O", "B-A"] * 40)
    ]
    for fold in range(4):
        texts = [{s.columns for s in part} for part in split_folds(sentences, 4, fold)]
        assert sum(map(len, texts)) == len(set().union(*texts)) == 20


def test_folds_are_the_same_in_every_run_and_shuffled():
    first, again = (split_folds(make_sentences(50), 5, 0) for _ in range(2))
    assert first == again
    assert [s.line for s in first.test] != list(range(10))


def test_too_few_sentences_for_the_folds():
    with pytest.raises(UserError, match="3 sentences are too few for 5 folds"):
        split_folds(make_sentences(3), 5, 0)


def test_a_smaller_share_is_part_of_a_larger_one():
    sentences = make_sentences(40)
    quarter, half = (take_share(sentences, share, seed=3) for share in (0.25, 0.5))
    assert (len(quarter), len(half)) == (10, 20)
    assert set(quarter) < set(half)
    assert take_share(sentences, 0.25, seed=4) != quarter
    assert take_share(sentences, 0.001, seed=3) != []


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name, characters in (("train", "甲乙丙丁"), ("test", "\u3000戊")):
        text = "\n".join(f"{c}   B-A\n文   O\n" for c in characters)
        (folder / f"{name}.bmes").write_text(text, encoding="utf-8")
    return folder


def test_files_of_a_fold_hold_its_sentences(data_dir, tmp_path):
    data_set = DataSet(str(data_dir), folds=3, fold=1)
    made = prepare(data_set, str(tmp_path / "made"))
    sentences = [
        (s.columns, s.tags)
        for name in ("train", "val", "test")
        for s in read_conll(f"{made}/{name}.conll").sentences
    ]
    # White space may be a column.
    wanted = [((c, "文"), ("B-A", "O")) for c in "甲乙丙丁\u3000戊"]
    assert sorted(sentences) == sorted(wanted)


def test_a_share_leaves_test_as_it_is(data_dir, tmp_path):
    data_set = DataSet(str(data_dir), train_share=0.5, seed=1)
    made = prepare(data_set, str(tmp_path / "made"))
    assert len(read_conll(f"{made}/train.conll").sentences) == 2
    assert len(read_conll(f"{made}/test.conll").sentences) == 2
    assert prepare(DataSet(str(data_dir)), "unused") == str(data_dir)


def test_files_of_other_data_are_refused(data_dir, tmp_path):
    data_set = DataSet(str(data_dir), train_share=0.5, seed=1)
    prepare(data_set, str(tmp_path / "made"))
    prepare(data_set, str(tmp_path / "made"))
    (data_dir / "train.bmes").write_text("己 O\n", encoding="utf-8")
    with pytest.raises(UserError, match="was made of other data"):
        prepare(data_set, str(tmp_path / "made"))
