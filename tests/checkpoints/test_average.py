"""The mean of the last checkpoints, against sums by hand; and its export."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.checkpoints.average import last_checkpoints, read_mean
from albert.checkpoints.config import ExportConfig
from albert.modeling.encoder import make_encoder_builder, parse_encoder_config
from tests import forked
from tests.pretraining_kit import REPO

v1 = tf.compat.v1

CONFIG = {
    "architecture": "embeddings",
    "vocab_size": 6,
    "hidden_size": 4,
    "embedding_size": 2,
}


def model_values(seed):
    """Random values of every variable of the model, without a step."""
    with tf.Graph().as_default():
        build = make_encoder_builder(parse_encoder_config(CONFIG, "config"))
        ids = tf.constant([[1]])
        build(ids, tf.ones_like(ids), tf.zeros_like(ids))
        shapes = {v.op.name: v.shape.as_list() for v in v1.trainable_variables()}
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}


@pytest.fixture
def model(tmp_path):
    """A model directory with the checkpoints of steps 1, 2 and 3."""
    folder = tmp_path / "model"
    folder.mkdir()
    prefixes = []
    for step in (1, 2, 3):
        values = model_values(step)
        slots = {f"{name}/adam_m": value for name, value in values.items()}
        state = {"global_step": np.int64(step)}
        prefixes.append(str(folder / f"model.ckpt-{step}"))
        storage.write_variables(prefixes[-1], values | slots | state)
    v1.train.update_checkpoint_state(str(folder), prefixes[-1], prefixes)
    (folder / "albert_config.json").write_text(json.dumps(CONFIG))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "中"]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    return folder


def export(*flags):
    command = [sys.executable, "export_checkpoint.py", *map(str, flags)]
    return forked.run(command, cwd=REPO, capture_output=True, text=True)


@pytest.mark.slow
def test_export_holds_the_mean_of_the_last_two(model, tmp_path):
    out = tmp_path / "out"
    done = export(f"--model_dir={model}", f"--output_dir={out}", "--average=2")
    assert done.returncode == 0, done.stderr
    assert "the mean of 2 checkpoints up to" in done.stdout
    second, third = model_values(2), model_values(3)
    names = list(storage.read_shapes(str(out / "albert_model.ckpt")))
    assert set(names) == set(second)
    found = storage.read_variables(str(out / "albert_model.ckpt"), names)
    for name, value in found.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, (second[name] + third[name]) / 2, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.slow
def test_more_than_there_are_is_one_line(model, tmp_path):
    out = tmp_path / "out"
    done = export(f"--model_dir={model}", f"--output_dir={out}", "--average=4")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert errors == [
        f"error: average is 4, but {model} holds 3 checkpoint(s); training keeps "
        "only the last ones"
    ]
    assert not out.exists()


def test_the_last_ones_come_oldest_first(model):
    names = [f"{model}/model.ckpt-{step}" for step in (2, 3)]
    assert last_checkpoints(str(model), 2, "average") == names


def test_checkpoints_of_two_models_have_no_mean(model, tmp_path):
    values = model_values(1)
    name = "bert/embeddings/word_embeddings"
    other = str(tmp_path / "other.ckpt")
    storage.write_variables(other, values | {name: np.zeros((7, 2), np.float32)})
    with pytest.raises(UserError, match=r"word_embeddings has shape \[7, 2\]"):
        read_mean([str(model / "model.ckpt-1"), other], list(values))


def test_one_checkpoint_has_no_average(tmp_path):
    with pytest.raises(UserError, match="average is of the checkpoints"):
        ExportConfig(checkpoint="x", output_dir="y", average=2)


def test_a_folder_that_is_a_pattern_is_refused(model):
    folder = model.rename(model.with_name("model[1]"))
    with pytest.raises(UserError, match="--model_dir: .* takes for a pattern"):
        last_checkpoints(str(folder), 2, "average")
