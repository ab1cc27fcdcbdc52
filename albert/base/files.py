"""Finding input files, and outputs that appear whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import gzip
import json
import os
import shutil
import zlib
from typing import IO, Any, Callable, Iterator, Sequence

from albert.base import settings
from albert.base.errors import UserError


def expand_globs(patterns: str | Sequence[str], flag: str) -> list[str]:
    """Return the files that comma-separated names and globs stand for, `~` expanded.

    Args:
        patterns: "a.txt,b*.txt", or a sequence of such strings. A name that exists
            as it stands is taken literally, so brackets in names do no harm.
        flag: the flag's name, for the message.

    Returns:
        Paths in the order of the patterns, sorted inside each glob. A file comes once,
        by the first name given, however many spellings or links name it.

    Raises:
        UserError: a pattern matches no file, names a folder, or nothing was given.
    """
    if isinstance(patterns, str):
        patterns = [patterns]
    names = [name.strip() for part in patterns for name in part.split(",")]
    names = [expand_home(name, flag) for name in names if name]
    if not names:
        raise UserError(f"--{flag}: no file given")
    found: list[str] = []
    for name in names:
        matches = [name] if os.path.exists(name) else sorted(glob.glob(name))
        if not matches:
            kind = "no file matches" if glob.has_magic(name) else "no such file:"
            raise UserError(f"--{flag}: {kind} {name}")
        found.extend(matches)
    for path in found:
        if os.path.isdir(path):
            raise UserError(f"--{flag}: {path} is a folder, not a file")
    once: dict[str, str] = {}
    for path in found:
        once.setdefault(os.path.realpath(path), path)
    return list(once.values())


def expand_home(path: str, flag: str) -> str:
    """Return a path with its leading `~` or `~user` expanded.

    Raises:
        UserError: there is no such user, nor anything of that very name.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and not os.path.exists(expanded):
        user = expanded.split(os.sep)[0]
        raise UserError(
            f"--{flag}: {path}: {user} is no user's home folder; a name that begins "
            f"with ~ is given as ./{path}"
        )
    return expanded


def resolve_path(value: str, kind: str, flag: str) -> str:
    """Return what a path given by the user names, `~` expanded.

    Args:
        value: as it was given.
        kind: one of the kinds of `albert.base.settings`: inputs must exist.
        flag: the flag's name, for the message.

    Raises:
        UserError: names the flag and the file or folder that there is not.
    """
    path = expand_home(value, flag)
    if kind == settings.INPUT_FILE:
        if not os.path.exists(path):
            raise UserError(f"--{flag}: no such file: {path}")
        if os.path.isdir(path):
            raise UserError(f"--{flag}: {path} is a folder, not a file")
        if not os.access(path, os.R_OK):
            raise UserError(f"--{flag}: {path} is not readable")
    if kind == settings.INPUT_FOLDER and not os.path.isdir(path):
        wrong = "is a file" if os.path.exists(path) else "does not exist"
        raise UserError(f"--{flag}: the folder {path} {wrong}")
    return path


