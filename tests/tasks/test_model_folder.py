"""The labels and settings in a model directory, and what a folder is without them."""

from __future__ import annotations

import os

import numpy as np
import pytest

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.tasks.finetuning_config import FineTuningRun
from albert.tasks.model_folder import (
    LABELS_FILE,
    choose_facts,
    choose_labels,
    describe_folder,
    load_facts,
    load_labels,
    open_trained,
    save_labels,
)
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.conll import ConllFile, Sentence
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme
from albert.tasks.ner.task import NerTask

LABELS = LabelSet(find_scheme("BIO"), ("Method", "Task"))
CONFIG = NerConfig(head="crf", max_seq_length=64)


def _train_file(tags):
    sentence = Sentence(tuple("用" * len(tags.split())), tuple(tags.split()), 1)
    return ConllFile("train.conll", (), (sentence,))


def _save(folder, labels=LABELS, settings=CONFIG):
    save_labels(str(folder), NerTask(settings, labels, None, None))


def _choose(folder, given, train):
    run = FineTuningRun(output_dir=str(folder), data_dir="d", do_eval=True)
    return choose_labels(NerTask, run, given, train)


@pytest.fixture
def model(tmp_path):
    """A folder with labels and a checkpoint."""
    folder = tmp_path / "model"
    folder.mkdir()
    _save(folder)
    storage.write_variables(str(folder / "model.ckpt-1"), {"global_step": np.int64(1)})
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"\n')
    return str(folder)


def test_labels_are_read_as_they_were_saved(tmp_path):
    _save(tmp_path)
    assert load_labels(str(tmp_path), NerTask) == (LABELS, CONFIG)
    written = files.read_json(str(tmp_path / LABELS_FILE))
    assert written["labels"] == ["O", "B-Method", "I-Method", "B-Task", "I-Task"]
    assert load_labels(str(tmp_path / "absent"), NerTask) is None


def test_facts_of_a_model_stay_its_own(model):
    task, facts = NerTask(CONFIG, LABELS, None, None), {"start": "far"}
    assert load_facts(model) == {}
    save_labels(model, task, facts)
    assert load_facts(model) == facts
    # What a later run is told is of another start: this model goes on.
    for later in ({}, {"start": "near"}):
        assert choose_facts(model, later) == facts
    save_labels(model, task)
    assert choose_facts(model, {"start": "near"}) == {}


def test_facts_are_those_of_the_run_without_a_model_that_keeps_some(model, tmp_path):
    facts = {"start": "near"}
    assert choose_facts(str(tmp_path / "absent"), facts) == facts
    path = f"{model}/{LABELS_FILE}"
    value = files.read_json(path)
    del value["facts"]  # as earlier versions wrote it
    files.write_json(path, value)
    assert load_facts(model) is None
    assert choose_facts(model, facts) == facts
    save_labels(str(tmp_path), NerTask(CONFIG, LABELS, None, None), {"start": "far"})
    assert choose_facts(str(tmp_path), facts) == facts  # no checkpoint: it starts anew


@pytest.mark.parametrize(
    "value", [{}, {"scheme": "BIO"}, {"scheme": "BIO", "types": 3}]
)
def test_file_that_holds_no_labels_is_named(tmp_path, value):
    files.write_json(str(tmp_path / LABELS_FILE), value)
    with pytest.raises(UserError, match="labels.json does not hold a model's labels"):
        load_labels(str(tmp_path), NerTask)


def test_training_takes_labels_from_the_data(tmp_path):
    train = _train_file("O B-Task I-Task B-Method")
    found = _choose(tmp_path, {"max_seq_length": 32}, train)
    assert found == (LABELS, NerConfig(max_seq_length=32))


def test_data_without_entities_is_refused(tmp_path):
    with pytest.raises(UserError, match="train.conll holds no entity"):
        _choose(tmp_path, {}, _train_file("O O"))


def test_without_training_the_model_names_labels_and_settings(model):
    assert _choose(model, {}, None) == (LABELS, CONFIG)
    label_set, config = _choose(model, {"max_seq_length": 200}, None)
    assert config == NerConfig(head="crf", max_seq_length=200)


def test_folder_without_a_model_is_refused(tmp_path):
    _save(tmp_path)
    with pytest.raises(
        UserError, match="holds no trained model: it has labels.json, but no"
    ):
        _choose(tmp_path, {}, None)


@pytest.mark.parametrize(
    ("given", "tags", "message"),
    [
        ({"head": "softmax"}, None, "with head crf, this run has softmax"),
        ({"do_lower_case": False}, None, "do_lower_case True, this run has False"),
        ({"head": "crf"}, "B-Task", "types Method, Task, this run has Task"),
        ({"head": "crf"}, "B-Task E-Task", "scheme BIO, this run has BMES"),
    ],
)
def test_model_of_other_labels_or_settings_is_refused(model, given, tags, message):
    with pytest.raises(UserError, match=message):
        _choose(model, given, tags and _train_file(tags))


def test_training_goes_on_with_the_same_labels(model):
    train = _train_file("B-Task B-Method O")
    assert _choose(model, {"head": "crf"}, train)[0] == LABELS


@pytest.mark.parametrize("stored", [None, "characters"])
def test_training_goes_on_with_latin_columns_as_they_were(model, stored):
    path = f"{model}/{LABELS_FILE}"
    value = files.read_json(path)
    assert value.pop("latin_columns") == "characters"
    kept = {} if stored is None else {"latin_columns": stored}  # older ones lack it
    files.write_json(path, {**value, **kept})
    words = Sentence(("用", "CRF", "法"), ("O", "B-Method", "B-Task"), 1)
    train = ConllFile("train.conll", (), (words,))
    assert NerTask.collect_labels(train).latin_columns == "words"
    assert _choose(model, {"head": "crf"}, train)[0] == LABELS


@pytest.mark.parametrize("mark", ["*", "["])
def test_a_model_directory_that_is_a_pattern_is_refused(tmp_path, mark):
    folder = str(tmp_path / f"a{mark}b")
    os.mkdir(folder)
    with pytest.raises(UserError, match="--model_dir: .* takes for a pattern"):
        open_trained(NerTask, folder)
    run = FineTuningRun(
        output_dir=str(tmp_path), model_dir=folder, data_dir="d", do_eval=True
    )
    with pytest.raises(UserError, match="--model_dir: .* takes for a pattern"):
        choose_labels(NerTask, run, {}, None)


def test_models_from_before_tasks_had_names_are_those_of_ner(model):
    path = f"{model}/{LABELS_FILE}"
    value = files.read_json(path)
    assert value.pop("task") == "ner"
    files.write_json(path, value)
    assert load_labels(model, NerTask) == (LABELS, CONFIG)
    files.write_json(path, {**value, "task": "mrc"})
    with pytest.raises(UserError, match="holds a model of the task mrc"):
        load_labels(model, NerTask)


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (None, "there is no such folder"),
        ([], "the folder is empty"),
        (["labels.json"], "it has labels.json, but no checkpoint"),
        (["checkpoint", "m.ckpt.index", "model.json"], "an encoder from pretraining"),
        (["checkpoint", "m.ckpt.index"], "an encoder from an export"),
        (["m.ckpt.index"], "no file `checkpoint`"),
        (["b", "c", "a", "d"], "it has a, b, c, ..., but no checkpoint"),
    ],
)
def test_a_folder_without_a_model_is_described(tmp_path, names, what):
    folder = tmp_path / "folder"
    if names is not None:
        folder.mkdir()
    for name in names or ():
        (folder / name).write_text('model_checkpoint_path: "m.ckpt"\n')
    assert what in describe_folder(str(folder))
