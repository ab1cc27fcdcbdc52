"""Worker processes: results in the order of the tasks, and an error for a dead worker.

What `concurrent.futures.ProcessPoolExecutor` leaves to do: tasks are taken no further
ahead than memory allows, a dead worker's end is said, workers end with their parent and
at once where the run ends early. They are started anew ("spawn") instead of forked:
they inherit neither locks nor memory, whatever the parent has loaded.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import multiprocessing
import os
import resource
import signal
import threading
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional

from albert.base.errors import UserError

_TASKS_AHEAD = 2  # for each worker: tasks at work, or finished before an earlier one

MakeFunction = Callable[..., Callable[[Any], Any]]

_get_function: Callable[[], Callable[[Any], Any]]  # in a worker: its function


class _Reply(NamedTuple):
    """A result, and the process that made it with its peak memory in bytes."""

    result: Any
    process: int
    peak_memory: int


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


def _start_worker(make_function: MakeFunction, arguments: tuple) -> None:
    """Prepare a worker; a task makes its function, since a task can hand on errors."""
    global _get_function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which the parent may handle
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _get_function = functools.cache(functools.partial(make_function, *arguments))


def _run_task(payload: Any) -> _Reply:
    return _Reply(_get_function()(payload), os.getpid(), read_peak_memory())


class WorkerPool:
    """Processes that each make a function once and apply it to tasks.

    Use it in a `with` statement: on an error, what still runs is ended.

    Attributes:
        peak_memory: the sum over the workers of the most memory that each has had, in
            bytes; no less than the peak of all together. 0 without processes.
    """

    def __init__(self, num_workers: int, make_function: MakeFunction, *arguments: Any):
        """Prepare the workers; with one, everything is done in this process.

        Args:
            num_workers: how many.
            make_function: `make_function(*arguments)` returns the function of a task;
                it and the arguments are sent to each worker.
            arguments: of `make_function`.
        """
        self._function: Optional[Callable[[Any], Any]] = None
        self._peaks: dict[int, int] = {}
        self._most_waiting = _TASKS_AHEAD * num_workers
        self._strangers = set(multiprocessing.active_children())
        self._workers: set[multiprocessing.Process] = set()
        if num_workers <= 1:
            self._function = make_function(*arguments)
            return
        self._executor = futures.ProcessPoolExecutor(
            num_workers,
            multiprocessing.get_context("spawn"),
            _start_worker,
            (make_function, arguments),
        )

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, error_type: Optional[type], *_: Any) -> None:
        if self._function:
            return
        if error_type is not None:
            for worker in self._list_workers():
                worker.terminate()
        self._executor.shutdown(cancel_futures=True)

    @property
    def peak_memory(self) -> int:
        return sum(self._peaks.values())

    def map_in_order(self, tasks: Iterable[Any]) -> Iterator[Any]:
        """Yield the result of each task, in the order of the tasks.

        No more tasks are taken than can be worked on.

        Raises:
            UserError: a worker died.
            Exception: what the function raised; of a defect, its cause is the traceback
                in the worker.
        """
        if self._function:
            yield from map(self._function, tasks)
            return
        waiting: collections.deque[futures.Future] = collections.deque()
        try:
            for task in tasks:
                if len(waiting) == self._most_waiting:
                    yield self._receive(waiting.popleft())
                waiting.append(self._executor.submit(_run_task, task))
                self._list_workers()
            while waiting:
                yield self._receive(waiting.popleft())
        except BrokenProcessPool:
            raise self._describe_death() from None

    def _receive(self, future: futures.Future) -> Any:
        reply = future.result()
        self._peaks[reply.process] = reply.peak_memory
        return reply.result

    def _list_workers(self) -> set[multiprocessing.Process]:
        """Return all workers so far; one that has died is a child no more."""
        self._workers |= set(multiprocessing.active_children()) - self._strangers
        return self._workers

    def _describe_death(self) -> UserError:
        self._executor.shutdown()  # all have ended, and have been waited for
        codes = {worker.exitcode for worker in self._workers} - {None, 0}
        # The executor ends the others by SIGTERM.
        code = next(iter(codes - {-signal.SIGTERM} or codes), None)
        how = f"ended with status {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code}"
            if code == -signal.SIGKILL:
                how += ", as the system does when memory runs out"
        return UserError(
            f"a worker process {how}; --resume keeps the finished shards, fewer "
            "--num_workers or smaller shards need less memory"
        )
