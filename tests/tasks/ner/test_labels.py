"""The labels and settings in a model directory."""

from __future__ import annotations

import numpy as np
import pytest

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import variables as checkpoints
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.conll import ConllFile, Sentence
from albert.tasks.ner.labels import LABELS_FILE, choose_labels, load_labels, save_labels
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme

LABELS = LabelSet(find_scheme("BIO"), ("Method", "Task"))
CONFIG = NerConfig(head="crf", max_seq_length=64)


def _train_file(tags):
    sentence = Sentence(tuple("用" * len(tags.split())), tuple(tags.split()), 1)
    return ConllFile("train.conll", (), (sentence,))


@pytest.fixture
def model(tmp_path):
    """A folder with labels and a checkpoint."""
    folder = tmp_path / "model"
    folder.mkdir()
    save_labels(str(folder), LABELS, CONFIG)
    checkpoints.write_variables(
        str(folder / "model.ckpt-1"), {"global_step": np.int64(1)}
    )
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"\n')
    return str(folder)


def test_labels_are_read_as_they_were_saved(tmp_path):
    save_labels(str(tmp_path), LABELS, CONFIG)
    assert load_labels(str(tmp_path)) == (LABELS, CONFIG)
    written = files.read_json(str(tmp_path / LABELS_FILE))
    assert written["labels"] == ["O", "B-Method", "I-Method", "B-Task", "I-Task"]
    assert load_labels(str(tmp_path / "absent")) is None


@pytest.mark.parametrize(
    "value", [{}, {"scheme": "BIO"}, {"scheme": "BIO", "types": 3}]
)
def test_file_that_holds_no_labels_is_named(tmp_path, value):
    files.write_json(str(tmp_path / LABELS_FILE), value)
    with pytest.raises(UserError, match="labels.json does not hold a model's labels"):
        load_labels(str(tmp_path))


def test_training_takes_labels_from_the_data(tmp_path):
    train = _train_file("O B-Task I-Task B-Method")
    found = choose_labels(str(tmp_path), {"max_seq_length": 32}, train)
    assert found == (LABELS, NerConfig(max_seq_length=32))


def test_data_without_entities_is_refused(tmp_path):
    with pytest.raises(UserError, match="train.conll holds no entity"):
        choose_labels(str(tmp_path), {}, _train_file("O O"))


def test_without_training_the_model_names_labels_and_settings(model):
    assert choose_labels(model, {}, None) == (LABELS, CONFIG)
    label_set, config = choose_labels(model, {"max_seq_length": 200}, None)
    assert config == NerConfig(head="crf", max_seq_length=200)


def test_folder_without_a_model_is_refused(tmp_path):
    save_labels(str(tmp_path), LABELS, CONFIG)
    with pytest.raises(UserError, match="holds no trained model; give --do_train"):
        choose_labels(str(tmp_path), {}, None)


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
        choose_labels(model, given, tags and _train_file(tags))


def test_training_goes_on_with_the_same_labels(model):
    train = _train_file("B-Task B-Method O")
    assert choose_labels(model, {"head": "crf"}, train)[0] == LABELS
