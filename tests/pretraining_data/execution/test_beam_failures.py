"""Data creation on Apache Beam that fails, is interrupted or is given wrong flags."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from albert.base.errors import UserError
from albert.pretraining_data.config import PretrainingDataConfig
from tests.beam_kit import (
    SCRIPT,
    make_command,
    make_flags,
    make_values,
    needs_beam,
    read_tree,
    run,
    run_locally,
)


@needs_beam
@pytest.mark.slow
def test_a_shard_that_fails_leaves_nothing_and_resuming_makes_it(
    repo, tmp_path, own, monkeypatch
):
    """The other shards stay, as with the local runner."""
    bad, good = "一句话。\n\n", "一句话。\n第二句话。\n\n"
    text = tmp_path / "in.txt"
    text.write_text(good + bad, encoding="utf-8")
    values = make_values(own, num_shards=2, input_file=(str(text),))
    folder = tmp_path / "beam"
    folder.mkdir()
    done = run(repo, folder, values)
    assert done.returncode == 1
    assert re.fullmatch(r"error: shard 1 \(of 2.*has one sentence.*\n", done.stderr)
    first = "tf_a-00000-of-00002.tfrecord"
    assert sorted(os.listdir(folder)) == [first, first + ".json"]

    text.write_text(good + good, encoding="utf-8")
    refused = run(repo, folder, values, "--resume")
    assert refused.returncode == 1
    assert "was made with the input's bytes" in refused.stderr
    expected, _ = run_locally(tmp_path / "local", values, monkeypatch)
    os.unlink(folder / (first + ".json"))
    assert run(repo, folder, values).returncode == 0
    os.unlink(folder / "tf_a-00001-of-00002.tfrecord")
    time_of_first = os.stat(folder / first).st_mtime_ns
    done = run(repo, folder, values, "--resume")
    assert done.returncode == 0, done.stderr
    assert "1 shards were finished before and were kept" in done.stdout
    assert os.stat(folder / first).st_mtime_ns == time_of_first
    assert read_tree(folder) == expected


@needs_beam
@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input_file=gbk.txt"], "gbk.txt: line 2 is not UTF-8"),
        (["--masked_lm_prop=0.1"], "unknown flag '--masked_lm_prop=0.1'"),
        (["--check_only"], "unknown flag '--check_only'"),
        (["--runner=NoRunner"], "pipeline options: Unexpected pipeline runner"),
        (["--num_workers=all"], "argument --num_workers: invalid int value: 'all'"),
        (["--runner", "DirectRunner", "gone.txt"], "unexpected argument 'gone.txt'"),
        (["--output_file=gs:/x"], "the folder gs: does not exist"),
        (["--output_file=nofs://x/y"], "--output_file: Unable to get filesystem"),
        (["--num_shards=40"], "17 documents cannot fill 40 shards"),
        (["--max_seq_length=4"], "max_seq_length must be at least 5, got 4"),
    ],
)
def test_errors_are_one_line(repo, own, tmp_path, flags, message):
    (tmp_path / "gbk.txt").write_bytes("一\n".encode() + "二\n".encode("gbk"))
    done = run(repo, tmp_path, make_values(own), *flags)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["gbk.txt"]


@needs_beam
@pytest.mark.slow
def test_a_cluster_that_is_not_there(repo, own, tmp_path):
    """What Beam says of it is kept; the last line is ours."""
    done = run(
        repo,
        tmp_path,
        make_values(own),
        *("--runner=PortableRunner", "--job_endpoint=localhost:1"),
        *("--job_server_timeout=1", "--environment_type=LOOPBACK"),
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert "Traceback" in done.stderr
    assert lines[-1].startswith("error: the pipeline failed; 0 of 3 shards are made")
    assert os.listdir(tmp_path) == []


@needs_beam
def test_options_that_only_the_runner_knows():
    from albert.pretraining_data.execution import beam_runner

    options, rest = beam_runner.parse_options(
        ["--runner", "FlinkRunner", "a.txt", "--parallelism=4", "--", "--only_java=5"]
    )
    assert rest == ["a.txt"]
    found = options.get_all_options(drop_default=True, retain_unknown_options=True)
    assert found["runner"] == "FlinkRunner"
    assert int(found["parallelism"]) == 4
    assert found["only_java"] == "5"


def make_maker(own, folder, monkeypatch):
    """Return what makes shard 0 of 1, and where its answer goes."""
    from albert.pretraining_data.execution import beam_runner, planning

    monkeypatch.chdir(folder)
    config = PretrainingDataConfig(**make_values(own, num_shards=1))
    plan = planning.plan_run(config)
    staging = folder / "staging"
    staging.mkdir()
    beam_runner._stage_documents(plan, (), str(staging))
    job = beam_runner._Job(plan, str(staging), str(folder), None)
    return beam_runner._ShardMaker(job), staging / "00000.answer"


@needs_beam
def test_a_write_that_fails_is_tried_again(own, tmp_path, monkeypatch):
    from albert.pretraining_data.execution import beam_files

    maker, answer = make_maker(own, tmp_path, monkeypatch)
    rename, calls = beam_files._rename, []

    def fail_at_second(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError("the network is down")
        rename(source, target)

    monkeypatch.setattr(beam_files, "_rename", fail_at_second)
    with pytest.raises(OSError, match="the network is down"):
        maker.process(0)
    assert "the network is down" in json.loads(answer.read_text("utf-8"))["error"]
    assert [path.name for path in tmp_path.iterdir()] == ["tf_a.tfrecord", "staging"]
    maker.process(0)
    assert "report" in json.loads(answer.read_text("utf-8"))
    written = os.stat("tf_a.tfrecord").st_mtime_ns
    maker.process(0)  # a runner may try a bundle again of which some is done
    assert os.stat("tf_a.tfrecord").st_mtime_ns == written
    expected, _ = run_locally(
        tmp_path / "local", make_values(own, num_shards=1), monkeypatch
    )
    assert expected["tf_a.tfrecord"] == (tmp_path / "tf_a.tfrecord").read_bytes()


@needs_beam
def test_a_write_that_fails_for_good_is_one_error(own, tmp_path, monkeypatch):
    from albert.base.errors import UserError
    from albert.pretraining_data.execution import beam_files, beam_runner

    def fail(made):
        raise OSError("the network is down")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(beam_files, "publish", fail)
    config = PretrainingDataConfig(**make_values(own, num_shards=2))
    options, _ = beam_runner.parse_options([])
    with pytest.raises(UserError, match=r"shard \d \(of 2.*the network is down"):
        beam_runner.create_pretraining_data(config, options)
    assert os.listdir(tmp_path) == []


@needs_beam
@pytest.mark.slow
def test_an_interrupt_leaves_nothing(repo, own, tmp_path):
    values = make_values(own, dupe_factor=3000, num_shards=1)
    process = subprocess.Popen(
        [sys.executable, str(repo / SCRIPT), *make_flags(values)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not os.listdir(tmp_path):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(1.5)  # until a worker is at it; it takes many seconds
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (-signal.SIGINT, "")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_without_beam_the_extra_is_named(repo, own, tmp_path):
    command = make_command(repo, "sys.modules['apache_beam'] = None")
    done = run(repo, tmp_path, make_values(own), command=command)
    assert done.returncode == 1
    wanted = "error: .*apache_beam.*: pip install -e '.\\[beam\\]'\n"
    assert re.fullmatch(wanted, done.stderr)


LOSING_METADATA = """
import os
from albert.pretraining_data.execution import beam_files
from albert.records import features as records
publish = beam_files.publish

def publish_and_lose(made):
    publish(made)
    os.unlink(records.metadata_path(made[0][1]))

beam_files.publish = publish_and_lose
"""


@needs_beam
@pytest.mark.slow
def test_a_file_that_a_second_worker_took_away_is_missed(repo, tmp_path, own):
    values = make_values(own)
    folder = tmp_path / "beam"
    folder.mkdir()
    done = run(repo, folder, values, command=make_command(repo, LOSING_METADATA))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.match(r"error: .*\.tfrecord\.json is not there, though a worker", last)


@needs_beam
def test_json_between_the_machines_that_is_damaged_is_one_line(tmp_path):
    from albert.pretraining_data.execution import beam_files

    path = tmp_path / "documents"
    for damage in ("{", "[" * 100_000):
        path.write_text(f'["text"]\n{damage}\n')
        lines = beam_files.read_json_lines(str(path))
        assert next(lines) == ["text"]
        with pytest.raises(UserError, match="documents: line 2 is .*JSON"):
            next(lines)
