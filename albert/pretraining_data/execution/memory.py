"""How much memory a run of data creation needs, and how much there is."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Optional

from albert.pretraining_data.config import RecordsConfig
from albert.pretraining_data.record_makers import find_maker

# Measured; see the table that benchmarks/data_creation.py prints.
_PARENT_BYTES = 120e6
_ENCODER_BYTES = 220e6  # a worker with jieba's dictionary
_WORKER_BYTES = 60e6
_BYTES_OF_TEXT_FOR_A_TOKEN = 3


def estimate_worker_memory(shard_bytes: float, config: RecordsConfig) -> float:
    """Return about how many bytes a worker needs for a shard of so much text."""
    tokens = shard_bytes / _BYTES_OF_TEXT_FOR_A_TOKEN
    instances = find_maker(config).estimate_memory(config, tokens)
    return max(_ENCODER_BYTES, _WORKER_BYTES + 2 * shard_bytes + instances)


def read_available_memory(root: str = "/") -> Optional[float]:
    """Return how many bytes new processes may take; None where it cannot be told.

    Args:
        root: where proc and sys are, for tests.
    """
    found = []
    with contextlib.suppress(OSError):
        lines = pathlib.Path(root, "proc/meminfo").read_text().splitlines()
        found += [int(s.split()[1]) * 1024 for s in lines if s[:13] == "MemAvailable:"]
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
        folder = pathlib.Path(root, "sys/fs/cgroup")
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        found.append(limit - used)
    return min(found) if found else None


def describe_shortage(
    text_bytes: int,
    num_shards: int,
    num_workers: int,
    config: RecordsConfig,
    available: Optional[float],
) -> Optional[str]:
    """Return a warning where a run may need more memory than there is, or None."""
    if available is None:
        return None
    shard_bytes = text_bytes / num_shards
    each = estimate_worker_memory(shard_bytes, config)
    needed = _PARENT_BYTES + num_workers * each
    if needed <= available:
        return None
    fitting = int((available - _PARENT_BYTES) // each)
    advice = f"set --num_workers={fitting}" if fitting >= 1 else "free some memory"
    if each > _ENCODER_BYTES:
        advice += f", or --shard_size_mb below {shard_bytes / 1e6:.3g}"
    return (
        f"this run may take {needed / 1e9:.1f} GB ({num_workers} workers of "
        f"{each / 1e9:.2f} GB), but {max(available, 0) / 1e9:.1f} GB are free: {advice}"
    )
