"""Requests that come close together are computed together, by one thread.

batcher = Batcher(predict, queue_size=256, wait_seconds=0.003, max_characters=8000)
future = batcher.submit("default", ["some text"])
future.result()  # what predict said of ["some text"]
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any, Callable, Hashable, NamedTuple, Optional, Sequence

from albert.serving.texts import Input, count_characters

# (key, texts) -> one result for each text
Predict = Callable[[Any, Sequence[Input]], Sequence[Any]]


class QueueFull(Exception):
    """As many requests wait as may."""


class Closed(Exception):
    """Nothing more is accepted."""


class _Job(NamedTuple):
    """A request: texts, and the future of their results."""

    key: Hashable
    texts: Sequence[Input]
    size: int  # characters, at least 1
    arrival: float
    future: Future


class Batcher:
    """A bounded queue before a function, and the thread that calls it with batches."""

    def __init__(
        self,
        predict: Predict,
        queue_size: int,
        wait_seconds: float,
        max_characters: int,
        on_batch: Optional[Callable[[int], None]] = None,
    ):
        """Start the thread.

        Args:
            predict: gives a result for each text; called by one thread alone.
            queue_size: requests that may wait, those being computed not counted.
            wait_seconds: how long the oldest waits for others to join it. It does not
                wait once it has waited that long for the batch before.
            max_characters: of a batch, unless one request alone has more.
            on_batch: told the number of requests of each batch.
        """
        self._predict = predict
        self._queue_size = queue_size
        self._wait_seconds = wait_seconds
        self._max_characters = max_characters
        self._on_batch = on_batch or (lambda size: None)
        self._jobs: list[_Job] = []  # in the order in which they came
        self._changed = threading.Condition()
        self._closed = False
        # A daemon: a computation without end must not keep the program from ending.
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._jobs)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def submit(self, key: Hashable, texts: Sequence[Input]) -> Future:
        """Return the future of the texts' results, a list in their order.

        A future that is cancelled before its turn leaves the queue and costs nothing.

        Args:
            key: what `predict` is given; only requests of one key go together.
            texts: what to predict for.

        Raises:
            QueueFull: the queue is full.
            Closed: after `close`.
        """
        size = max(1, sum(map(count_characters, texts)))
        job = _Job(key, texts, size, time.monotonic(), Future())
        with self._changed:
            if self._closed:
                raise Closed
            if len(self._jobs) >= self._queue_size:
                raise QueueFull
            self._jobs.append(job)
            self._changed.notify()
        job.future.add_done_callback(lambda future: self._forget(job))
        return job.future

    def close(self, timeout: Optional[float] = None) -> bool:
        """Accept nothing more, compute what waits; return whether all was computed."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _forget(self, job: _Job) -> None:
        if job.future.cancelled():
            with self._changed:
                self._jobs = [other for other in self._jobs if other is not job]
                self._changed.notify()

    def _work(self) -> None:
        while True:
            batch = self._take()
            if batch is None:
                return
            self._on_batch(len(batch))
            self._compute(batch)

    def _take(self) -> Optional[list[_Job]]:
        """Wait for a batch and take it off the queue; None at the end."""
        with self._changed:
            while True:
                if not self._jobs:
                    if self._closed:
                        return None
                    self._changed.wait()
                    continue
                left = self._jobs[0].arrival + self._wait_seconds - time.monotonic()
                if left > 0 and not (self._closed or self._has_full_batch()):
                    self._changed.wait(left)
                    continue
                batch = choose_batch(self._jobs, self._max_characters)
                taken = {id(job) for job in batch}
                self._jobs = [job for job in self._jobs if id(job) not in taken]
                batch = [j for j in batch if j.future.set_running_or_notify_cancel()]
                if batch:
                    return batch

    def _has_full_batch(self) -> bool:
        key = self._jobs[0].key
        sizes = [job.size for job in self._jobs if job.key == key]
        return sum(sizes) >= self._max_characters

    def _compute(self, batch: Sequence[_Job]) -> None:
        """Give each request its results, or the error that it alone causes."""
        texts = [text for job in batch for text in job.texts]
        try:
            results = list(self._predict(batch[0].key, texts))
            if len(results) != len(texts):
                raise RuntimeError(f"{len(results)} results for {len(texts)} texts")
        except Exception as error:  # goes to whoever waits for the future
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            for job in batch:  # one request's trouble is not its neighbours'
                self._compute([job])
            return
        first = 0
        for job in batch:
            job.future.set_result(results[first : first + len(job.texts)])
            first += len(job.texts)


def choose_batch(jobs: Sequence[_Job], max_characters: int) -> list[_Job]:
    """Return those to compute next: the oldest, and what goes with it in order.

    Args:
        jobs: in the order in which they came, at least one.
        max_characters: of all together, unless the oldest alone has more.
    """
    batch, size = [jobs[0]], jobs[0].size
    for job in jobs[1:]:
        if job.key != jobs[0].key:
            continue
        if size + job.size > max_characters:
            break  # what came later must not overtake it
        batch.append(job)
        size += job.size
    return batch
