"""Training that is killed, stopped and started again."""

from __future__ import annotations

import json
import random
import re
import shlex
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import pretraining_kit as kit

pytestmark = pytest.mark.slow

# Its gradient is rounding alone, which LAMB scales up (see training/test_replicas.py).
KEY_BIAS = "attention/self/key/bias"


def test_ten_kills_lose_no_more_than_the_interval_and_change_nothing(runner, tmp_path):
    flags = kit.make_flags(tmp_path, num_train_steps=300)
    rng = random.Random(5)
    kills = 0
    start = None
    while kills < 10:
        # Two in three while steps are made, the others before the first one.
        after_steps = rng.randint(1, 30) if kills % 3 else 0
        delay = rng.uniform(0, 0.05) if after_steps else rng.uniform(0, 1.0)
        done = runner.run(flags, "SIGKILL", after_steps, delay)
        assert done.status == -9, done.output
        kills += 1
        saved, values = kit.read_newest(tmp_path / "model")
        if done.steps:
            # The first step of all comes after the checkpoint of step 0.
            assert done.steps[0] == (start or 0) + 1
            # A step is logged after its checkpoint is written.
            assert -1 <= done.steps[-1] - saved <= kit.INTERVAL
        assert saved == start or saved % kit.INTERVAL == 0
        assert all(np.isfinite(value).all() for value in values.values())
        start = saved
    assert 0 < start < 300
    done = runner.run(flags)
    assert done.status == 0, done.output
    step, survived = kit.read_newest(tmp_path / "model")
    assert step == 300

    whole = tmp_path / "whole"
    whole.mkdir()
    flags = kit.make_flags(tmp_path, num_train_steps=300, output_dir=whole)
    assert runner.run(flags).status == 0
    step, wanted = kit.read_newest(whole)
    assert step == 300
    assert set(survived) == set(wanted)
    for name, value in wanted.items():
        if KEY_BIAS not in name:
            np.testing.assert_allclose(
                survived[name], value, rtol=1e-3, atol=1e-5, err_msg=name
            )


# After Ctrl-C a process dies of it, so that a shell ends its loop too, and sees 130.
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", -2)])
def test_a_signal_saves_a_checkpoint_and_gives_the_command_that_resumes(
    runner, tmp_path, name, status
):
    flags = kit.make_flags(tmp_path, num_train_steps=5000)
    done = runner.run(flags, name, after_steps=3)
    assert done.status == status, done.output
    step = done.steps[-1]
    assert step < 5000
    assert f"Stopped by {name} at step {step} of 5000" in done.output
    assert kit.read_newest(tmp_path / "model")[0] == step
    command = re.search("To go on: python3 (.*)", done.output).group(1)
    resumed = shlex.split(command)
    assert resumed == ["run_pretraining.py", *flags]
    if name == "SIGTERM":  # once is enough
        again = subprocess.run(
            [sys.executable, *resumed, f"--num_train_steps={step + 20}"],
            cwd=kit.REPO,
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
        )
        assert f"resumes from step {step}" in again.stderr
        assert f"Step {step + 1} of {step + 20}" in again.stderr


@pytest.mark.parametrize("delay", [0.0, 0.8])
def test_sigterm_before_the_first_step_gives_the_command_too(runner, tmp_path, delay):
    flags = kit.make_flags(tmp_path, num_train_steps=5000)
    done = runner.run(flags, "SIGTERM", after_line=".", delay=delay)
    assert done.status == 143, done.output
    assert re.search("Stopped by SIGTERM.*To go on: python3 run_pre", done.output)
    assert "Traceback" not in done.output


def test_a_first_step_that_takes_minutes_does_not_hold_up_sigterm(runner, tmp_path):
    flags = kit.make_flags(tmp_path, train_batch_size=200_000)
    begun = time.monotonic()
    line = "Training on 1 CPU replica"  # some seconds before the step
    done = runner.run(flags, "SIGTERM", after_line=line, delay=6.0)
    assert done.status == 143, done.output
    assert line in done.output
    assert not done.steps
    assert "Stopped by SIGTERM. To go on: python3 run_pre" in done.output
    assert time.monotonic() - begun < 60
    # The folder is free, and whole.
    done = runner.run(kit.make_flags(tmp_path, num_train_steps=10))
    assert done.status == 0, done.output


