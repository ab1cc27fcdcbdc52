"""One run at a time in an output."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from albert.base.errors import UserError
from albert.base.lock import hold_folder, hold_lock

HOLD = """
import os, sys, time
from albert.base.lock import hold_folder
with hold_folder(sys.argv[1]):
    if len(sys.argv) > 2:
        there, here = os.pipe()
        if os.fork() == 0:  # a worker that outlives its parent
            os.write(here, b"1")
            time.sleep(60)
        os.read(there, 1)  # it runs, and so has let go of the lock
    print("held", os.getpid(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def owner(repo, tmp_path):
    """Start a process that holds the folder "model"; it ends with the test."""
    started = []

    def start(*more):
        folder = str(tmp_path / "model")
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, folder, *more],
            cwd=repo,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout.readline() == f"held {process.pid}\n"
        return process, folder

    yield start
    for process in started:
        with process.stdout, contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its worker, too
        process.wait()


@pytest.mark.slow
def test_a_second_run_is_told_who_works_there(owner):
    process, folder = owner()
    host = re.escape(os.uname().nodename)
    year = time.strftime("%Y")
    match = rf"--output_dir: {folder} is in use by process {process.pid} on {host} "
    match += rf"since {year}-.*: -c {folder}"
    with pytest.raises(UserError, match=match), hold_folder(folder):
        pass
    assert os.listdir(folder) == [".lock"]  # the owner's


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["with a worker"]])
def test_an_owner_that_was_killed_holds_nothing(owner, more):
    process, folder = owner(*more)
    process.kill()
    process.wait()
    assert os.listdir(folder) == [".lock"]
    with hold_folder(folder):
        pass
    assert os.listdir(folder) == []


def test_in_one_process_too_only_one_holds(tmp_path):
    path = str(tmp_path / "x.lock")
    with hold_lock(path, "x"):
        with pytest.raises(UserError, match=f"x is in use by process {os.getpid()}"):
            with hold_lock(path, "x"):
                pass
        with pytest.raises(UserError), hold_lock(path, "x"):
            pass  # that one did not free it
    with hold_lock(path, "x"):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "[1]", "{}", "[" * 100_000], ids=len)
def test_an_owner_whose_name_cannot_be_read_holds_all_the_same(tmp_path, content):
    path = tmp_path / "x.lock"
    with hold_lock(str(path), "x"):
        path.write_text(content)
        with pytest.raises(UserError, match="x is in use by another process, which"):
            with hold_lock(str(path), "x"):
                pass


def test_folders_that_were_made_for_nothing_are_removed(tmp_path):
    with pytest.raises(RuntimeError), hold_folder(str(tmp_path / "a/b")):
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    (tmp_path / "old").mkdir()
    with hold_folder(str(tmp_path / "old")):
        pass
    with hold_folder(str(tmp_path / "new")):
        (tmp_path / "new/file").write_text("")
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A lock file that is another user's: refuse opening it by these flags."""
    path = str(tmp_path / ".lock")
    opened = os.open

    def make(*refused):
        with open(path, "w"):
            inode = os.stat(path).st_ino

        def open_or_refuse(name, flags, *mode, **more):
            there = name == path and os.path.exists(path)
            mine = not there or os.stat(path).st_ino != inode
            if not mine and flags & os.O_ACCMODE in refused:
                raise PermissionError(13, "Permission denied", name)
            return opened(name, flags, *mode, **more)

        monkeypatch.setattr(os, "open", open_or_refuse)
        return path

    return make


def test_a_lock_that_another_users_run_left_is_replaced(foreign, tmp_path):
    kept = os.open(foreign(os.O_RDWR), os.O_RDONLY)  # so that no file gets its number
    with hold_folder(str(tmp_path)):
        assert f'"pid": {os.getpid()}' in (tmp_path / ".lock").read_text()
    os.close(kept)
    assert os.listdir(tmp_path) == []


def test_a_lock_that_another_users_run_holds_is_respected(foreign, tmp_path):
    kept = os.open(foreign(os.O_RDWR), os.O_RDONLY)
    fcntl.flock(kept, fcntl.LOCK_EX)
    with pytest.raises(UserError, match="is in use by"), hold_folder(str(tmp_path)):
        pass
    os.close(kept)
    assert os.listdir(tmp_path) == [".lock"]


def test_a_lock_that_cannot_be_opened_or_removed_is_named(
    foreign, tmp_path, monkeypatch
):
    path = foreign(os.O_RDWR, os.O_RDONLY)
    with pytest.raises(UserError, match=f"{path} is a lock of another user's run"):
        with hold_folder(str(tmp_path)):
            pass

    def refuse(path):
        raise PermissionError(1, "Operation not permitted", path)

    foreign(os.O_RDWR)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(UserError, match=f"{path} was left by another user's run"):
        with hold_folder(str(tmp_path)):
            pass
