"""What earlier runs left beside the outputs."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from albert.pretraining_data.execution import leftovers


def end_process():
    dead = subprocess.Popen(["true"])
    dead.wait()
    return dead.pid


@pytest.mark.slow
def test_only_what_dead_processes_left_is_removed(tmp_path):
    dead = end_process()
    kept = [
        tmp_path / "x[1].b",
        tmp_path / f"x[1].b.tmp-{os.getpid()}",
        tmp_path / f"x[1].b.tmp-{os.getpid()}.json",
        tmp_path / "x[1].b.tmp-mine",
        tmp_path / f"y.b.tmp-{dead}",
        tmp_path / f"x[1].bc.tmp-{dead}",
        tmp_path / f"x[1]-a-of-b.b.tmp-{dead}",
    ]
    left = [
        tmp_path / f"x[1].b.tmp-{dead}",
        tmp_path / f"x[1].b.tmp-{dead}.json",
        tmp_path / f"x[1].b.tmp-{dead}.json.tmp-{dead}",
        tmp_path / f"x[1]-00001-of-00003.b.tmp-{dead}",
        tmp_path / f"x[1]-00001-of-00003.b.tmp-{dead}.json",
    ]
    for name in (*kept, *left):
        name.write_text("")
    spool = tmp_path / f"x[1].b.spool.tmp-{dead}"
    spool.mkdir()
    (spool / "00000").write_text("")
    removed = leftovers.remove_leftovers([str(tmp_path / "x[1].b")])
    assert sorted(removed) == sorted(map(str, (*left, spool)))
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def write_shard(path, **shard):
    path.write_bytes(b"")
    path.with_name(path.name + ".json").write_text(json.dumps({"shard": shard}))


def test_shards_of_another_number_are_replaced_and_nothing_else(tmp_path):
    new = [tmp_path / f"a-0000{n}-of-00002.b" for n in range(2)]
    old = [tmp_path / f"a-0000{n}-of-00003.b" for n in range(3)]
    for n, path in enumerate(new):
        write_shard(path, index=n, count=2)
    for n, path in enumerate(old):
        write_shard(path, index=n, count=3)
    write_shard(tmp_path / "a.b", index=0, count=1)
    write_shard(tmp_path / "other-00000-of-00003.b", index=0, count=3)
    write_shard(tmp_path / "a-00000-of-00003-x.b", index=0, count=1)
    write_shard(tmp_path / "a-00001-of-00004.b", index=0, count=1)  # renamed
    (tmp_path / "a-00000-of-00004.b").write_bytes(b"")  # without metadata
    before = set(os.listdir(tmp_path))
    output, made = f"{tmp_path}//a.b", [f"{tmp_path}/./{p.name}" for p in new]
    replaced = leftovers.remove_replaced([output], made)
    names = {os.path.basename(path) for path in replaced}
    assert names == {"a.b", *(path.name for path in old)}
    gone = before - set(os.listdir(tmp_path))
    assert gone == names | {f"{name}.json" for name in names}
