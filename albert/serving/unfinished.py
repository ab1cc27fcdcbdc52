"""Results that appear whole or not at all, and may be gone on with.

While results of NAME are written they are in NAME.partial, and NAME.partial.json says
how much of that is whole, of how much of the input. A killed run leaves both; another
goes on from there, with the bytes that it would have written itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Optional

from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.base.lock import hold_lock


class Progress(NamedTuple):
    """How far results have come.

    Attributes:
        items: how many items of the input are done.
        input_sha256: of these items.
        size: bytes of the results, which end with a whole one.
        totals: what the writer of the results counts.
    """

    items: int
    input_sha256: str
    size: int
    totals: Mapping[str, Any]


class InputHash:
    """A running hash of the lines of the input."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, lines: Iterable[str]) -> None:
        """Add the lines of an item."""
        for line in lines:
            self._hash.update(line.encode("utf-8", "surrogatepass") + b"\n")

    def value(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()


class Unfinished:
    """The file that results are added to; see `open_unfinished`."""

    def __init__(self, path: str, settings: Mapping[str, Any], resume: bool):
        self._path = path
        self._settings = settings
        self._state_path = f"{partial_path(path)}.json"
        self.progress: Optional[Progress] = self._read_state() if resume else None
        mode = "r+b" if self.progress else "wb"
        self._file = open(partial_path(path), mode)  # noqa: SIM115
        if self.progress:
            self._file.truncate(self.progress.size)
            self._file.seek(self.progress.size)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._state_path)

    def _read_state(self) -> Optional[Progress]:
        """Return how far an earlier run came; None if there is none to go on with."""
        partial = partial_path(self._path)
        if not (os.path.exists(self._state_path) and os.path.exists(partial)):
            return None
        state = files.read_json(self._state_path)
        try:
            progress, before = Progress(**state["progress"]), state["settings"]
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{self._state_path} does not hold the state of a run: leave out "
                "--resume to begin anew"
            ) from error
        for name, value in self._settings.items():
            if before.get(name) != value:
                raise UserError(
                    f"--resume: {partial} was made with {name} {before.get(name)!r}, "
                    f"now it is {value!r}; leave out --resume to begin anew"
                )
        if os.path.getsize(partial) < progress.size:
            logging.warning("%s is cut short: beginning anew", partial)
            return None
        return progress

    def write(self, text: str) -> None:
        """Add text."""
        self._file.write(text.encode("utf-8"))

    def keep(self, items: int, input_sha256: str, totals: Mapping[str, Any]) -> None:
        """Make what was written outlast a killed run; see `Progress`."""
        self._file.flush()
        os.fsync(self._file.fileno())
        progress = Progress(items, input_sha256, self._file.tell(), totals)
        state = {"settings": self._settings, "progress": progress._asdict()}
        files.write_json(self._state_path, state)

    def finish(self) -> None:
        """Give the results their name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(partial_path(self._path), os.path.realpath(self._path))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._state_path)

    def close(self) -> None:
        """Close the file; remove it if nothing would be gone on with."""
        self._file.close()
        if not os.path.exists(self._state_path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial_path(self._path))


def partial_path(path: str) -> str:
    """Return where the results of `path` are while they are unfinished."""
    return f"{os.path.realpath(path)}.partial"


@contextlib.contextmanager
def open_unfinished(
    path: str, settings: Mapping[str, Any], resume: bool
) -> Iterator[Unfinished]:
    """Yield the file of the results of `path`, for this process alone.

    Args:
        path: what it is called once finished.
        settings: what the results depend on, ready for JSON; a run goes on only with
            results of the same.
        resume: whether to go on.

    Raises:
        UserError: another process writes there; the results are of other settings.
    """
    with hold_lock(f"{partial_path(path)}.lock", f"--output_file: {path}"):
        unfinished = Unfinished(path, settings, resume)
        try:
            yield unfinished
        finally:
            unfinished.close()
