"""Errors of TensorFlow, and what a user is told."""

from __future__ import annotations

import os
import shutil
import time

import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.training import failures, loop
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.finite import NOT_FINITE
from albert.training.stopping import StopRequest
from tests.training.test_loop import LineTask


@pytest.mark.parametrize(
    ("error", "bad_input", "wanted"),
    [
        (tf.errors.DataLossError(None, None, "corrupt"), "f: record 3", "f: record 3"),
        (
            tf.errors.DataLossError(None, None, "x\n  truncated record"),
            None,
            "the input could not be read: truncated record",
        ),
        (tf.errors.InvalidArgumentError(None, None, "Key: x"), "f: record 3", "f: rec"),
        (tf.errors.InvalidArgumentError(None, None, "shapes"), None, None),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
            None,
            "the device is out of memory",
        ),
        (
            tf.errors.InvalidArgumentError(None, None, NOT_FINITE),
            "f: record 3",
            "f: record 3",
        ),
        (tf.errors.InvalidArgumentError(None, None, NOT_FINITE), None, NOT_FINITE),
        (ZeroDivisionError("division by zero"), "f: record 3", None),
    ],
)
def test_what_a_user_can_mend_is_told_and_defects_are_not(error, bad_input, wanted):
    found = failures.describe(error, lambda give_up: bad_input)
    assert (found is None) == (wanted is None)
    if wanted is not None:
        assert found.startswith(wanted)


def search(error, stop=None):
    """Search an input without end for the cause of an error; return what is told."""
    asked = []

    def find_bad_input(give_up):
        while not give_up():
            asked.append(1)
            if len(asked) == 1000:
                if stop is None:
                    time.sleep(0.2)
                else:
                    stop.ask("SIGTERM")
            assert len(asked) < 2000
        return

    return failures.describe(error, find_bad_input, stop)


def test_the_search_for_a_cause_ends_where_a_stop_is_asked():
    diverged = tf.errors.InvalidArgumentError(None, None, NOT_FINITE)
    assert search(diverged, StopRequest()).startswith(NOT_FINITE)
    damaged = tf.errors.DataLossError(None, None, "corrupt")
    assert search(damaged, StopRequest()) == "the input could not be read: corrupt"


def test_the_search_for_a_cause_of_divergence_takes_limited_time(monkeypatch):
    monkeypatch.setattr(failures, "_SECONDS_OF_SEARCH", 0.1)
    diverged = tf.errors.InvalidArgumentError(None, None, NOT_FINITE)
    assert search(diverged).startswith(NOT_FINITE)


def config(folder, **changes):
    values = {
        "output_dir": str(folder),
        "learning_rate": 0.01,
        "num_train_steps": 6,
        "num_warmup_steps": 0,
        "train_batch_size": 2,
        "save_checkpoints_steps": 2,
        "optimizer": "adamw",
        "log_every_steps": 1000,
    }
    return TrainingConfig(**{**values, **changes})


def run(settings, task, **arguments):
    replicas = ReplicaConfig(num_gpus=0)
    return loop.train(task, task, None, settings, replicas, **arguments)


@pytest.mark.slow
def test_a_model_directory_that_is_lost_in_training_is_one_line(tmp_path):
    folder = tmp_path / "model"

    def lose(path, step):
        if step == 2:
            shutil.move(folder, tmp_path / "aside")
            folder.write_text("not a folder")

    with pytest.raises(UserError) as error:
        run(config(folder), LineTask(), on_checkpoint=lose)
    message = str(error.value)
    assert message.startswith("training stopped at step 4: ")
    assert f"{folder}/model.ckpt: No such file or directory" in message
    assert "\n" not in message
    kept = tf.train.load_checkpoint(str(tmp_path / "aside/model.ckpt-2"))
    assert kept.get_tensor("global_step") == 2


@pytest.mark.slow
def test_an_input_that_ends_is_no_success(tmp_path):
    task = LineTask()
    data = LineTask()
    task.read = lambda mode, size: data.read(mode, size).take(3)
    with pytest.raises(UserError, match="ended at step 3 of 6: the input gives no"):
        run(config(tmp_path / "model"), task)


@pytest.mark.slow
def test_what_a_killed_run_left_is_removed(tmp_path):
    folder = tmp_path / "model"
    left = folder / "model.ckpt-2_temp"
    left.mkdir(parents=True)
    (left / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"x")
    (folder / "model.ckpt-2.meta.tmp591d").write_bytes(b"x")
    run(config(folder), LineTask())
    names = os.listdir(folder)
    assert not [name for name in names if "temp" in name or ".tmp" in name]
    assert "model.ckpt-6.index" in names
