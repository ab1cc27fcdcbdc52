"""Which shards of an earlier run are finished and are what a run would make."""

from __future__ import annotations

import os
from typing import Any, Mapping, Optional, Sequence

from albert.base.compare import first_difference
from albert.base.errors import UserError
from albert.pretraining_data.shard_files import ShardReport
from albert.records import features as records
from albert.records.shard_sets import describe_run
from albert.text.vocabulary import Vocabulary


def _describe_shard(
    metadata: Mapping[str, Any], vocabulary: Vocabulary
) -> dict[str, Any]:
    """Return what a shard was made of: what it is, in words -> its value."""
    sha256 = metadata.get("vocabulary", {}).get("sha256")
    if sha256 == vocabulary.file_sha256:  # of the file, as earlier versions named it
        sha256 = vocabulary.sha256
    return {
        **describe_run(metadata),
        "shard": metadata.get("shard"),
        "the vocabulary's sha256": sha256,
    }


def find_finished(
    outputs: Sequence[str], wanted: Mapping[str, Any], vocabulary: Vocabulary
) -> Optional[ShardReport]:
    """Return what was made of a shard, None where it is to be made again.

    Args:
        outputs: the record files of the shard.
        wanted: see `shard_files.describe_parameters`.
        vocabulary: the one that `wanted` names.

    Raises:
        UserError: it was made of other input or with other flags; the message names
            the first difference.
    """
    per_file = {}
    counts: dict[str, Any] = {}
    for path in outputs:
        metadata = records.read_metadata(path)
        if metadata is None or not os.path.exists(path):
            return None
        difference = first_difference(
            _describe_shard(metadata, vocabulary), _describe_shard(wanted, vocabulary)
        )
        if difference:
            raise UserError(
                f"--resume: {path} was made with {difference.name} "
                f"{difference.found!r}, but now it is {difference.wanted!r}; use the "
                "flags and input of before, or leave out --resume to make all shards "
                "again"
            )
        if metadata.get("file", {}).get("bytes") != os.path.getsize(path):
            return None
        # Not every earlier version has counted what is truncated.
        counts = {"truncated_sentences": 0, **metadata["counts"]}
        per_file[path] = counts.pop("instances_in_this_file")
    return ShardReport(counts, [], per_file)
