"""create_electra_data.py as a user runs it, and who refuses its records."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import pretraining_kit as kit
from tests.pretraining_cases import read_records

pytestmark = pytest.mark.slow


@pytest.fixture
def recorded(testdata):
    return testdata / "electra"


def run(repo, recorded, folder, *more):
    flags = {
        "input_dir": recorded / "pretraining_data/corpus",
        "output_dir": "out",
        "vocab_file": recorded / "vocab.txt",
        "max_seq_length": 32,
    }
    given = {flag.partition("=")[0][2:] for flag in more}
    words = [f"--{name}={value}" for name, value in flags.items() if name not in given]
    return subprocess.run(
        [sys.executable, str(repo / "create_electra_data.py"), *words, *more],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_one_job_of_two_is_the_recorded_one(repo, recorded, tmp_path):
    jobs = ("--num_jobs=2", "--job_id=1", "--random_seed=6")
    done = run(repo, recorded, tmp_path, *jobs)
    assert done.returncode == 0, done.stderr
    name = "pretrain_data-job-1-of-2.tfrecord"
    assert sorted(os.listdir(tmp_path / "out")) == [name, f"{name}.json"]
    expected = recorded / "pretraining_data/records/two_jobs_job1.tfrecord"
    assert read_records(tmp_path / "out" / name) == read_records(expected)
    assert "wrote 10 examples" in done.stdout
    assert "80.0% of them have two segments" in done.stdout  # 8 of 10 are recorded


def read_folder(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tfrecord")}


def test_shards_of_workers_are_equal_and_resume_keeps_them(repo, recorded, tmp_path):
    shards = "--num_shards=3"
    alone = run(repo, recorded, tmp_path, shards, "--num_workers=1", "--output_dir=a")
    assert alone.returncode == 0, alone.stderr
    both = run(repo, recorded, tmp_path, shards, "--num_workers=2", "--output_dir=b")
    assert both.returncode == 0, both.stderr
    made = read_folder(tmp_path / "a")
    assert len(made) == 3
    assert read_folder(tmp_path / "b") == made
    lost = tmp_path / "b/pretrain_data-00001-of-00003.tfrecord"
    kept = tmp_path / "b/pretrain_data-00002-of-00003.tfrecord"
    lost.unlink()
    before = kept.stat().st_mtime_ns
    resume = (shards, "--output_dir=b", "--resume")
    again = run(repo, recorded, tmp_path, *resume, "--num_workers=1")
    assert "2 shards were finished before and were kept" in again.stdout
    assert read_folder(tmp_path / "b") == made
    assert kept.stat().st_mtime_ns == before
    other = run(repo, recorded, tmp_path, *resume, "--variant=chinese_electra")
    assert other.returncode == 1
    assert "was made with --variant 'google', but now it is 'chine" in other.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input_dir=gone"], "--input_dir: the folder gone does not exist"),
        (["--input_file=gone.txt"], "--input_file: no such file: gone.txt"),
        (["--input_dir=", "--input_file=gbk.txt"], "gbk.txt: line 2 is not UTF-8"),
        (["--input_dir=", "--input_file=empty.txt"], "no instances: the input files"),
        (["--output_dir=empty.txt"], "File exists: empty.txt"),
        (["--vocab_file="], "--vocab_file must be given"),
        (["--max_seq_length=4"], "max_seq_length must be at least 5, got 4"),
        (["--variant=mine"], "value should be one of <google|chinese_electra>"),
        (["--num_shards=99"], "10 documents cannot fill 99 shards"),
        (["--job_id=1"], "job_id must be below num_jobs 1, got 1"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    repo, recorded, tmp_path, flags, message
):
    (tmp_path / "gbk.txt").write_bytes("一\n".encode() + "二\n".encode("gbk"))
    (tmp_path / "empty.txt").write_text("")
    done = run(repo, recorded, tmp_path, *flags)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["empty.txt", "gbk.txt"]


def test_run_pretraining_refuses_these_records_by_name(
    repo, recorded, runner, tmp_path
):
    assert run(repo, recorded, tmp_path).returncode == 0
    records = tmp_path / "out/pretrain_data.tfrecord"
    done = runner.run(kit.make_flags(tmp_path, input_file=records))
    assert done.status == 1
    [error] = done.errors
    assert f"{records}: made by create_electra_data.py for replaced" in error
    assert not (tmp_path / "model").exists()
