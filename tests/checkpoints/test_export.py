"""Exports in the published form."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.checkpoints.best import BestCheckpoint, choose_checkpoint
from albert.checkpoints.export import export
from albert.modeling.encoder import load_encoder_config, make_encoder_builder
from tests import forked
from tests.golden import Golden, placeholders

v1 = tf.compat.v1


@pytest.fixture(scope="module")
def golden(testdata):
    return Golden(testdata / "modeling/postln")


@pytest.fixture
def model(golden, tmp_path):
    """A model directory as training leaves it: variables, slots, step, companions."""
    folder = tmp_path / "model"
    folder.mkdir()
    names = list(storage.read_shapes(golden.checkpoint))
    values = storage.read_variables(golden.checkpoint, names)
    slots = {f"{name}/lamb_{k}": v for name, v in values.items() for k in "mv"}
    step = {"global_step": np.int64(9)}
    storage.write_variables(str(folder / "model.ckpt-9"), values | slots | step)
    storage.write_state(str(folder), "model.ckpt-9")
    (folder / "albert_config.json").write_text(json.dumps(golden.config.to_dict()))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [f"t{i}" for i in range(131 - len(tokens))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    return folder


def test_export_has_the_published_form(model, tmp_path, golden):
    out = tmp_path / "out"
    export(choose_checkpoint(str(model), "model_dir"), str(out))
    assert sorted(os.listdir(out)) == [
        "albert_config.json",
        "albert_model.ckpt.data-00000-of-00001",
        "albert_model.ckpt.index",
        "checkpoint",
        "vocab.txt",
    ]
    # No slots, no step: what TF 1.15 saved of the same model.
    assert dict(tf.train.list_variables(str(out))) == dict(
        tf.train.list_variables(golden.checkpoint)
    )
    state = (out / "checkpoint").read_text()
    assert 'model_checkpoint_path: "albert_model.ckpt"' in state


def test_export_loaded_back_gives_the_recorded_outputs(model, tmp_path, golden):
    out = tmp_path / "out"
    export(choose_checkpoint(str(model), "model_dir"), str(out))
    config = load_encoder_config(str(out / "albert_config.json"))
    with tf.Graph().as_default():
        inputs = placeholders(golden.batch(1))
        encoded = make_encoder_builder(config)(
            inputs["input_ids"], inputs["input_mask"], inputs["segment_ids"]
        )
        with v1.Session() as session:
            v1.train.Saver().restore(session, tf.train.latest_checkpoint(str(out)))
            feed = {inputs[n]: value for n, value in golden.batch(1).items()}
            found = session.run(encoded.sequence, feed)
    wanted = golden.arrays["batch1/output/sequence_output"]
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_pretraining_heads_can_be_dropped(model, tmp_path):
    out = tmp_path / "out"
    kept = export(
        choose_checkpoint(str(model), "model_dir"),
        str(out),
        keep_pretraining_heads=False,
    )
    names = {name for name, _ in tf.train.list_variables(str(out))}
    assert names == set(kept)
    assert len(names) == 24
    assert all(name.startswith("bert/") for name in names)


def test_the_best_checkpoint_goes_before_the_newest(model):
    newest = choose_checkpoint(str(model), "model_dir")
    assert newest.endswith("model/model.ckpt-9")
    BestCheckpoint(str(model), "f").offer(newest, 9, {"f": 1.0})
    assert choose_checkpoint(str(model), "model_dir").endswith("best/model.ckpt-9")
    # Config and vocabulary are found in the folder above.
    export(choose_checkpoint(str(model), "model_dir"), str(model.parent / "out"))


def test_nothing_is_overwritten_unless_asked(model, tmp_path):
    out = tmp_path / "out"
    export(choose_checkpoint(str(model), "model_dir"), str(out))
    (out / "mine").write_text("")
    with pytest.raises(UserError, match="exists; nothing is overwritten"):
        export(choose_checkpoint(str(model), "model_dir"), str(out))
    assert "mine" in os.listdir(out)
    export(choose_checkpoint(str(model), "model_dir"), str(out), overwrite=True)
    assert "checkpoint" in os.listdir(out)
    assert "mine" not in os.listdir(out)


@pytest.mark.parametrize("above", [0, 1])
def test_a_folder_above_the_checkpoint_is_never_overwritten(model, above):
    target = [model, *model.parents][above]
    with pytest.raises(UserError, match="holds the checkpoint itself"):
        export(choose_checkpoint(str(model), "model_dir"), str(target), overwrite=True)
    assert (model / "model.ckpt-9.index").exists()


def test_what_is_no_export_is_never_overwritten(model, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine").write_text("")
    (tmp_path / "file").write_text("")
    for name, message in (("folder", "holds no export"), ("file", "is not a folder")):
        with pytest.raises(UserError, match=message):
            export(
                choose_checkpoint(str(model), "model_dir"),
                str(tmp_path / name),
                overwrite=True,
            )
    assert (tmp_path / "folder/mine").exists()
    assert (tmp_path / "file").exists()


def test_a_missing_companion_is_named_with_its_flag(model, tmp_path):
    (model / "vocab.txt").unlink()
    with pytest.raises(UserError, match="no vocab.txt beside .*--vocab_file"):
        export(choose_checkpoint(str(model), "model_dir"), str(tmp_path / "out"))


def test_a_failed_export_leaves_nothing(model, tmp_path):
    for data in model.glob("*.data-*"):
        data.write_bytes(b"")
    with pytest.raises(UserError, match="cannot be read"):
        export(choose_checkpoint(str(model), "model_dir"), str(tmp_path / "out"))
    assert os.listdir(tmp_path) == ["model"]


def test_a_vocabulary_of_another_size_is_refused(model, tmp_path):
    shorter = tmp_path / "short.txt"
    shutil.copy(model / "vocab.txt", shorter)
    shorter.write_text("\n".join(shorter.read_text().split("\n")[:100]) + "\n")
    with pytest.raises(UserError, match="vocab_size is 131, but .*100 tokens"):
        export(
            choose_checkpoint(str(model), "model_dir"),
            str(tmp_path / "out"),
            vocab_file=str(shorter),
        )


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_one_line_and_leaves_nothing(
    repo, model, tmp_path
):
    def limit_files():  # as a full disk does
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, str(repo / "export_checkpoint.py")]
    done = subprocess.run(
        [*command, f"--model_dir={model}", "--output_dir=out"],
        cwd=tmp_path,
        preexec_fn=limit_files,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"error: File too large: out\.tmp-\d+/albert_model\S*", error)
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.slow
def test_an_export_to_a_relative_folder_can_be_moved(repo, model, tmp_path):
    command = [sys.executable, str(repo / "export_checkpoint.py")]
    command += ["--model_dir=model", "--output_dir=out"]
    forked.run(command, cwd=tmp_path, check=True, capture_output=True)
    state = (tmp_path / "out/checkpoint").read_text()
    assert 'model_checkpoint_path: "albert_model.ckpt"' in state
    os.rename(tmp_path / "out", tmp_path / "moved")
    moved = str(tmp_path / "moved")
    found = storage.resolve(moved, "init_checkpoint")
    assert found == f"{moved}/albert_model.ckpt"
