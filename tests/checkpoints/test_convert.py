"""Models of ours in another of our forms: what belongs to them comes along."""

from __future__ import annotations

import numpy as np
import pytest

from albert.base import files
from albert.checkpoints import convert
from albert.tasks.ner.foreign_labels import arrange_labels
from tests.checkpoints.foreign_kit import CONFIGS, random_variables, write_model

NER = {
    "task": "ner",
    "scheme": "BIO",
    "labels": ["O", "B-A", "I-A"],
    "latin_columns": "characters",
    "config": {
        **{"head": "crf", "context": "bilstm", "encoder_features": "weighted"},
        **{"ngram_features": True, "max_seq_length": 200, "do_lower_case": False},
    },
}
CLASSES = {
    "task": "classification",
    "labels": ["good", "bad"],
    "config": {"do_lower_case": False, "max_seq_length": 200},
}


CONFIG = CONFIGS["albert_zh"]


@pytest.fixture(scope="module")
def encoder():
    return random_variables(CONFIG)


@pytest.mark.parametrize(
    ("described", "head"),
    [
        (NER, {"output_weights": [3, 24], "output_bias": [3], "crf/transitions": [9]}),
        (
            CLASSES,
            {"classifier/output_weights": [2, 24], "classifier/output_bias": [2]},
        ),
    ],
)
def test_a_fine_tuned_model_keeps_labels_settings_and_head(
    tmp_path, encoder, described, head
):
    variables = dict(encoder)
    for number, (name, shape) in enumerate(head.items()):
        size = np.prod(shape)
        variables[name] = np.float32(number + np.arange(size)).reshape(shape)
    source = write_model(tmp_path / "ours", CONFIG, variables)
    files.write_json(str(source / "labels.json"), described)
    model = convert.read_tensorflow(str(source / "albert_model.ckpt"))
    assert not model.do_lower_case
    changed = convert.change_architecture(model, "bert")
    target = tmp_path / "bert"
    target.mkdir()
    convert.write_tensorflow(changed, str(target), arrange_labels)
    assert files.read_json(str(target / "labels.json")) == described
    again = convert.read_tensorflow(str(target / "albert_model.ckpt"))
    assert again.config == CONFIGS["bert"]
    for name in head:
        np.testing.assert_array_equal(again.variables[name], variables[name])


def test_the_labels_of_a_folder_above_are_none_of_an_encoders(tmp_path, encoder):
    files.write_json(str(tmp_path / "labels.json"), CLASSES)
    source = write_model(tmp_path / "encoder", CONFIG, encoder)
    model = convert.read_tensorflow(str(source / "albert_model.ckpt"))
    assert model.description is None
    assert model.do_lower_case
