"""Files of a pipeline, in a folder that its machines share or in an object store.

All goes through Beam's FileSystems, so any system that it knows will do: gs://, s3://,
hdfs:// and plain paths.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import uuid
from typing import Any, Callable, Iterator, Optional, Sequence

from absl import logging
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from albert.base import files
from albert.base.errors import UserError
from albert.pretraining_data.execution import spool
from albert.records import features as records

_PLAIN = CompressionTypes.UNCOMPRESSED


def is_local(path: str) -> bool:
    """Whether `path` is plain, without gs:// or the like."""
    return FileSystems.get_scheme(path) is None


def check_output_file(path: str, flag: str) -> None:
    """Raise UserError unless a file can be made at `path`, as far as can be told."""
    if is_local(path):
        files.check_output_file(path, flag)
        return
    try:
        FileSystems.get_filesystem(path)
    except ValueError as error:
        raise UserError(f"--{flag}: {error}") from error


def encode_json(value: Any) -> bytes:
    """Return a value as one line of JSON."""
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()


def read_json_lines(path: str) -> Iterator[Any]:
    """Yield the values that `encode_json` made.

    Raises:
        UserError: a line is no JSON: the file was damaged since.
    """
    with FileSystems.open(path, compression_type=_PLAIN) as file:
        for number, line in enumerate(file, start=1):
            yield files.parse_json(line.decode(), f"{path}: line {number}")


def read_json(path: str) -> Optional[Any]:
    """Return the value in a file, None where there is no file."""
    return next(read_json_lines(path)) if FileSystems.exists(path) else None


def write_json(path: str, value: Any) -> None:
    """Write a value, whole or not at all."""
    temporary = path + _make_mark()
    with FileSystems.create(temporary, compression_type=_PLAIN) as file:
        file.write(encode_json(value))
    _rename(temporary, path)


def _make_mark() -> str:
    """Return the end of a temporary name, as `spool.remove_leftovers` knows it."""
    return f".tmp-{uuid.uuid4().int}"


def _copy(source: str, target: str) -> None:
    with FileSystems.open(source, compression_type=_PLAIN) as reader:
        with FileSystems.create(target, compression_type=_PLAIN) as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)


def _remove(path: str) -> None:
    if not FileSystems.exists(path):
        return
    if is_local(path):  # FileSystems.delete would take a [ in a name for a pattern
        os.unlink(path)
    else:
        FileSystems.delete([path])


def _rename(source: str, target: str) -> None:
    if not is_local(target):  # some systems do not replace
        _remove(target)
    FileSystems.rename([source], [target])


def publish(made: Sequence[tuple[str, str]]) -> None:
    """Bring record files and the metadata beside each to their place, each pair whole.

    As with `shard_files.publishing`, metadata never stand beside records of another
    run. Two machines that make the same shard at once publish the same bytes; one that
    is killed meanwhile can leave a pair incomplete, see `find_missing`.

    Args:
        made: where a record file is, and where it shall be.
    """
    mark = _make_mark()
    name = records.metadata_path
    try:
        for source, target in made:
            _copy(source, target + mark)
            _copy(name(source), name(target) + mark)
        for _, target in made:
            _remove(name(target))
            _rename(target + mark, target)
            _rename(name(target) + mark, name(target))
    finally:
        for _, target in made:
            for path in (target + mark, name(target) + mark):
                with contextlib.suppress(OSError):
                    _remove(path)


def find_missing(outputs: Sequence[str]) -> list[str]:
    """Return which record files, or metadata beside them, are not there."""
    wanted = [p for path in outputs for p in (path, records.metadata_path(path))]
    return [path for path in wanted if not FileSystems.exists(path)]


def _remove_folder(folder: str) -> None:
    try:
        found = FileSystems.match([FileSystems.join(folder, "*")])[0].metadata_list
        FileSystems.delete([file.path for file in found])
        if FileSystems.exists(folder):  # an object store has no folders
            FileSystems.delete([folder])
    except OSError as error:
        logging.warning("%s could not be removed: %s", folder, error)


@contextlib.contextmanager
def open_staging(output: str, fill: Callable[[str], None]) -> Iterator[str]:
    """Yield a new folder beside `output`; remove it with all in it at the end.

    Args:
        output: a file.
        fill: called with a folder of this machine, whose files are then there.
    """
    if is_local(output):
        with spool.open_spool(os.path.abspath(output)) as folder:
            fill(folder)
            yield folder
        return
    target = f"{output}.spool{_make_mark()}"
    FileSystems.mkdirs(target)
    try:
        with tempfile.TemporaryDirectory() as folder:
            fill(folder)
            for name in sorted(os.listdir(folder)):
                path = os.path.join(folder, name)
                _copy(path, FileSystems.join(target, name))
                os.unlink(path)
        yield target
    finally:
        _remove_folder(target)
