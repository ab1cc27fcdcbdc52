"""What the service counts, in the text format of Prometheus."""

from __future__ import annotations

from typing import Callable

from albert.base.optional import extra

with extra("serve"):
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (*(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5), *(1, 2, 5, 10, 30))


class Metrics:
    """The counters of one service."""

    def __init__(self, queue_length: Callable[[], int]):
        """Make them; `queue_length` is asked whenever they are shown."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "albert_requests",
            "Requests answered; status 499 is a client that went away.",
            ["path", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "albert_request_seconds",
            "Time from a request's first line to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._characters = Counter(
            "albert_text_characters",
            "Characters of the texts that were labelled.",
            registry=self._registry,
        )
        self._batches = Histogram(
            "albert_batch_requests",
            "Requests that were computed together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self._registry,
        )
        queue = Gauge(
            "albert_queue_length",
            "Requests that wait for the model.",
            registry=self._registry,
        )
        queue.set_function(queue_length)

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count an answer; `path` is one of the few that there are."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_characters(self, count: int) -> None:
        """Count the characters of an answered request."""
        self._characters.inc(count)

    def count_batch(self, requests: int) -> None:
        """Count a batch."""
        self._batches.observe(requests)

    def show(self) -> bytes:
        """Return all of them as text."""
        return generate_latest(self._registry)
