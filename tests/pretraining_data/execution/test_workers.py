"""Worker processes: order, errors, and workers that die."""

from __future__ import annotations

import os
import signal
import time

import pytest

from albert.base.errors import UserError
from albert.pretraining_data.execution.workers import WorkerPool


def make_echo(delays):
    def echo(payload):
        if payload == "wrong":
            raise UserError("a wrong thing")
        if payload == "full":
            raise OSError(28, "No space left on device")
        if payload == "defect":
            raise ZeroDivisionError("nothing to divide by")
        if payload == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if payload == "gone":
            os._exit(7)
        time.sleep(delays.get(payload, 0))
        return payload, os.getpid()

    return echo


def fail_to_make():
    raise UserError("not installed")


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(num_workers):
    with WorkerPool(num_workers, make_echo, {0: 0.3}) as pool:
        results = list(pool.map_in_order(range(12)))
        assert (pool.peak_memory > 0) is (num_workers > 1)
    assert [payload for payload, _ in results] == list(range(12))
    processes = {process for _, process in results}
    assert len(processes) == num_workers
    assert (os.getpid() in processes) is (num_workers == 1)


@pytest.mark.slow
def test_tasks_are_taken_no_further_than_workers_need():
    taken = []

    def make():
        for payload in range(30):
            taken.append(payload)
            yield payload

    with WorkerPool(2, make_echo, {}) as pool:
        results = pool.map_in_order(make())
        next(results)
        assert len(taken) <= 5


@pytest.mark.slow
def test_large_payloads_go_both_ways():
    payloads = [bytes([n]) * 3_000_000 for n in range(6)]
    with WorkerPool(2, make_echo, {}) as pool:
        results = pool.map_in_order(payloads)
        assert [payload for payload, _ in results] == payloads


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize(
    ("payload", "error", "message"),
    [("wrong", UserError, "^a wrong thing$"), ("full", OSError, "No space left")],
)
def test_errors_reach_the_caller_as_they_are(num_workers, payload, error, message):
    with WorkerPool(num_workers, make_echo, {}) as pool:
        with pytest.raises(error, match=message):
            list(pool.map_in_order([1, payload, 2]))


@pytest.mark.slow
def test_a_defect_keeps_its_traceback():
    with WorkerPool(2, make_echo, {}) as pool:
        with pytest.raises(ZeroDivisionError, match="nothing to divide by") as caught:
            list(pool.map_in_order(["defect"]))
    assert "in echo" in str(caught.value.__cause__)


@pytest.mark.slow
def test_an_error_of_the_start_reaches_the_caller():
    with WorkerPool(2, fail_to_make) as pool:
        with pytest.raises(UserError, match="not installed"):
            list(pool.map_in_order([1, 2, 3]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("killed", "^a worker process was killed by signal 9, as the system does when"),
        ("gone", "^a worker process ended with status 7; --resume keeps"),
    ],
)
def test_the_death_of_a_worker_is_said(payload, message):
    with WorkerPool(2, make_echo, {1: 0.2}) as pool:
        with pytest.raises(UserError, match=message):
            list(pool.map_in_order([1, payload, 2, 3]))


@pytest.mark.slow
def test_an_error_ends_what_still_runs():
    def interrupt():
        with WorkerPool(2, make_echo, {"slow": 300}) as pool:
            for _ in pool.map_in_order(["fast", "slow", "fast", "fast", "fast"]):
                raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert time.monotonic() - began < 60
