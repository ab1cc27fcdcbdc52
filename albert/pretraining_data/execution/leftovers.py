"""What earlier runs left beside the outputs: of killed ones, and of replaced ones."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
from typing import Collection, Iterator, Sequence

from albert.records import features as records
from albert.records.shard_sets import names_shard, parse_shard_name

# A temporary name ends in its process; metadata are written beside a temporary file.
_TEMPORARY = re.compile(r"\.tmp-(\d+)(\.json)?$")
_SHARD = "-[0-9][0-9][0-9][0-9][0-9]*-of-[0-9][0-9][0-9][0-9][0-9]*"


def _list_patterns(output: str) -> list[str]:
    """Return globs of the record files of any number of shards."""
    root, extension = map(glob.escape, os.path.splitext(output))
    return [f"{root}{extension}", f"{root}{_SHARD}{extension}"]


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)


def remove_leftovers(outputs: Sequence[str]) -> list[str]:
    """Remove temporary files and folders of runs that were killed; return their names.

    Args:
        outputs: as --output_file names them, without shards. A temporary name begins
            as the file that it was to become, and ends in the number of a process that
            is no more.
    """
    removed = []
    for output in outputs:
        for pattern in _list_patterns(output):
            names = glob.glob(f"{pattern}.tmp-*") + glob.glob(f"{pattern}.spool.tmp-*")
            for name in sorted(names):
                found = _TEMPORARY.search(name)
                if found and not os.path.exists(f"/proc/{found[1]}"):
                    _remove(name)
                    removed.append(name)
    return removed


def _find_replaced(output: str, made: Collection[str]) -> Iterator[str]:
    for pattern in _list_patterns(output):
        for path in sorted(glob.glob(pattern)):
            named = os.path.realpath(parse_shard_name(path).base)
            if named == os.path.realpath(output) and os.path.realpath(path) not in made:
                metadata = records.read_metadata(path)
                if metadata and names_shard(path, metadata):
                    yield path


def remove_replaced(outputs: Sequence[str], made: Collection[str]) -> list[str]:
    """Remove the shards of an older run with another number of them; return the names.

    A glob that names the new files would name them too. Only files whose own metadata
    say so are taken for shards.

    Args:
        outputs: as --output_file names them, without shards.
        made: the record files of the new run.
    """
    real = set(map(os.path.realpath, made))
    replaced = [path for output in outputs for path in _find_replaced(output, real)]
    for path in replaced:
        _remove(records.metadata_path(path))
        _remove(path)
    return replaced
