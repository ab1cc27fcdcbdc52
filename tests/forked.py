"""Scripts as processes that cost no import of TensorFlow: forked from one that has it.

`Popen` and `run` are those of `subprocess` for commands of this Python, that is
`[sys.executable, "run_ner.py", ...]` or `[sys.executable, "-m", "tests.x", ...]`.
What they are forked from, `python -m tests.forked SOCKET`, is started once by each
process of tests. What is read when Python or TensorFlow starts (PYTHONIOENCODING,
TF_CPP_MIN_LOG_LEVEL) is as it was there: tests of such things, and of each script
once, start a process of their own.

Graphs run as they were built, with TensorFlow's own kernels: on ten steps of a small
model it takes a quarter of a run's time to rewrite them, and oneDNN a sixth to compile
its kernels. A process with OPTIMIZED in its environment has graphs rewritten, as users
have; one that is not forked has both.
"""

from __future__ import annotations

import array
import atexit
import functools
import gc
import importlib
import json
import os
import pathlib
import runpy
import signal
import socket
import subprocess
import sys
import threading

REPO = pathlib.Path(__file__).resolve().parent.parent
# The imports that are made before.
_PREPARED = ("albert.tasks.finetuning", "albert.tasks.ner.task", "albert.serving")
OPTIMIZED = "TESTS_OPTIMIZE_GRAPHS"
_WITHOUT_ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "0"}  # read when TensorFlow is imported


class _Server:
    """The process that is forked, and the way to it."""

    def __init__(self):
        self._socket, other = socket.socketpair()
        self._pid = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(other.fileno())],
            cwd=REPO,
            env={**os.environ, **_WITHOUT_ONEDNN},
            pass_fds=[other.fileno()],
        )
        other.close()
        atexit.register(self.close)

    def ask(self, request, files=()):
        data = (json.dumps(request) + "\n").encode()
        numbers = array.array("i", files)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)] if files else []
        sent = self._socket.sendmsg([data], rights)
        self._socket.sendall(data[sent:])
        answer = b""
        while not answer.endswith(b"\n"):
            part = self._socket.recv(1 << 16)
            if not part:
                raise RuntimeError("the process that tests are forked from has ended")
            answer += part
        return json.loads(answer)

    def close(self):
        if os.getpid() == self._pid:  # not in a copy of this process
            self._socket.close()
            self._process.wait()


@functools.cache
def _find_server():
    return _Server()


class Popen(subprocess.Popen):
    """A process that is the child of another; see the module."""

    def _execute_child(
        self,
        args,
        executable,
        preexec_fn,
        close_fds,
        pass_fds,
        cwd,
        env,
        startupinfo,
        creationflags,
        shell,
        p2cread,
        p2cwrite,
        c2pread,
        c2pwrite,
        errread,
        errwrite,
        *_,
    ):
        python, *command = map(os.fspath, args)
        assert python == sys.executable
        assert preexec_fn is None
        request = {
            "command": command,
            "cwd": os.fspath(cwd or os.getcwd()),
            "env": dict(os.environ if env is None else env),
        }
        ends = (p2cread, c2pwrite, errwrite)
        files = [own if end == -1 else end for own, end in enumerate(ends)]
        self.pid = _find_server().ask(request, files)
        self._child_created = True
        for end, other in zip(ends, (p2cwrite, c2pread, errread)):
            if end != -1 and other != -1:  # a pipe's
                os.close(end)

    def _try_wait(self, wait_flags):
        return tuple(_find_server().ask({"wait": self.pid, "flags": wait_flags}))

    def _internal_poll(self, _deadstate=None, **_):
        if self.returncode is None and self._child_created:
            try:
                pid, status = self._try_wait(os.WNOHANG)
            except (OSError, RuntimeError):
                return _deadstate
            if pid == self.pid:
                self._handle_exitstatus(status)
        return self.returncode


def run(command, *, input=None, capture_output=False, timeout=None, check=False, **how):
    """See `subprocess.run`."""
    if capture_output:
        how.update(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if input is not None:
        how["stdin"] = subprocess.PIPE
    with Popen(command, **how) as process:
        try:
            stdout, stderr = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
    if check:
        done.check_returncode()
    return done


# --- The process that is forked --------------------------------------------------


def run_graphs_as_built() -> None:
    """Have the sessions of training and evaluation leave graphs as they are."""
    from albert.training import replicas

    configure = replicas._session_config

    def configure_plainly(*devices):
        config = configure(*devices)
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        return config

    replicas._session_config = configure_plainly


def _become(request, files) -> None:
    """Become the process that is asked for; ends as its script does."""
    for own, file in enumerate(files):
        os.dup2(file, own)
    for file in files:
        os.close(file)
    # Opened anew: a stream remembers whether what it was opened on can seek.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        old = getattr(sys, name)
        how = {"encoding": old.encoding, "errors": old.errors, "closefd": False}
        buffering = 1 if name == "stderr" else -1
        stream = open(old.fileno(), mode, buffering, **how)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["env"])
    if OPTIMIZED not in request["env"]:
        run_graphs_as_built()
    os.chdir(request["cwd"])
    script, *arguments = request["command"]
    if script == "-c":
        sys.argv = ["-c", *arguments[1:]]
        exec(arguments[0], {"__name__": "__main__"})
    elif script == "-m":
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [script, *arguments]
        runpy.run_path(script, run_name="__main__")


def _end_quickly(script, *arguments) -> None:
    """Run a script, and end as Python does, but do not take TensorFlow down by parts.

    That takes 0.2 s. What ends otherwise than by `sys.exit` ends as ever.
    """
    status = 0
    try:
        script(*arguments)
    except SystemExit as end:
        if not isinstance(end.code, (int, type(None))):
            raise
        status = end.code or 0
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _receive(server):
    """Return the next request and its files; None where there is no more."""
    data, ancillary, _, _ = server.recvmsg(1 << 16, socket.CMSG_SPACE(3 * 4))
    numbers = array.array("i")
    for _, _, value in ancillary:
        numbers.frombytes(value)
    while data and not data.endswith(b"\n"):
        data += server.recv(1 << 16)
    return (json.loads(data), list(numbers)) if data else None


def main(file: int) -> None:
    """Serve requests, one a line, until the other side closes."""
    for name in _PREPARED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # modules are not searched for garbage again in each process
    server = socket.socket(fileno=file)
    while True:
        received = _receive(server)
        if received is None:
            return
        request, files = received
        if "wait" in request:
            answer = os.waitpid(request["wait"], request["flags"])
        else:
            answer = os.fork()
            if answer == 0:
                server.close()
                _end_quickly(_become, request, files)
                return
            for each in files:
                os.close(each)
        server.sendall((json.dumps(answer) + "\n").encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
