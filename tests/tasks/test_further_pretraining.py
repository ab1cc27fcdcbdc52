"""Further pretraining: the corpus of a task's texts, and what is refused."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.tasks import further_pretraining
from albert.tasks.classification.files import Row, RowFile
from albert.tasks.classification.task import ClassificationTask
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.further_pretraining import make_documents, pretrain_further
from albert.tasks.further_pretraining_config import FurtherPretraining
from albert.tasks.ner.task import NerTask
from albert.training.config import ReplicaConfig


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["甲。乙。", "丙", "丁", "戊"], [["甲。", "乙。"], ["丙", "丁", "戊"]]),
        (["甲", "乙。丙", "丁"], [["甲", "乙。", "丙", "丁"]]),
        (["甲"], [["甲"]]),
        (["", "甲。", " ", "乙"], [["甲。", "乙"]]),
    ],
)
def test_documents_have_two_sentences_or_more(texts, expected):
    assert make_documents(texts) == expected


def test_texts_of_pairs_and_single_texts():
    rows = [Row("甲", "乙", "1", 1), Row("丙", None, "0", 2), Row("丁", "", "0", 3)]
    file = RowFile("f", rows, True, True)
    assert ClassificationTask.texts_of(file) == ["甲", "乙", "丙", "丁"]
    with pytest.raises(UserError, match="task ner has no further pretraining"):
        NerTask.texts_of(None)


@pytest.fixture
def run(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name in ("train", "dev", "test"):
        lines = "".join(f"{i % 2}\t{name}{i}。又{i}。\n" for i in range(3))
        (data / f"{name}.tsv").write_text(f"label\ttext\n{lines}", "utf-8")
    return FineTuningRun(
        *(str(tmp_path / "model"), None, str(data)),
        **{"do_train": True, "config_file": "c", "vocab_file": "v"},
    )


def call(run, monkeypatch, **changes):
    skip = lambda config, execution: None  # noqa: E731
    monkeypatch.setattr(further_pretraining, "create_pretraining_data", skip)
    config = FurtherPretraining(**{"further_pretraining_steps": 5, **changes})
    tuning = FineTuningConfig()
    what = (ClassificationTask, run, {}, tuning, ReplicaConfig())
    return pretrain_further(*what, config, lambda *parts: None)


@pytest.mark.parametrize("names", ["train", "train,dev,test"])
def test_texts_of_the_chosen_files_alone_are_used(run, monkeypatch, tmp_path, names):
    further = call(run, monkeypatch, further_pretraining_texts=names)
    corpus = (tmp_path / "model_further_pretraining/corpus.txt").read_text("utf-8")
    used = {name for name in ("train", "dev", "test") if name in corpus}
    assert used == set(names.split(","))
    assert corpus.startswith("train0。\n又0。\n\ntrain1。\n")
    assert further.facts == {
        "further_pretraining": f"5 steps on the texts of {names}, from random variables"
    }


def test_another_pretraining_in_the_folder_is_refused(run, monkeypatch):
    call(run, monkeypatch)
    with pytest.raises(UserError, match="with steps 5, this run has 6; give another"):
        call(run, monkeypatch, further_pretraining_steps=6)


def test_a_missing_file_is_named(run, monkeypatch, tmp_path):
    (tmp_path / "data" / "dev.tsv").unlink()
    with pytest.raises(UserError, match="--further_pretraining_texts: .* no dev file"):
        call(run, monkeypatch, further_pretraining_texts="train,dev")
