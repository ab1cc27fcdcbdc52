"""Keeping the best checkpoints, and whose they are."""

from __future__ import annotations

import json
import logging
import os

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.checkpoints import guard, storage
from albert.checkpoints.best import BestCheckpoint, choose_checkpoint
from albert.modeling.config import AlbertConfig

CONFIG = AlbertConfig(vocab_size=6, hidden_size=8, num_attention_heads=2)


def make_checkpoint(folder, step):
    prefix = os.path.join(folder, f"model.ckpt-{step}")
    values = {"w": np.float32([step]), "w/lamb_m": np.float32([0])}
    storage.write_variables(prefix, {**values, "global_step": np.int64(step)})
    storage.write_state(str(folder), f"model.ckpt-{step}")
    return prefix


def clean(folder):
    """Remove the files of a folder, as `rm model/*` does, but not its folders."""
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()


def test_the_best_checkpoint_is_kept_and_outlives_a_restart(tmp_path):
    best = BestCheckpoint(str(tmp_path), "f")
    assert best.path is None
    kept = []
    for step, f in ((1, 0.5), (2, 0.7), (3, 0.6)):
        prefix = make_checkpoint(tmp_path, step)
        kept.append(BestCheckpoint(str(tmp_path), "f").offer(prefix, step, {"f": f}))
    assert kept == [True, True, False]
    best = BestCheckpoint(str(tmp_path), "f")
    assert best.path == str(tmp_path / "best/model.ckpt-2")
    found = storage.read_variables(best.path, ["w", "global_step"])
    assert found["w"] == 2
    assert found["global_step"] == 2
    assert "w/lamb_m" not in storage.read_shapes(best.path)
    assert len([n for n in os.listdir(tmp_path / "best") if ".index" in n]) == 1


def test_lower_can_be_better(tmp_path):
    best = BestCheckpoint(str(tmp_path), "loss", higher_is_better=False)
    assert best.offer(make_checkpoint(tmp_path, 1), 1, {"loss": 2.0})
    assert not best.offer(make_checkpoint(tmp_path, 2), 2, {"loss": 3.0})
    assert best.offer(make_checkpoint(tmp_path, 3), 3, {"loss": 1.0})


def test_of_equal_values_the_lower_loss_is_the_best_and_that_is_said(tmp_path, caplog):
    logging.getLogger("absl").propagate = True
    best = BestCheckpoint(str(tmp_path), "f")
    kept = [
        best.offer(make_checkpoint(tmp_path, step), step, {"f": 0.0, "loss": loss})
        for step, loss in ((1, 3.0), (2, 2.0), (3, 2.5), (4, 2.0))
    ]
    assert kept == [True, True, False, False]
    assert best.path.endswith("model.ckpt-2")
    assert "f is 0.0000 at step 2 as at step 1: the lower loss decides" in caplog.text
    assert best.offer(make_checkpoint(tmp_path, 5), 5, {"f": 0.1, "loss": 9.0})


def train_once(folder, step, f):
    """Do what a training does in a folder: prepare it, save, offer the checkpoint."""
    guard.prepare(str(folder), CONFIG)
    prefix = make_checkpoint(folder, step)
    BestCheckpoint(str(folder), "f").offer(prefix, step, {"f": f})


def test_what_an_earlier_training_left_is_moved_aside_and_never_wins(tmp_path):
    train_once(tmp_path, 54, 0.9)
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/history.json").write_text("[]")
    clean(tmp_path)
    train_once(tmp_path, 3, 0.1)
    chosen = choose_checkpoint(str(tmp_path), "model_dir")
    assert chosen == str(tmp_path / "best/model.ckpt-3")
    assert not (tmp_path / "eval").exists()
    # Nothing is lost: the earlier best is whole.
    aside = tmp_path / "best.old-1"
    assert json.loads((aside / "best.json").read_text())["step"] == 54
    assert storage.resolve(str(aside), "x") == str(aside / "model.ckpt-54")
    assert (tmp_path / "eval.old-1/history.json").exists()
    clean(tmp_path)
    train_once(tmp_path, 4, 0.1)
    assert (tmp_path / "best.old-2").exists()


def test_a_resumed_training_keeps_its_best(tmp_path):
    train_once(tmp_path, 1, 0.9)
    train_once(tmp_path, 2, 0.1)
    assert choose_checkpoint(str(tmp_path), "x") == str(tmp_path / "best/model.ckpt-1")
    assert not (tmp_path / "best.old-1").exists()


def test_a_run_that_went_on_without_evaluations_is_told_of(tmp_path, caplog):
    logging.getLogger("absl").propagate = True
    train_once(tmp_path, 10, 0.9)
    train_once(tmp_path, 20, 0.1)
    best = str(tmp_path / "best/model.ckpt-10")
    assert choose_checkpoint(str(tmp_path), "x") == best
    assert "without an evaluation" not in caplog.text
    make_checkpoint(tmp_path, 50)
    assert choose_checkpoint(str(tmp_path), "x") == best
    assert "has gone on to step 50 without an evaluation since step 20" in caplog.text


def test_a_best_checkpoint_of_another_training_is_not_chosen(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    train_once(first, 9, 0.9)
    guard.prepare(str(second), CONFIG)
    newest = make_checkpoint(second, 1)
    os.rename(first / "best", second / "best")
    assert choose_checkpoint(str(second), "x") == newest
    assert BestCheckpoint(str(second), "f").path is None
    BestCheckpoint(str(second), "f").offer(newest, 1, {"f": 0.1})
    assert choose_checkpoint(str(second), "x") == str(second / "best/model.ckpt-1")
    assert (second / "best.old-1/best.json").exists()


def test_a_best_checkpoint_that_names_no_training_is_used(tmp_path):
    train_once(tmp_path, 1, 0.9)
    path = tmp_path / "best/best.json"
    record = json.loads(path.read_text())
    assert record.pop("training_id")
    path.write_text(json.dumps(record))
    train_once(tmp_path, 2, 0.1)
    assert choose_checkpoint(str(tmp_path), "x") == str(tmp_path / "best/model.ckpt-1")


def test_best_of_a_relative_folder_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_once(tmp_path.relative_to(tmp_path) / "model", 54, 0.9)
    line = 'model_checkpoint_path: "model.ckpt-54"'
    assert line in (tmp_path / "model/best/checkpoint").read_text()
    os.rename("model/best", "moved")
    assert storage.resolve("moved", "x") == "moved/model.ckpt-54"


def test_a_folder_that_is_a_pattern_is_refused_beside_a_best_record(tmp_path):
    (tmp_path / "a[1]/best").mkdir(parents=True)
    (tmp_path / "a[1]/best/best.json").write_text('{"checkpoint": "model.ckpt-1"}')
    with pytest.raises(UserError, match="--model_dir: .* takes for a pattern"):
        choose_checkpoint(str(tmp_path / "a[1]"), "model_dir")
