"""Several machines that train one model, as processes of this one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from tests import forked
from tests.cluster_kit import ADVICE, free_addresses, tf_config
from tests.pretraining_kit import (
    REPO,
    STEP_LINE,
    make_examples,
    make_flags,
    write_records,
)

TIME_LIMIT = 240  # seconds; most of them are TensorFlow's start


class Machine:
    """The script on one machine of a cluster, as a process of this one."""

    def __init__(self, folder, cluster, task, index=0, popen=forked.Popen, **changes):
        self._log = folder / f"{task}{index}.log"
        flags = make_flags(folder, **changes)
        environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
        environment["TF_CONFIG"] = tf_config(task, index, **cluster)
        environment[forked.OPTIMIZED] = "1"  # TensorFlow joins the sums of gradients
        with open(self._log, "w") as log:
            self._process = popen(
                [sys.executable, "run_pretraining.py", *flags],
                cwd=REPO,
                env=environment,
                stdout=log,
                stderr=log,
            )

    @property
    def output(self):
        return self._log.read_text(errors="replace")

    @property
    def steps(self):
        return [int(step) for step in STEP_LINE.findall(self.output)]

    @property
    def errors(self):
        return [x for x in self.output.splitlines() if x.startswith("error: ")]

    def wait(self):
        return self._process.wait(timeout=TIME_LIMIT)

    def wait_for_step(self, step):
        end = time.monotonic() + TIME_LIMIT
        while not any(done >= step for done in self.steps):
            assert self._process.poll() is None, self.output[-2000:]
            assert time.monotonic() < end
            time.sleep(0.1)

    def send(self, number):
        self._process.send_signal(number)

    def close(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def start(tmp_path):
    """Start a machine of a cluster; all end with the test."""
    with contextlib.ExitStack() as stack:

        def start(cluster, task, index=0, **changes):
            machine = Machine(tmp_path, cluster, task, index, **changes)
            stack.callback(machine.close)
            return machine

        yield start


@pytest.fixture
def cluster():
    chief, worker = free_addresses(2)
    return {"chief": [chief], "worker": [worker]}


def step_of(checkpoint):
    return int(checkpoint.rpartition("-")[2])


def saved_steps(folder):
    return sorted(int(p.stem.split("-")[1]) for p in folder.glob("model.ckpt-*.index"))


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["chief", "worker"])
def test_a_killed_machine_ends_the_others_and_the_run_resumes(
    tmp_path, start, cluster, killed
):
    asked = {"num_train_steps": 100_000, "save_checkpoints_steps": 20}
    machines = {name: start(cluster, name, **asked) for name in cluster}
    survivor = machines[{"chief": "worker", "worker": "chief"}[killed]]
    machines[killed].wait_for_step(30)
    machines[killed].send(signal.SIGKILL)
    assert survivor.wait() == 1
    newest = step_of(tf.train.latest_checkpoint(str(tmp_path / "model")))
    assert newest % 20 == 0
    address = cluster[killed][0]
    assert survivor.errors == [f"error: {killed} 0 ({address}) is gone; {ADVICE}"]
    assert max(survivor.steps) - newest <= 21  # the one under way included
    asked["num_train_steps"] = newest + 30
    again = [start(cluster, name, **asked) for name in cluster]
    assert [machine.wait() for machine in again] == [0, 0]
    for machine in again:
        assert machine.steps == list(range(newest + 1, newest + 31))
    assert max(saved_steps(tmp_path / "model")) == newest + 30
    # Nothing to train: the chief evaluates, and does not miss those that have ended.
    again = [start(cluster, name, do_eval=True, **asked) for name in cluster]
    assert [machine.wait() for machine in again] == [0, 0]
    results = (tmp_path / "model/eval_results.txt").read_text()
    assert f"global_step = {newest + 30}" in results


@pytest.mark.slow
def test_sigterm_on_one_machine_stops_all_after_the_same_step(tmp_path, start, cluster):
    asked = {
        "num_train_steps": 100_000,
        "do_eval": True,
        "eval_input_file": tmp_path / "held_out.tfrecord",
        "eval_every_steps": 10,
        "gradient_accumulation_steps": 2,
        "precision": "float16",
        "input_file": ",".join(write_halves(tmp_path)),
    }
    asked["popen"] = subprocess.Popen  # as on machines of their own
    chief, worker = (start(cluster, name, **asked) for name in cluster)
    worker.wait_for_step(25)  # the chief has evaluated, and the worker waited for it
    worker.send(signal.SIGTERM)
    assert (chief.wait(), worker.wait()) == (143, 143)
    last = worker.steps[-1]
    assert chief.steps[-1] == last == max(saved_steps(tmp_path / "model"))
    assert f"Stopped by SIGTERM at step {last} of 100000" in worker.output
    assert f"Stopped by another machine at step {last} of 100000" in chief.output
    assert "Step 20 on held-out data" in chief.output
    assert "on held-out data" not in worker.output
    for machine in (chief, worker):
        assert "This machine reads 1 of 2 files" in machine.output
    assert not (tmp_path / "model/eval_results.txt").exists()


def write_halves(folder):
    make_flags(folder)
    for number in range(2):
        write_records(folder / f"{number}.tfrecord", make_examples(400, seed=number))
    return [str(folder / f"{number}.tfrecord") for number in range(2)]


@pytest.mark.slow
def test_what_is_not_finite_on_one_machine_stops_all(tmp_path, start, cluster):
    names = write_halves(tmp_path)
    # The first record of a file is looked at before training.
    broken = make_examples(399, seed=1, weight=float("inf"))
    write_records(tmp_path / "1.tfrecord", make_examples(1) + broken)
    asked = {"input_file": ",".join(names), "num_train_steps": 100}
    machines = [start(cluster, name, **asked) for name in cluster]
    assert [machine.wait() for machine in machines] == [1, 1]
    for machine in machines:
        (error,) = machine.errors
        assert error.startswith("error: training stopped at step 1: ")
        assert "finite" in error
    assert saved_steps(tmp_path / "model") == [0]


def evaluated_steps(folder):
    history = json.loads((folder / "model/eval/history.json").read_text())
    return [entry["global_step"] for entry in history]


@pytest.mark.slow
def test_an_evaluator_evaluates_for_the_chief(tmp_path, start):
    (chief,), evaluator = free_addresses(1), "localhost:1"
    cluster = {"chief": [chief], "evaluator": [evaluator]}
    asked = {
        "do_eval": True,
        "eval_input_file": tmp_path / "held_out.tfrecord",
        "eval_every_steps": 20,
        "num_train_steps": 80,
    }
    trains = start(cluster, "chief", **asked)
    evaluates = start(cluster, "evaluator", **asked)
    assert (trains.wait(), evaluates.wait()) == (0, 0)
    steps = evaluated_steps(tmp_path)  # it may come late
    assert set(steps) <= {20, 40, 60, 80}
    assert steps == sorted(steps)
    assert steps[-1] == 80
    assert "on held-out data" in evaluates.output
    assert "on held-out data" not in trains.output
    assert "global_step = 80" in (tmp_path / "model/eval_results.txt").read_text()
    assert not evaluates.steps
    assert (tmp_path / "model/best/best.json").exists()


@pytest.mark.slow
def test_two_machines_stop_when_an_evaluator_sees_no_gain(tmp_path, start, cluster):
    asked = {
        "eval_input_file": tmp_path / "held_out.tfrecord",
        "eval_every_steps": 20,
        "learning_rate": 1e-12,  # no loss falls
        "num_train_steps": 100_000,
        "early_stopping_patience": 2,
    }
    cluster["evaluator"] = ["localhost:1"]
    machines = {name: start(cluster, name, **asked) for name in cluster}
    assert [machine.wait() for machine in machines.values()] == [0, 0, 0]
    assert len(evaluated_steps(tmp_path)) == 3
    for name in ("chief", "evaluator"):
        assert "has not fallen for 2 evaluations" in machines[name].output
    assert machines["chief"].steps[-1] == machines["worker"].steps[-1]
    assert not machines["chief"].errors


@pytest.mark.slow
@pytest.mark.parametrize("done", [3, 0])
def test_machines_that_see_different_folders_stop(tmp_path, start, cluster, done):
    asked = {"num_train_steps": 3, "num_warmup_steps": 1}
    if done:
        assert start({"chief": cluster["chief"]}, "chief", **asked).wait() == 0
    asked["num_train_steps"] = 9
    machines = [
        start(cluster, "chief", **asked),
        start(cluster, "worker", output_dir=tmp_path / "other", **asked),
    ]
    assert [machine.wait() for machine in machines] == [1, 1]
    assert "every machine must see the same output_dir" in machines[1].errors[0]
    assert len(machines[0].errors) == 1
    assert not any(machine.steps[done:] for machine in machines)


@pytest.mark.slow
def test_machines_with_other_flags_stop(tmp_path, start, cluster):
    machines = [
        start(cluster, "chief", num_train_steps=20),
        start(cluster, "worker", num_train_steps=30),
    ]
    assert [machine.wait() for machine in machines] == [1, 1]
    for machine in machines:
        assert machine.errors == [
            "error: the machines differ in what they start with, num_train_steps: "
            f"chief 0 ({cluster['chief'][0]}) has 20, "
            f"worker 0 ({cluster['worker'][0]}) has 30"
        ]
