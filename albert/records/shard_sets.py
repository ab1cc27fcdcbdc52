"""Whether record files are all the shards of one run of data creation, by metadata."""

from __future__ import annotations

import os
import re
from typing import Any, Mapping, NamedTuple, Optional

from absl import logging

from albert.base.compare import first_difference
from albert.base.errors import UserError

# Parameters that need not be equal: files are known by their hashes, and the size of
# shards by their number.
_FREE = frozenset(
    (
        *("input_file", "output_file", "vocab_file", "jieba_user_dict"),
        *("input_dir", "output_dir"),
        *("num_shards", "shard_size_mb"),
    )
)
_SHARD_NAME = re.compile(r"-(\d{5,})-of-(\d{5,})(?=(\.[^./]*)?$)")
_LISTED = 3  # missing files named in a message


class ShardName(NamedTuple):
    """A record file's name taken apart.

    Attributes:
        base: the name without the shard: what --output_file was.
        index, count: of the shard, 0 and 1 where the name says none.
    """

    base: str
    index: int
    count: int


def parse_shard_name(path: str) -> ShardName:
    """Return which shard of which output a file's name says it is.

    Example: out/a-00002-of-00004.tfrecord is shard 2 of 4 of out/a.tfrecord.
    """
    found = _SHARD_NAME.search(path)
    if found is None:
        return ShardName(path, 0, 1)
    base = path[: found.start()] + path[found.end() :]
    return ShardName(base, int(found[1]), int(found[2]))


def describe_run(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is the same in the metadata of all shards of one run.

    Returns:
        What it is, in words -> its value: format, version, input and the parameters
        that records depend on.
    """
    same = {name: metadata.get(name) for name in ("format", "version", "objective")}
    for part, title in (("input", "the input's {}"), ("parameters", "--{}")):
        for name, value in metadata.get(part, {}).items():
            if name not in _FREE:
                same[title.format(name)] = value
    return same


def names_shard(path: str, metadata: Mapping[str, Any]) -> bool:
    """Whether the metadata beside a file are of the shard that its name says."""
    shard = metadata.get("shard")
    if not isinstance(shard, Mapping):
        return False
    name = parse_shard_name(path)
    return (shard.get("index"), shard.get("count")) == (name.index, name.count)


def _check_same_run(
    first: str, file: str, metadata: Mapping[str, Mapping[str, Any]]
) -> None:
    runs = [
        {
            "the number of shards": metadata[path]["shard"]["count"],
            **describe_run(metadata[path]),
        }
        for path in (file, first)
    ]
    difference = first_difference(*runs)
    if difference is None:
        return
    older = min((first, file), key=os.path.getmtime)
    raise UserError(
        f"{file} and {first} are of different runs of data creation: {difference.name} "
        f"is {difference.found!r} in one, {difference.wanted!r} in the other; remove "
        f"{older}, the older one, and all that was made with it, or name the files of "
        "one run only"
    )


def _check_all_there(base: str, count: int, given: set[str], allow: bool) -> None:
    """Compare the shards of a run with the files that were given, by their real paths.

    Those that are there, but were not given, were left out on purpose.
    """
    root, extension = os.path.splitext(base)
    names = [f"{root}-{i:05d}-of-{count:05d}{extension}" for i in range(count)]
    left_out = [name for name in names if os.path.realpath(name) not in given]
    missing = [name for name in left_out if not os.path.exists(name)]
    if missing:
        more = len(missing) - _LISTED
        message = (
            f"{len(missing)} of the {count} shards of {base} are missing: "
            + ", ".join(missing[:_LISTED])
            + (f" and {more} more" if more > 0 else "")
        )
        if not allow:
            raise UserError(
                f"{message}; make them with --resume, or give --skip_corrupt_records "
                "to do without; to use a shard by itself, rename the file"
            )
        logging.warning("%s", message)
    elif left_out:
        logging.warning(
            "%d of the %d shards of %s are not among the files",
            *(len(left_out), count, base),
        )


def check_shard_sets(
    metadata: Mapping[str, Optional[Mapping[str, Any]]], allow_missing: bool = False
) -> None:
    """Stop where files of one name are of different runs, or shards are missing.

    Files without metadata, and those that were renamed, pass.

    Args:
        metadata: each record file of a run -> what lies beside it.
        allow_missing: whether missing shards are a warning only.

    Raises:
        UserError: the message names the file of another run, or the missing ones.
    """
    known = {file: m for file, m in metadata.items() if m and names_shard(file, m)}
    firsts: dict[str, str] = {}
    for file in known:
        base = os.path.realpath(parse_shard_name(file).base)
        _check_same_run(firsts.setdefault(base, file), file, known)
    given = set(map(os.path.realpath, metadata))
    for base, file in firsts.items():
        count = known[file]["shard"]["count"]
        if count > 1:
            _check_all_there(base, count, given, allow_missing)
