"""Data creation whose processes are killed at random moments."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.pretraining_cases import read_folder

SCRIPT = "create_pretraining_data.py"


def start(repo, own, folder, *more):
    command = [
        *(sys.executable, str(repo / SCRIPT)),
        f"--input_file={own / 'abstracts.txt'}",
        f"--output_file={folder / 'tf_a.tfrecord'}",
        f"--vocab_file={own / 'vocab.txt'}",
        "--do_whole_word_mask",
        *more,
    ]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def list_children(process):
    path = f"/proc/{process.pid}/task/{process.pid}/children"
    try:
        with open(path) as file:
            return [int(number) for number in file.read().split()]
    except OSError:
        return []


def is_worker(number):
    try:
        with open(f"/proc/{number}/cmdline") as file:
            return "spawn_main" in file.read()
    except OSError:
        return False


def wait_for(process, condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
def test_a_killed_worker_ends_the_run_in_one_line(repo, own, tmp_path):
    process = start(
        repo, own, tmp_path, "--dupe_factor=3000", "--num_shards=2", "--num_workers=2"
    )
    wait_for(process, lambda: any(".tfrecord.tmp-" in n for n in os.listdir(tmp_path)))
    workers = [n for n in list_children(process) if is_worker(n)]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error.startswith("error: a worker process was killed by signal 9, as the ")
    assert error.count("\n") == 1
    assert os.listdir(tmp_path) == []


def wait_until_alone(number, folder):
    """Workers of a killed run end soon after it."""
    deadline = time.monotonic() + 30
    while any(f"tmp-{number}" in name for name in os.listdir(folder)):
        alive = [n for n in os.listdir("/proc") if n.isdigit() and is_worker(n)]
        owners = [n for n in alive if f"parent_pid={number}" in read_command(n)]
        if not owners:
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read_command(number):
    try:
        with open(f"/proc/{number}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
def test_twenty_kills_and_resuming_equal_an_undisturbed_run(repo, own, tmp_path):
    flags = ("--non_chinese", "--dupe_factor=120", "--num_shards=6")
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir(), folder.mkdir()
    began = time.monotonic()
    process = start(repo, own, undisturbed, *flags, "--num_workers=1")
    assert process.wait(timeout=60) == 0
    duration = time.monotonic() - began
    expected = read_folder(undisturbed)
    rng = random.Random(11)
    kills, finished, interrupted = 0, 0, 0
    while kills < 20:
        workers = f"--num_workers={1 + (kills % 4 == 3)}"
        process = start(repo, own, folder, *flags, "--resume", workers)
        try:
            process.wait(timeout=rng.uniform(0.2, 1.0) * duration)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            wait_until_alone(process.pid, folder)
            kills += 1
            interrupted += any("tmp" in name for name in os.listdir(folder))
            continue
        assert process.returncode == 0, process.stderr.read()
        assert read_folder(folder) == expected
        finished += 1
        shutil.rmtree(folder)
        folder.mkdir()
    assert interrupted >= 3
    process = start(repo, own, folder, *flags, "--resume", "--num_workers=2")
    assert process.wait(timeout=60) == 0, process.stderr.read()
    assert read_folder(folder) == expected
