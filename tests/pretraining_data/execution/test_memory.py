"""Estimates of memory, and the warning before a run that needs more."""

from __future__ import annotations

import re

import pytest

from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.execution import memory


def make_config(**changes):
    return PretrainingDataConfig(("in",), ("out",), "vocab", **changes)


def test_the_estimate_is_near_what_was_measured():
    """A worker had 275 MB for 15 MB of text with the defaults."""
    estimate = memory.estimate_worker_memory(15e6, make_config())
    assert 275e6 <= estimate <= 2 * 275e6


def test_the_estimate_grows_with_passes_and_text():
    small = memory.estimate_worker_memory(16e6, make_config(dupe_factor=10))
    assert memory.estimate_worker_memory(160e6, make_config()) > 5 * small
    more = memory.estimate_worker_memory(16e6, make_config(dupe_factor=100))
    assert more > 5 * small


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_what_is_available_is_the_least_of_machine_and_container(tmp_path):
    assert memory.read_available_memory(str(tmp_path)) is None
    write(tmp_path, "proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:   3000 kB\n")
    assert memory.read_available_memory(str(tmp_path)) == 3000 * 1024
    write(tmp_path, "sys/fs/cgroup/memory.current", "400000\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", "max\n")
    assert memory.read_available_memory(str(tmp_path)) == 3000 * 1024
    write(tmp_path, "sys/fs/cgroup/memory.max", "1000000\n")
    assert memory.read_available_memory(str(tmp_path)) == 600_000


@pytest.mark.parametrize(
    ("shard_mb", "workers", "available", "message"),
    [
        (16, 2, None, None),
        (16, 2, 1e9, None),
        (1, 8, 1e9, r"take 1.9 GB .8 workers of 0.22 GB., .*1.0 GB.* --num_workers=4$"),
        (200, 2, 1e9, "free some memory, or --shard_size_mb below 200"),
        (200, 8, 20e9, "set --num_workers=[2-7], or --shard_size_mb below 200"),
    ],
)
def test_a_shortage_says_what_to_set(shard_mb, workers, available, message):
    found = memory.describe_shortage(
        shard_mb * 40_000_000, 40, workers, make_config(), available
    )
    if message is None:
        assert found is None
    else:
        assert re.search(message, found)
