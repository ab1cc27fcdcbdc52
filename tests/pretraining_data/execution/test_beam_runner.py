"""Data creation on Apache Beam, started from the command line, against the local one.

The runner is Beam's DirectRunner, in one process or with workers of its own, and for
one test Beam's portable runner with a pool of workers as a cluster has it.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
import sys
import time

import pytest

from tests.beam_kit import (
    PIPELINE_OPTIONS,
    SCRIPT,
    make_command,
    make_values,
    needs_beam,
    read_tree,
    run,
    run_locally,
)


def write_json_lines(own, folder):
    """Documents in JSON lines, packed by gzip."""
    texts = (own / "abstracts.txt").read_text("utf-8").split("\n\n")
    lines = [json.dumps({"text": text}) + "\n" for text in texts]
    path = folder / "input.jsonl.gz"
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return (str(path),)


def write_words(folder):
    path = folder / "words.txt"
    path.write_text("可满足性\n形式化方法\n研究\n", encoding="utf-8")
    return str(path)


@needs_beam
@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"num_shards": 1},
        {"num_shards": 3},
        {"output_compression": "gzip", "output_file": ("a/x.tfrecord", "b/y")},
        {"text_field": "text", "input_file": None, "ngram_masking": True},
        {"jieba_user_dict": None, "whole_word_spans": "exact"},
        {"num_shards": None, "shard_size_mb": 0.002, "non_chinese": True},
    ],
    ids=["one", "three", "gzip", "json", "words", "by_size"],
)
def test_records_and_metadata_are_those_of_the_local_runner(
    repo, own, tmp_path, monkeypatch, changes
):
    if "input_file" in changes:
        changes = {**changes, "input_file": write_json_lines(own, tmp_path)}
    if "jieba_user_dict" in changes:
        changes = {**changes, "jieba_user_dict": write_words(tmp_path)}
    values = {k: v for k, v in make_values(own, **changes).items() if v is not None}
    expected, report = run_locally(tmp_path / "local", values, monkeypatch)
    folder = tmp_path / "beam"
    for name in values["output_file"]:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
    done = run(repo, folder, values)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert read_tree(folder) == expected
    assert f"{report.counts['instances']} instances" in done.stdout
    assert f"read {report.counts['documents']} documents" in done.stdout
    assert done.stdout.count("\nfirst   ") == 3
    if values.get("num_shards") is None:
        assert len(expected) > 4  # record files and metadata of several shards


@needs_beam
@pytest.mark.slow
def test_workers_in_processes_of_their_own(repo, own, tmp_path, monkeypatch):
    values = make_values(own)
    expected, _ = run_locally(tmp_path / "local", values, monkeypatch)
    (tmp_path / "beam").mkdir()
    done = run(
        repo,
        tmp_path / "beam",
        values,
        "--runner=DirectRunner",
        *("--direct_running_mode", "multi_processing"),
        "--direct_num_workers=2",
    )
    assert done.returncode == 0, done.stderr
    assert read_tree(tmp_path / "beam") == expected


def wait_until_open(port, process):
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        with socket.socket() as client:
            if client.connect_ex(("localhost", port)) == 0:
                return
        time.sleep(0.1)


@needs_beam
@pytest.mark.slow
def test_a_pool_of_workers_that_stands_elsewhere(repo, own, tmp_path, monkeypatch):
    """As on a Flink cluster; the pool has another folder, and no TensorFlow."""
    values = make_values(own)
    expected, _ = run_locally(tmp_path / "local", values, monkeypatch)
    folder, elsewhere = tmp_path / "beam", tmp_path / "elsewhere"
    folder.mkdir(), elsewhere.mkdir()
    (elsewhere / "tensorflow.py").write_text("raise ImportError\n")
    with socket.socket() as server:
        server.bind(("localhost", 0))
        port = server.getsockname()[1]
    module = "apache_beam.runners.worker.worker_pool_main"
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    pool = subprocess.Popen(
        [sys.executable, "-m", module, f"--service_port={port}"],
        cwd=elsewhere,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(elsewhere)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_open(port, pool)
        done = run(
            repo,
            folder,
            values,
            "--runner=PortableRunner",
            "--job_endpoint=embed",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{port}",
        )
    finally:
        pool.terminate()
        pool.wait(timeout=60)
    assert done.returncode == 0, done.stderr
    assert read_tree(folder) == expected
    assert os.listdir(elsewhere) == ["tensorflow.py"]


@needs_beam
@pytest.mark.slow
def test_an_object_store_holds_the_same_records(repo, own, tmp_path, monkeypatch):
    values = make_values(own)
    expected, _ = run_locally(tmp_path / "local", values, monkeypatch)
    box = tmp_path / "box"
    box.mkdir()
    (box / "out%tf_a-00000-of-00003.tfrecord").write_bytes(b"of before")
    values["output_file"] = ("box://out/tf_a.tfrecord",)
    environment = {**os.environ, "BOX": str(box)}
    command = make_command(repo, "import tests.object_store")
    options = {"command": command, "env": environment}
    done = run(repo, tmp_path, values, **options)
    assert done.returncode == 0, done.stderr
    found = {name.replace("out%", ""): data for name, data in read_tree(box).items()}
    assert sorted(found) == sorted(expected)
    for name, data in expected.items():
        if name.endswith(".json"):
            data = data.replace(b'"tf_a.tfrecord"', b'"box://out/tf_a.tfrecord"')
        assert found[name] == data
    refused = run(repo, tmp_path, values, "--resume", command=command, env=environment)
    assert refused.returncode == 1
    assert "--resume needs an --output_file in a folder" in refused.stderr


@needs_beam
def test_beam_knows_the_options_that_the_documents_name():
    from apache_beam.options.pipeline_options import PipelineOptions

    assert PIPELINE_OPTIONS - set(PipelineOptions([]).get_all_options()) == set()


def documented_command(document):
    """Return the shell block of a document that runs on this machine."""
    blocks = re.findall(r"```bash\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
    (block,) = [b for b in blocks if SCRIPT in b and "direct_num_workers" in b]
    return block


@needs_beam
@pytest.mark.slow
def test_the_documented_command(repo, tmp_path):
    command = documented_command(repo / "docs/beam.md")
    for name in ("tools", "examples", "albert_config"):
        (tmp_path / name).symlink_to(repo / name)
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command.replace("python3", "python")],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    names = os.listdir(tmp_path / "example_output" / "beam")
    assert len([name for name in names if name.endswith(".tfrecord")]) == 4
    assert len(names) == 8
