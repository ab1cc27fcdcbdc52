"""Several machines that train one model: roles, stopping together, who is gone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from albert.cluster import PeerWatch
from albert.config.cluster import ClusterConfig, parse_cluster, refuse_cluster
from albert.config.model import load_albert_config
from albert.config.training import ReplicaConfig
from albert.data.input_share import deal_files
from albert.data.iteration import read_arrays
from albert.errors import UserError
from albert.tasks.pretraining import PretrainingTask
from albert.tasks.task import TRAIN
from tests.pretraining_kit import (
    LENGTH,
    MASKED,
    REPO,
    STEP_LINE,
    make_examples,
    make_flags,
    write_records,
)

ADVICE = (
    "start the same command on every machine again: training goes on from the newest "
    "checkpoint"
)
TIME_LIMIT = 240  # seconds; most of them are TensorFlow's start


def tf_config(task, index, **cluster):
    return json.dumps({"cluster": cluster, "task": {"type": task, "index": index}})


class TestVariable:
    def test_the_chief_comes_first_and_workers_after_it(self):
        text = tf_config("worker", 1, worker=["b:1", "c:2"], chief=["a:3"])
        cluster = parse_cluster(text)
        assert cluster.trainers == ("a:3", "b:1", "c:2")
        assert (cluster.index, cluster.size) == (2, 3)
        assert not cluster.is_chief
        assert not cluster.evaluates
        assert [cluster.name(i) for i in range(3)] == [
            "chief 0 (a:3)",
            "worker 0 (b:1)",
            "worker 1 (c:2)",
        ]
        assert json.loads(cluster.to_tf_config()) == json.loads(text)

    def test_without_a_chief_worker_0_is_it(self):
        cluster = parse_cluster(tf_config("worker", 0, worker=["a:1", "b:1"]))
        assert cluster.is_chief
        assert cluster.evaluates
        assert cluster.name(1) == "worker 1 (b:1)"

    def test_an_evaluator_evaluates_in_the_chiefs_stead_and_is_not_waited_for(self):
        members = {"chief": ["a:1"], "worker": ["b:1"], "evaluator": ["c:1"]}
        chief = parse_cluster(tf_config("chief", 0, **members))
        evaluator = parse_cluster(tf_config("evaluator", 0, **members))
        assert chief.size == evaluator.size == 2
        assert not chief.evaluates
        assert evaluator.evaluates
        assert evaluator.is_evaluator
        assert "c:1" not in chief.to_tf_config()

    @pytest.mark.parametrize("text", [None, "", "{}", '{"task": {}}'])
    def test_without_a_cluster_there_is_one_machine(self, text):
        assert parse_cluster(text) is None
        refuse_cluster(text, "run_ner.py")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "TF_CONFIG is not of the form"),
            ("[1]", "TF_CONFIG is not of the form"),
            ('{"cluster": ["a:1"], "task": {}}', "TF_CONFIG is not of the form"),
            (tf_config("ps", 0, ps=["a:1"], worker=["b:1"]), "TF_CONFIG names 'ps'"),
            (tf_config("worker", 0, worker="a:1"), "list of host:port, got 'a:1'"),
            (tf_config("worker", 0, worker=["a"]), r"list of host:port, got \['a'\]"),
            (tf_config("worker", 0, worker=["a:1", "a:1"]), "each address once"),
            (tf_config("chief", 0, chief=["a:1", "b:1"]), "names 2 and 0"),
            (tf_config("worker", 2, worker=["a:1", "b:1"]), "index 2 is not in the"),
            (tf_config("worker", "0", worker=["a:1"]), "index '0' is not in the"),
            (tf_config("boss", 0, worker=["a:1"]), "task type 'boss'"),
            (tf_config("evaluator", 0, worker=["a:1"]), "the cluster must list"),
        ],
    )
    def test_another_form_is_refused(self, text, message):
        with pytest.raises(UserError, match=message):
            parse_cluster(text)

    def test_ner_is_for_one_machine(self):
        with pytest.raises(UserError, match="run_ner.py works on one machine, but"):
            refuse_cluster(tf_config("worker", 0, worker=["a:1", "b:1"]), "run_ner.py")

    def test_a_cpu_is_not_divided_on_several_machines(self):
        cluster = ClusterConfig(("a:1", "b:1"), 0)
        with pytest.raises(UserError, match="num_cpu_replicas .* one machine"):
            ReplicaConfig(num_cpu_replicas=2, cluster=cluster)


def write_numbered(folder, sizes):
    """Write files of so many examples each; return their names and all examples."""
    examples = make_examples(sum(sizes), seed=5)
    names, start = [], 0
    for number, size in enumerate(sizes):
        names.append(str(folder / f"{number}.tfrecord"))
        write_records(folder / f"{number}.tfrecord", examples[start : start + size])
        start += size
    return names


def read_epoch(names, share, batches, config_file):
    task = PretrainingTask(
        load_albert_config(str(config_file)),
        LENGTH,
        MASKED,
        share.files,
        names,
        shuffle_buffer=10,
        record_share=(share.index, share.count),
    )
    found = read_arrays(lambda: task.read(TRAIN, 1).take(batches), 1)
    return [batch["input_ids"][0].tobytes() for batch in found]


@pytest.mark.parametrize("sizes", [[9], [5, 7], [4, 6, 2, 5, 3, 1, 8]])
@pytest.mark.parametrize("machines", [1, 2, 3])
def test_machines_share_the_records_of_an_epoch(tmp_path, sizes, machines):
    make_flags(tmp_path)
    names = write_numbered(tmp_path, sizes)
    own = [deal_files(names, index, machines) for index in range(machines)]
    if len(sizes) >= machines:
        read = [name for share in own for name in share.files]
        assert sorted(read) == names  # each file once
    numbers = dict(zip(names, sizes))
    seen = []
    for share in own:
        count = sum(
            len(range(share.index, numbers[n], share.count)) for n in share.files
        )
        seen += read_epoch(names, share, count, tmp_path / "config.json")
    assert len(seen) == sum(sizes)
    assert len(set(seen)) == len(seen)


def test_files_are_dealt_by_their_size(tmp_path):
    names = write_numbered(tmp_path, [50, 10, 20, 10, 10])
    dealt = [deal_files(names, index, 2).files for index in range(2)]
    assert [len(files) for files in dealt] == [1, 4]


@contextlib.contextmanager
def listening():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield f"127.0.0.1:{server.getsockname()[1]}"


def free_addresses(count):
    with contextlib.ExitStack() as stack:
        return [stack.enter_context(listening()) for _ in range(count)]


@contextlib.contextmanager
def watching(cluster, ended):
    watch = PeerWatch(cluster, ended)
    watch.start()
    yield watch
    watch.stop()


class TestPeerWatch:
    @pytest.fixture
    def ended(self):
        class Ended(threading.Event):
            message = None

            def __call__(self, message):
                self.message = message
                self.set()

        return Ended()

    def test_a_machine_that_was_there_and_is_gone_ends_the_process(self, ended):
        own = "127.0.0.1:1"
        with listening() as there:
            cluster = ClusterConfig((own, there), 0)
            with watching(cluster, ended):
                time.sleep(2.5)
                assert not ended.is_set()
        with contextlib.ExitStack() as stack:
            there = stack.enter_context(listening())
            cluster = ClusterConfig((own, there), 0)
            with watching(cluster, ended):
                time.sleep(2.5)
                stack.close()
                assert ended.wait(10)
        assert ended.message == f"worker 1 ({there}) is gone; {ADVICE}"

    def test_a_machine_that_was_never_there_is_waited_for(self, ended):
        cluster = ClusterConfig(("127.0.0.1:1", *free_addresses(1)), 0)
        with watching(cluster, ended):
            assert not ended.wait(4)

    def test_after_its_end_nothing_is_looked_at(self, ended):
        with contextlib.ExitStack() as stack:
            cluster = ClusterConfig(("a:1", stack.enter_context(listening())), 0)
            with watching(cluster, ended) as watch:
                time.sleep(2.5)
                watch.stop()
                stack.close()
                assert not ended.wait(4)


class Machine:
    """The script on one machine of a cluster, as a process of this one."""

    def __init__(self, folder, cluster, task, index=0, **changes):
        self._log = folder / f"{task}{index}.log"
        flags = make_flags(folder, **changes)
        environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
        environment["TF_CONFIG"] = tf_config(task, index, **cluster)
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(
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
    newest = max(saved_steps(tmp_path / "model"))
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
    asked = {"num_train_steps": 100_000, "do_eval": True}
    chief, worker = (start(cluster, name, **asked) for name in cluster)
    worker.wait_for_step(5)
    worker.send(signal.SIGTERM)
    assert (chief.wait(), worker.wait()) == (0, 0)
    last = worker.steps[-1]
    assert chief.steps[-1] == last == max(saved_steps(tmp_path / "model"))
    assert f"Stopped by SIGTERM at step {last} of 100000" in worker.output
    assert f"Stopped by another machine at step {last} of 100000" in chief.output
    assert not (tmp_path / "model/eval_results.txt").exists()


@pytest.mark.slow
def test_an_evaluator_evaluates_and_the_chief_stops_without_gain(tmp_path, start):
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
    history = json.loads((tmp_path / "model/eval/history.json").read_text())
    steps = [entry["global_step"] for entry in history]
    # The evaluator may come late: of what is left then, it leaves nothing out.
    assert steps == sorted(steps)
    assert steps[-1] == 80
    assert "on held-out data" in evaluates.output
    assert "on held-out data" not in trains.output
    assert "global_step = 80" in (tmp_path / "model/eval_results.txt").read_text()
    assert not evaluates.steps
    assert (tmp_path / "model/best/best.json").exists()


@pytest.mark.slow
def test_machines_that_see_different_folders_stop(tmp_path, start, cluster):
    asked = {"num_train_steps": 3, "num_warmup_steps": 1}
    assert start({"chief": cluster["chief"]}, "chief", **asked).wait() == 0
    asked["num_train_steps"] = 9
    machines = [
        start(cluster, "chief", **asked),
        start(cluster, "worker", output_dir=tmp_path / "other", **asked),
    ]
    assert [machine.wait() for machine in machines] == [1, 1]
    starts = ", ".join(
        f"{name} 0 ({cluster[name][0]}) from step {step}"
        for name, step in (("chief", 3), ("worker", 0))
    )
    for machine in machines:
        assert machine.errors == [
            f"error: the machines do not start from the same step: {starts}; every "
            "machine must see the same output_dir"
        ]
    assert saved_steps(tmp_path / "model")[-1] == 3
