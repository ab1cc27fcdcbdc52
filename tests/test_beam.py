"""Data creation on Apache Beam, started from the command line, against the local one.

The runner is Beam's DirectRunner, in one process or with workers of its own, and for
one test Beam's portable runner with a pool of workers as a cluster has it.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from albert.config.pretraining_data import PretrainingDataConfig
from albert.data import runner

SCRIPT = "create_pretraining_data_beam.py"
PIPELINE_OPTIONS = {  # those that the READMEs name
    *("runner", "direct_running_mode", "direct_num_workers", "setup_file"),
    *("flink_master", "flink_version", "parallelism", "sdk_worker_parallelism"),
    *("environment_type", "environment_config", "project", "region"),
    *("temp_location", "sdk_container_image", "max_num_workers"),
}
needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None,
    reason="apache_beam is not installed: pip install -e '.[beam]'",
)


@pytest.fixture
def own(testdata):
    return testdata / "pretraining_data"


def make_flags(values):
    return [
        f"--{name}={','.join(value) if isinstance(value, tuple) else value}"
        for name, value in values.items()
    ]


def run(repo, folder, values, *more, command=None, **options):
    """Run the script in `folder` with the fields of a configuration as flags."""
    command = command or [str(repo / SCRIPT)]
    return subprocess.run(
        [sys.executable, *command, *make_flags(values), *more],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        **options,
    )


def make_command(repo, preparation):
    """Return what runs the script in a Python that has run `preparation`."""
    code = (
        "import runpy, sys\n"
        "del sys.argv[0]\n"
        f"sys.path.insert(0, {str(repo)!r})\n"
        f"{preparation}\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    return ["-c", code, str(repo / SCRIPT)]


def make_values(own, **changes):
    values = {
        "input_file": (str(own / "abstracts.txt"), str(own / "odd.txt")),
        "output_file": ("tf_a.tfrecord",),
        "vocab_file": str(own / "vocab.txt"),
        "do_whole_word_mask": True,
        "dupe_factor": 2,
        "num_shards": 3,
    }
    return {**values, **changes}


def run_locally(folder, values, monkeypatch):
    """Return what the local runner writes in `folder`, and its report."""
    folder.mkdir(exist_ok=True)
    for name in values["output_file"]:
        (folder / name).parent.mkdir(exist_ok=True)
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        report = runner.create_pretraining_data(PretrainingDataConfig(**values))
    return read_tree(folder), report


def read_tree(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


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
def test_beam_knows_the_options_that_the_readmes_name():
    from apache_beam.options.pipeline_options import PipelineOptions

    assert PIPELINE_OPTIONS - set(PipelineOptions([]).get_all_options()) == set()


def readme_command(readme):
    """Return the shell block of the README that runs on this machine."""
    blocks = re.findall(r"```bash\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    (block,) = [b for b in blocks if SCRIPT in b and "direct_num_workers" in b]
    return block


@needs_beam
@pytest.mark.slow
def test_the_command_of_the_readmes(repo, tmp_path):
    command = readme_command(repo / "README.md")
    assert command == readme_command(repo / "README.zh-CN.md")
    for name in (SCRIPT, "examples", "albert_config"):
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


@needs_beam
def test_options_that_only_the_runner_knows():
    from albert.data import beam_runner

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
    from albert.data import beam_runner, planning

    monkeypatch.chdir(folder)
    config = PretrainingDataConfig(**make_values(own, num_shards=1))
    plan = planning.plan_run(config)
    staging = folder / "staging"
    staging.mkdir()
    beam_runner._deal(plan, (), str(staging))
    job = beam_runner._Job(plan, str(staging), str(folder), None)
    return beam_runner._ShardMaker(job), staging / "00000.answer"


@needs_beam
def test_a_write_that_fails_is_tried_again(own, tmp_path, monkeypatch):
    from albert.data import beam_files

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
    from albert.data import beam_files, beam_runner
    from albert.errors import UserError

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
    assert (process.returncode, error) == (1, "error: interrupted\n")
    assert os.listdir(tmp_path) == []


def test_without_beam_the_extra_is_named(repo, own, tmp_path):
    command = make_command(repo, "sys.modules['apache_beam'] = None")
    done = run(repo, tmp_path, make_values(own), command=command)
    assert done.returncode == 1
    wanted = "error: there is no module apache_beam: pip install -e '.[beam]'\n"
    assert done.stderr == wanted
