"""An object store for tests of pipelines: box://NAME, kept as files in $BOX.

It is stricter than a folder: an object is there when its writer has closed it, there
are no folders, and a rename replaces nothing.
"""

from __future__ import annotations

import io
import os

from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem

SCHEME = "box"


def file_of(path: str) -> str:
    """Return the file that holds an object."""
    return os.path.join(os.environ["BOX"], path.split("://", 1)[1].replace("/", "%"))


class _Writer(io.BytesIO):
    def __init__(self, path: str):
        super().__init__()
        self._path = path

    def close(self) -> None:
        if not self.closed:
            with open(file_of(self._path), "wb") as file:
                file.write(self.getvalue())
        super().close()


class BoxFileSystem(FileSystem):
    """What Beam finds by its scheme."""

    @classmethod
    def scheme(cls):
        return SCHEME

    def join(self, basepath, *paths):
        return "/".join([basepath, *paths])

    def split(self, path):
        return tuple(path.rsplit("/", 1))

    def mkdirs(self, path):
        pass

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        for name in os.listdir(os.environ["BOX"]):
            path = f"{SCHEME}://{name.replace('%', '/')}"
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, self.size(path))

    def create(self, path, mime_type=None, compression_type=None):
        return _Writer(path)

    def open(self, path, mime_type=None, compression_type=None):
        return open(file_of(path), "rb")

    def copy(self, source_file_names, destination_file_names):
        raise NotImplementedError

    def rename(self, source_file_names, destination_file_names):
        for source, target in zip(source_file_names, destination_file_names):
            if os.path.exists(file_of(target)):
                raise BeamIOError(f"{target} is there")
            os.rename(file_of(source), file_of(target))

    def exists(self, path):
        return os.path.exists(file_of(path))

    def size(self, path):
        return os.path.getsize(file_of(path))

    def last_updated(self, path):
        return os.path.getmtime(file_of(path))

    def checksum(self, path):
        return str(self.size(path))

    def metadata(self, path):
        return FileMetadata(path, self.size(path))

    def delete(self, paths):
        for path in paths:
            os.unlink(file_of(path))
