"""Worker processes: results in the order of the tasks, and an error for a dead worker.

Processes are started anew ("spawn") instead of forked: they inherit neither locks nor
memory, whatever the parent has loaded.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
import traceback
from multiprocessing import connection
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from albert.base.errors import UserError

_TASKS_AHEAD = 2  # for each worker: finished tasks that wait for an earlier one

MakeFunction = Callable[..., Callable[[Any], Any]]


class Task(NamedTuple):
    """What to call a worker's function with, and how an error names it."""

    label: str
    payload: Any


class _Reply(NamedTuple):
    """A worker's answer: a result or an error, and its peak memory in bytes."""

    result: Any
    error: Exception | None
    peak_memory: int


class _Worker(NamedTuple):
    process: multiprocessing.Process
    pipe: connection.Connection


def read_peak_memory() -> int:
    """Return the most memory that this process has had resident, in bytes."""
    with contextlib.suppress(OSError):
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _exit_with_parent() -> None:
    """End this process when its parent is gone, killed without a chance to say so."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _run_task(function: Callable[[Any], Any], payload: Any) -> _Reply:
    result, error = None, None
    try:
        result = function(payload)
    except (UserError, OSError) as caught:
        error = caught
    except Exception:  # a defect: its traceback would be lost on the way
        error = RuntimeError("in a worker process:\n" + traceback.format_exc())
    return _Reply(result, error, read_peak_memory())


def _serve(
    pipe: connection.Connection, make_function: MakeFunction, arguments: tuple
) -> None:
    """Answer tasks until there are no more; runs in the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which the parent may handle
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    function = None
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            payload = pipe.recv()
            if function is None:
                made = _run_task(lambda _: make_function(*arguments), None)
                if made.error:
                    pipe.send(made._replace(result=None))
                    continue
                function = made.result
            pipe.send(_run_task(function, payload))


class WorkerPool:
    """Processes that each make a function once and apply it to tasks.

    Use it in a `with` statement: what still runs at its end is ended.

    Attributes:
        peak_memory: the sum over the workers of the most memory that each has had, in
            bytes; no less than the peak of all together. 0 without processes.
    """

    def __init__(self, num_workers: int, make_function: MakeFunction, *arguments: Any):
        """Start the workers; with one, everything is done in this process.

        Args:
            num_workers: how many.
            make_function: `make_function(*arguments)` returns the function of a task's
                payload; it and the arguments are sent to each worker.
            arguments: of `make_function`.
        """
        self._function = None
        self._workers: list[_Worker] = []
        self._peaks: dict[int, int] = {}
        if num_workers <= 1:
            self._function = make_function(*arguments)
            return
        context = multiprocessing.get_context("spawn")
        for _ in range(num_workers):
            pipe, far_end = context.Pipe()
            process = context.Process(
                target=_serve, args=(far_end, make_function, arguments), daemon=True
            )
            process.start()
            far_end.close()
            self._workers.append(_Worker(process, pipe))

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: Any) -> None:
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()

    @property
    def peak_memory(self) -> int:
        return sum(self._peaks.values())

    def map_in_order(self, tasks: Iterable[Task]) -> Iterator[Any]:
        """Yield the result of each task, in the order of the tasks.

        No more tasks are taken than can be worked on.

        Raises:
            UserError: a worker died; the message has the label of its task.
            Exception: what the function raised.
        """
        if self._function:
            for task in tasks:
                yield self._function(task.payload)
            return
        numbered = enumerate(tasks)
        idle = list(range(len(self._workers)))
        busy: dict[int, tuple[int, Task]] = {}
        done: dict[int, Any] = {}
        wanted, exhausted = 0, False
        while True:
            while (
                idle
                and not exhausted
                and (len(busy) + len(done) < _TASKS_AHEAD * len(self._workers))
            ):
                number, task = next(numbered, (None, None))
                exhausted = task is None
                if task is not None:
                    worker = idle.pop()
                    self._send(worker, task)
                    busy[worker] = number, task
            while wanted in done:
                yield done.pop(wanted)
                wanted += 1
            if not busy:
                if exhausted:
                    return
                continue
            for worker in self._wait(busy):
                number, task = busy.pop(worker)
                done[number] = self._receive(worker, task)
                idle.append(worker)

    def _wait(self, busy: Iterable[int]) -> list[int]:
        """Return the workers that answered or died, at least one."""
        handles = {self._workers[w].pipe: w for w in busy}
        handles.update({self._workers[w].process.sentinel: w for w in busy})
        return sorted({handles[handle] for handle in connection.wait(list(handles))})

    def _send(self, worker: int, task: Task) -> None:
        try:
            self._workers[worker].pipe.send(task.payload)
        except (BrokenPipeError, ConnectionResetError):
            raise self._describe_death(worker, task) from None

    def _receive(self, worker: int, task: Task) -> Any:
        try:
            reply = self._workers[worker].pipe.recv()
        except (EOFError, ConnectionResetError):
            raise self._describe_death(worker, task) from None
        self._peaks[worker] = reply.peak_memory
        if reply.error:
            raise reply.error
        return reply.result

    def _describe_death(self, worker: int, task: Task) -> UserError:
        process = self._workers[worker].process
        process.join(timeout=10)
        code = process.exitcode
        how = f"ended with status {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code}"
            if code == -signal.SIGKILL:
                how += ", as the system does when memory runs out"
        return UserError(
            f"{task.label}: its worker process {how}; --resume keeps the finished "
            "shards, fewer --num_workers or smaller shards need less memory"
        )
