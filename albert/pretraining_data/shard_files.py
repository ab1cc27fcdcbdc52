"""One shard: documents to record files and the metadata beside each.

The function is the same on this machine, in a worker and on a cluster.
"""

from __future__ import annotations

import contextlib
import gzip
import os
from typing import IO, Any, Callable, Iterator, Mapping, NamedTuple, Sequence

import albert
from albert.base import files
from albert.base.errors import UserError
from albert.base.progress import hide_progress
from albert.pretraining_data import sharding
from albert.pretraining_data.config import RecordsConfig
from albert.pretraining_data.documents import Document, TextCounts
from albert.pretraining_data.record_maker import RecordMaker
from albert.pretraining_data.record_makers import find_maker
from albert.pretraining_data.sharding import Shard
from albert.records import features as records
from albert.records import tfrecord
from albert.text.vocabulary import Vocabulary

FORMAT = "albert_pretraining_records"
_SHOWN_INSTANCES = 3
_GZIP_LEVEL = 6


class InputId(NamedTuple):
    """What identifies the input of a run: its size, decompressed, and its hashes."""

    bytes: int
    sha256: str
    user_dict_sha256: str | None = None


class ShardReport(NamedTuple):
    """The result of making a shard.

    Attributes:
        counts: as in the metadata, see `RecordMaker.make_counts`.
        shown: three instances as text.
        output_files: the record files and the instances in each.
    """

    counts: dict[str, Any]
    shown: list[str]
    output_files: dict[str, int]


def name_outputs(config: RecordsConfig, shard: Shard) -> list[str]:
    """Return the record files of a shard, one for each of the run's."""
    return [sharding.name_shard(path, shard) for path in config.output_file]


def check_yield(
    text: TextCounts, num_instances: int, num_files: int, shard: Shard
) -> None:
    """Raise UserError where there are too few instances, saying why."""
    where = "" if shard.count == 1 else f"{shard}: "
    holder = "the shard holds" if where else "the input files hold"
    if not text.documents:
        raise UserError(f"{where}no instances: {holder} no text")
    if not num_instances:
        raise UserError(
            f"{where}no instances: each of the {text.documents} documents has one "
            "sentence, and a pair needs two; write one sentence a line, and a blank "
            "line between documents only" + ("; or make fewer shards" if where else "")
        )
    if num_instances < num_files:
        raise UserError(
            f"{where}{num_instances} instances cannot fill {num_files} output files"
        )


def describe_parameters(
    config: RecordsConfig, vocabulary: Vocabulary, shard: Shard, source: InputId
) -> dict[str, Any]:
    """Return the metadata that are known before a shard is made."""
    spec = find_maker(config).feature_spec(config)
    known = config.objective == records.MASKED_LM
    return {
        "format": FORMAT,
        "version": albert.__version__,
        **({} if known else {"objective": config.objective}),
        "parameters": config.to_dict(),
        "vocabulary": {
            "path": config.vocab_file,
            "size": len(vocabulary),
            "sha256": vocabulary.sha256,
        },
        "features": {
            name: {"dtype": dtype, "length": length} for name, dtype, length in spec
        },
        "input": source._asdict(),
        "shard": shard._asdict(),
    }


@contextlib.contextmanager
def open_records(path: str, compression: str) -> Iterator[IO[bytes]]:
    """Open a record file to be written, "none" or "gzip"; equal bytes each time."""
    with open(path, "wb") as file:
        if compression == "none":
            yield file
            return
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
            yield packed


def write_records(
    shard: Sequence[Any],
    paths: Sequence[str],
    maker: RecordMaker,
    progress: Callable = hide_progress,
) -> Any:
    """Write instances to `paths` in turn, and return the maker's counts of them."""
    spec = maker.feature_spec(maker.config)
    counts = maker.make_counter()
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(open_records(path, maker.config.output_compression))
            for path in paths
        ]
        advance = stack.enter_context(progress("writing", len(shard), "instance"))
        for index, instance in enumerate(shard):
            tokens = maker.expand(instance)
            features = maker.make_features(instance, tokens)
            data = tfrecord.frame(records.serialize(features, spec))
            writers[index % len(writers)].write(data)
            counts.add(instance, tokens)
            advance(1)
    return counts


@contextlib.contextmanager
def say_what_cannot_be_written(paths: Sequence[str]) -> Iterator[None]:
    """Turn an OSError into a UserError that names the files to be written."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {', '.join(paths)}: {error.strerror or error}; "
            "nothing was kept of it"
        ) from error


def write_shard(
    texts: Sequence[Document],
    text_counts: TextCounts,
    shard: Shard,
    temporary: Mapping[str, str],
    source: InputId,
    config: RecordsConfig,
    vocabulary: Vocabulary,
    progress: Callable = hide_progress,
) -> ShardReport:
    """Create a shard's instances, and write the records and their metadata.

    Args:
        texts: its documents.
        text_counts: what was read for them.
        shard: which one it is; its random stream follows from it and the seed.
        temporary: the name of each record file -> where to write it; its metadata go
            beside that, see `records.metadata_path`.
        source: named in the metadata.
        config: what to create.
        vocabulary: of the documents.
        progress: see `albert.base.progress.show_progress`.

    Raises:
        UserError: the documents give no instance.
        OSError: a file cannot be written, the disk being full for instance.
    """
    maker = find_maker(config)(config, vocabulary)
    with progress("creating", maker.count_passes(texts), "document") as advance:
        rng = sharding.make_random(config.random_seed, shard.index)
        made = maker.create(texts, rng, advance)
    outputs = list(temporary)
    check_yield(text_counts, len(made), len(outputs), shard)
    paths = list(temporary.values())
    written = write_records(made, paths, maker, progress)
    counts = maker.make_counts(text_counts, written)
    base = describe_parameters(config, vocabulary, shard, source)
    per_file = {
        name: len(range(index, len(made), len(outputs)))
        for index, name in enumerate(outputs)
    }
    for name, path in temporary.items():
        metadata = {
            **base,
            "counts": {**counts, "instances_in_this_file": per_file[name]},
            "file": {"bytes": os.path.getsize(path)},
        }
        files.write_json(records.metadata_path(path), metadata)
    shown = [
        maker.show(instance, maker.expand(instance))
        for instance in made[:_SHOWN_INSTANCES]
    ]
    return ShardReport(counts, shown, per_file)


@contextlib.contextmanager
def publishing(outputs: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield where to write each record file; rename them at the end, all or none.

    Metadata of before go first, and the new ones come last: whatever moment a run is
    killed at, metadata never stand beside records of another run.
    """
    temporary = {name: f"{name}.tmp-{os.getpid()}" for name in outputs}
    try:
        yield temporary
        for name, path in temporary.items():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(records.metadata_path(name))
            os.replace(path, name)
            os.replace(records.metadata_path(path), records.metadata_path(name))
    finally:
        for path in temporary.values():
            for name in (path, records.metadata_path(path)):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