def test_two_runs_in_one_folder_do_not_mix(runner, tmp_path):
    flags = kit.make_flags(tmp_path, num_train_steps=100_000)
    first = subprocess.Popen(
        [sys.executable, "run_pretraining.py", *flags],
        cwd=kit.REPO,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while "Step 1 of" not in first.stderr.readline():
            assert first.poll() is None
        second = runner.run(flags)
    finally:
        first.kill()
        first.communicate()
    assert second.status == 1
    (error,) = second.errors
    assert f"--output_dir: {tmp_path}/model is in use by process {first.pid}" in error
    assert "run_pretraining.py --input_file=" in error
    # The dead owner holds nothing.
    end = {"num_train_steps": 100, "save_checkpoints_steps": 50}
    assert runner.run(kit.make_flags(tmp_path, **end)).status == 0
    assert sorted(tmp_path.glob("model/.lock")) == []


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", -2)])
def test_an_evaluation_that_is_stopped_is_no_success(runner, tmp_path, name, status):
    flags = kit.make_flags(tmp_path, num_train_steps=10)
    assert runner.run(flags).status == 0
    records = tmp_path / "many.tfrecord"
    kit.write_records(records, kit.make_examples(5000))
    evaluation = {"do_train": False, "do_eval": True, "eval_batch_size": 1}
    flags = kit.make_flags(tmp_path, eval_input_file=records, **evaluation)
    done = runner.run(flags, name, after_line="Evaluating .*ckpt-10")
    assert done.status == status, done.output
    assert f"Stopped by {name}. To go on: python3 run_pre" in done.output
    assert not (tmp_path / "model/eval_results.txt").exists()


def test_evaluation_while_training_keeps_the_best_and_can_be_cut(runner, tmp_path):
    flags = kit.make_flags(
        tmp_path,
        num_train_steps=90,
        eval_input_file=tmp_path / "held_out.tfrecord",
        eval_every_steps=15,
        keep_best_checkpoints=2,
    )
    done = runner.run(flags, "SIGTERM", after_steps=50)
    assert done.status == 143, done.output
    best = tmp_path / "model/best"
    done = runner.run([*flags, "--do_eval", f"--eval_checkpoint={best}"])
    assert done.status == 0, done.output
    history = json.loads((tmp_path / "model/eval/history.json").read_text())
    assert [entry["global_step"] for entry in history] == [15, 30, 45, 60, 75, 90]
    losses = {entry["global_step"]: entry["loss"] for entry in history}
    kept = json.loads((best / "best.json").read_text())
    assert [kept["step"], kept["next"][0]["step"]] == sorted(losses, key=losses.get)[:2]
    results = (tmp_path / "model/eval_results.txt").read_text()
    assert f"global_step = {kept['step']}\n" in results
    assert f"loss = {kept['value']}\n" in results


def test_evaluation_while_training_needs_held_out_records(runner, tmp_path):
    done = runner.run(kit.make_flags(tmp_path, eval_every_steps=15))
    assert done.status == 1
    (error,) = done.errors
    assert "eval_every_steps needs held-out records: --eval_input_file" in error


@pytest.mark.parametrize(
    ("log_every_steps", "delay", "file"),
    [(1000, 0.5, r"model\.ckpt-\d+(\.meta)?"), (1, 0, "events.out.*")],
)
def test_files_that_cannot_grow_are_one_line(
    runner, tmp_path, log_every_steps, delay, file
):
    flags = kit.make_flags(
        tmp_path, num_train_steps=5000, log_every_steps=log_every_steps
    )
    # After the first step no file may be longer than 20,000 bytes; a checkpoint's data
    # are 37,000.
    done = runner.run(flags, after_steps=1, delay=delay, file_size=20_000)
    assert done.status == 1, done.output
    (error,) = done.errors
    wanted = rf"training stopped at step \d+: {tmp_path}/model/{file}: File too large; "
    assert re.search(wanted + "the last good checkpoint is", error)
    assert "Traceback" not in done.output
    saved, values = kit.read_newest(tmp_path / "model")
    assert saved % kit.INTERVAL == 0
    assert values
    end = saved + 20
    assert runner.run([*flags, f"--num_train_steps={end}"]).status == 0
    assert kit.read_newest(tmp_path / "model")[0] == end


def test_a_full_disk_is_one_line(tmp_path):
    """On a small file system of its own, where the machine allows to make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    flags = kit.make_flags(
        tmp_path,
        num_train_steps=5000,
        output_dir=disk / "model",
        keep_checkpoint_max=99,
    )
    mount = ["unshare", "--mount", "--user", "--map-root-user", "sh", "-c"]
    script = f"mount -t tmpfs -o size=6m none {disk} && {{ %s; }}"
    if subprocess.run([*mount, script % "true"], capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    # A run that fills it, then the newest checkpoint carried out of it.
    command = shlex.join([sys.executable, "run_pretraining.py", *flags])
    save = f"s=$?; mkdir {tmp_path}/kept; cp {disk}/model/* {tmp_path}/kept; exit $s"
    done = subprocess.run(
        [*mount, script % f"{command}; {save}"],
        cwd=kit.REPO,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 1, done.stderr
    errors = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(rf"step \d+: {disk}/model/\S+: No space left on device", errors[0])
    assert "Traceback" not in done.stderr
    saved, values = kit.read_newest(tmp_path / "kept")
    assert saved % kit.INTERVAL == 0
    assert values
