"""Runs of tools/create_pretraining_data_beam.py, and of the local runner beside it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.execution import runner

SCRIPT = "tools/create_pretraining_data_beam.py"
PIPELINE_OPTIONS = {  # those that docs/beam.md names
    *("runner", "direct_running_mode", "direct_num_workers", "setup_file"),
    *("flink_master", "flink_version", "parallelism", "sdk_worker_parallelism"),
    *("environment_type", "environment_config", "project", "region"),
    *("temp_location", "sdk_container_image", "max_num_workers"),
}
needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None,
    reason="apache_beam is not installed: pip install -e '.[beam]'",
)


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