def check_output_file(path: str, flag: str) -> None:
    """Raise UserError unless a file can be made at `path`.

    Its folder must be writable, and what stands there a regular file: a device or a
    pipe would be replaced. A symbolic link stands for what it points to.
    """
    if os.path.isdir(path):
        raise UserError(f"--{flag}: {path} is a folder, not a file name")
    if _is_special(path):
        raise UserError(f"--{flag}: {path} is a device, a pipe or a socket, no file")
    folder = os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path)
    folder = folder or "."
    if not os.path.isdir(folder):
        raise UserError(f"--{flag}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"--{flag}: the folder {folder} is not writable")


def _is_special(path: str) -> bool:
    """Whether something stands at `path` that cannot be replaced by a file."""
    return os.path.exists(path) and not os.path.isfile(path)


@contextlib.contextmanager
def atomic_path(path: str) -> Iterator[str]:
    """Yield a temporary name beside `path`; rename it to `path` on success.

    A symbolic link stays, and what it points to is replaced.

    On any exception, an interrupt included, the temporary file is removed and
    whatever stood at `path` before stays as it was.

    Raises:
        UserError: `path` is a folder, a device, a pipe or a socket.
    """
    if _is_special(path):
        raise UserError(f"{path} is no regular file: it is not replaced")
    path = os.path.realpath(path)
    temporary = f"{path}.tmp-{os.getpid()}"
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def open_binary(path: str) -> IO[bytes]:
    """Open a file to be read, decompressed where it begins as gzip does."""
    file = open(path, "rb")  # noqa: SIM115
    if file.peek(2)[:2] != b"\x1f\x8b":
        return file
    file.close()
    return gzip.open(path, "rb")


@contextlib.contextmanager
def say_what_is_damaged(path: str) -> Iterator[None]:
    """Turn the errors of decompression into a UserError that names the file."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from error


def read_lines(
    path: str, advance: Callable[[int], object] = lambda size: None
) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 text file, plain or gzip, without their line ends.

    Lines end at `\n` or `\r\n` alone: characters that Unicode or Python calls line
    ends (U+2028, form feed) stay text. A byte order mark at the start is dropped.

    Args:
        path: the file.
        advance: called with how many bytes of the file, as it is stored, were read
            since the last call; in all its size, or a little less under gzip.

    Raises:
        UserError: a line is not UTF-8; the message names file and line. A gzip file
            is damaged.
        OSError: the file cannot be opened or read.
    """
    with open_binary(path) as file:
        yield from decode_lines(file, path, advance)


def decode_lines(
    file: IO[bytes], name: str, advance: Callable[[int], object] = lambda size: None
) -> Iterator[str]:
    """Yield the lines of an open file, such as standard input; see `read_lines`.

    Args:
        file: plain, or what unpacks gzip.
        name: of the file, for messages.
        advance: see `read_lines`.
    """
    stored = getattr(file, "fileobj", None)  # what gzip unpacks
    if stored is not None and not stored.seekable():
        stored = None
    done = 0
    with say_what_is_damaged(name):
        for number, line in enumerate(file, start=1):
            size = len(line) if stored is None else stored.tell() - done
            advance(size)
            done += size
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(f"{name}: line {number} is not UTF-8") from error
            yield text.rstrip("\r\n")


def write_text(path: str, text: str) -> None:
    """Write UTF-8 text to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def write_json(path: str, value: Any) -> None:
    """Write `value` as readable UTF-8 JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: str) -> Any:
    """Return the JSON value in `path`; UserError where it is not JSON in UTF-8."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    return parse_json(text, path)


def parse_json(text: str, where: str) -> Any:
    """Return the value of a JSON text; UserError, which begins with `where`, if none.

    Python's reader calls itself for each level, so that a text of some thousand
    brackets ends in a RecursionError.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{where} is not JSON: {error}") from error
    except RecursionError as error:
        raise UserError(f"{where} is JSON nested too deeply to be read") from error
    except ValueError as error:  # Python reads integers of up to 4,300 digits
        raise UserError(
            f"{where} holds a number that is too long to be read"
        ) from error


def replace_folder(source: str, target: str) -> None:
    """Rename the folder `source` to `target`, removing what stood there before."""
    retired = f"{target}.old-{os.getpid()}"
    if os.path.exists(target):
        os.rename(target, retired)
    os.rename(source, target)
    shutil.rmtree(retired, ignore_errors=True)


def _missing_folders(folder: str) -> list[str]:
    """Return those of a folder and its parents that do not exist, innermost first."""
    missing = []
    folder = os.path.abspath(folder)
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


@contextlib.contextmanager
def making_folder(folder: str) -> Iterator[None]:
    """Make a folder and its parents where they are missing; remove those left empty."""
    made = _missing_folders(folder)
    os.makedirs(folder, exist_ok=True)
    try:
        yield
    finally:
        for path in made:
            with contextlib.suppress(OSError):  # it holds something
                os.rmdir(path)
