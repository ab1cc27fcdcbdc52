"""What is computed together, what waits, what is dropped."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from albert.serving.batching import Batcher, Closed, QueueFull, _Job, choose_batch


class Gate:
    """A prediction that waits to be let through, and remembers its calls."""

    def __init__(self):
        self.calls = []
        self.begun = threading.Semaphore(0)
        self.open = threading.Semaphore(0)

    def __call__(self, key, texts):
        self.calls.append((key, list(texts)))
        self.begun.release()
        assert self.open.acquire(timeout=20)
        if "fail" in texts:
            raise ValueError("told to")
        return [f"{key}:{text}" for text in texts]

    def let(self, count):
        for _ in range(count):
            self.open.release()


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.let(100)


def make(gate, queue_size=10, wait_seconds=0.0, max_characters=100, **given):
    return Batcher(gate, queue_size, wait_seconds, max_characters, **given)


def busy(gate, **given):
    """Return a batcher whose thread is held in the computation of "first"."""
    batcher = make(gate, **given)
    batcher.submit("m", ["first"])
    assert gate.begun.acquire(timeout=20)
    return batcher


def test_each_request_gets_its_own_results_in_order(gate):
    batcher = busy(gate)
    futures = [batcher.submit("m", texts) for texts in (["a", "b"], [], ["c"])]
    gate.let(2)
    assert [f.result(20) for f in futures] == [["m:a", "m:b"], [], ["m:c"]]
    assert gate.calls == [("m", ["first"]), ("m", ["a", "b", "c"])]


def test_requests_within_the_wait_go_together(gate):
    sizes = []
    batcher = make(gate, wait_seconds=0.5, on_batch=sizes.append)
    futures = [batcher.submit("m", [text]) for text in "abc"]
    gate.let(1)
    assert [f.result(20) for f in futures] == [["m:a"], ["m:b"], ["m:c"]]
    assert sizes == [3]


def test_a_full_batch_does_not_wait(gate):
    batcher = make(gate, wait_seconds=1000, max_characters=4)
    futures = [batcher.submit("m", [text]) for text in ("ab", "cd")]
    gate.let(1)
    assert [f.result(20) for f in futures] == [["m:ab"], ["m:cd"]]


def test_other_keys_keep_their_place(gate):
    batcher = busy(gate)
    futures = [batcher.submit(key, [key]) for key in "mnm"]
    gate.let(3)
    assert [f.result(20) for f in futures] == [["m:m"], ["n:n"], ["m:m"]]
    assert gate.calls[1:] == [("m", ["m", "m"]), ("n", ["n"])]


def test_a_full_queue_refuses_and_later_has_room_again(gate):
    batcher = busy(gate, queue_size=2)
    futures = [batcher.submit("m", [text]) for text in "ab"]
    assert len(batcher) == 2
    with pytest.raises(QueueFull):
        batcher.submit("m", ["c"])
    gate.let(2)
    assert futures[1].result(20) == ["m:b"]
    gate.let(1)
    assert batcher.submit("m", ["c"]).result(20) == ["m:c"]


def test_what_is_cancelled_leaves_the_queue_at_once_and_is_not_computed(gate):
    batcher = busy(gate, queue_size=1)
    assert batcher.submit("m", ["gone"]).cancel()
    assert len(batcher) == 0
    future = batcher.submit("m", ["stays"])
    gate.let(2)
    assert future.result(20) == ["m:stays"]
    assert gate.calls == [("m", ["first"]), ("m", ["stays"])]


def test_what_is_being_computed_cannot_be_cancelled(gate):
    batcher = make(gate)
    future = batcher.submit("m", ["a"])
    assert gate.begun.acquire(timeout=20)
    assert not future.cancel()
    gate.let(1)
    assert future.result(20) == ["m:a"]


def test_an_error_goes_to_the_request_that_causes_it_alone(gate):
    batcher = busy(gate)
    futures = [batcher.submit("m", [text]) for text in ("a", "fail", "b")]
    gate.let(10)
    assert futures[0].result(20) == ["m:a"]
    with pytest.raises(ValueError, match="told to"):
        futures[1].result(20)
    assert futures[2].result(20) == ["m:b"]
    assert batcher.submit("m", ["next"]).result(20) == ["m:next"]
    assert batcher.alive


def test_too_few_results_are_an_error_of_all():
    batcher = Batcher(lambda key, texts: [], 10, 0, 100)
    with pytest.raises(RuntimeError, match="0 results for 1 texts"):
        batcher.submit("m", ["a"]).result(20)


def test_closing_computes_what_waits_and_accepts_nothing_more(gate):
    batcher = busy(gate)
    future = batcher.submit("m", ["waits"])
    gate.let(2)
    assert batcher.close(20)
    assert future.result(0) == ["m:waits"]
    assert not batcher.alive
    with pytest.raises(Closed):
        batcher.submit("m", ["late"])


def test_closing_waits_no_longer_than_it_is_told(gate):
    assert not busy(gate).close(0.05)


def test_many_threads_lose_and_mix_up_nothing():
    def double(key, texts):
        return [key + text + text for text in texts]

    batcher = Batcher(double, 1000, 0.001, 50)
    wrong = []

    def ask(number):
        for i in range(50):
            texts = [f"{number}-{i}-{j}" for j in range(i % 4)]
            key = "mn"[i % 2]
            expected = [key + text + text for text in texts]
            if batcher.submit(key, texts).result(20) != expected:
                wrong.append((number, i))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert batcher.close(20)


def job(key, size):
    return _Job(key, ["x" * size], size, 0.0, Future())


@pytest.mark.parametrize(
    ("jobs", "taken"),
    [
        ([("m", 3)], [0]),
        ([("m", 30)], [0]),  # longer than a batch: alone
        ([("m", 3), ("m", 7)], [0, 1]),
        ([("m", 3), ("m", 8)], [0]),
        ([("m", 3), ("m", 8), ("m", 1)], [0]),  # nobody overtakes
        ([("m", 3), ("n", 8), ("m", 1)], [0, 2]),
        ([("n", 1), ("m", 1), ("n", 9), ("n", 1)], [0, 2]),
    ],
)
def test_a_batch_is_the_oldest_and_what_fits_after_it(jobs, taken):
    jobs = [job(*one) for one in jobs]
    chosen = choose_batch(jobs, max_characters=10)
    assert [jobs.index(one) for one in chosen] == taken
