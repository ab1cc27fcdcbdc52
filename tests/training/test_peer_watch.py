"""Noticing that another machine is gone."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from albert.base.errors import UserError
from albert.training import cluster as clusters
from albert.training.cluster import PeerWatch, wait_for_chief
from albert.training.cluster_config import ClusterConfig
from tests.cluster_kit import ADVICE, free_addresses, listening

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def watching(cluster, ended):
    watch = PeerWatch(cluster, ended)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


class TestPeerWatch:
    @pytest.fixture(autouse=True)
    def fast(self, monkeypatch):
        monkeypatch.setattr(clusters, "_SECONDS_BETWEEN_LOOKS", 0.1)

    @pytest.fixture
    def ended(self):
        class Ended(threading.Event):
            message = None

            def __call__(self, message):
                self.message = message
                self.set()

        return Ended()

    def test_a_machine_that_was_there_and_is_gone_ends_the_process(self, ended):
        own = "127.0.0.1:1"
        with listening() as there:
            cluster = ClusterConfig((own, there), 0)
            with watching(cluster, ended):
                time.sleep(0.5)
                assert not ended.is_set()
        with contextlib.ExitStack() as stack:
            there = stack.enter_context(listening())
            cluster = ClusterConfig((own, there), 0)
            with watching(cluster, ended):
                time.sleep(0.5)
                stack.close()
                assert ended.wait(10)
        assert ended.message == f"worker 1 ({there}) is gone; {ADVICE}"

    def test_a_machine_that_was_never_there_is_waited_for(self, ended):
        cluster = ClusterConfig(("127.0.0.1:1", *free_addresses(1)), 0)
        with watching(cluster, ended):
            assert not ended.wait(1)

    def test_after_its_end_nothing_is_looked_at(self, ended):
        with contextlib.ExitStack() as stack:
            cluster = ClusterConfig(("a:1", stack.enter_context(listening())), 0)
            with watching(cluster, ended) as watch:
                time.sleep(0.5)
                watch.stop()
                stack.close()
                assert not ended.wait(1)

    def test_a_machine_that_joined_and_died_before_a_look_is_gone(self, ended):
        cluster = ClusterConfig(("127.0.0.1:1", *free_addresses(1)), 0)
        with watching(cluster, ended) as watch:
            watch.all_are_there()
            assert ended.wait(10)

    def test_a_network_that_comes_back_is_no_loss(self, ended, monkeypatch):
        answers = [OSError("no route"), True, OSError("no name")] * 20
        cluster = ClusterConfig(("a:1", "b:1"), 0)
        self.answer(monkeypatch, answers)
        with watching(cluster, ended) as watch:
            watch.all_are_there()
            assert not ended.wait(2)

    def test_a_machine_that_is_silent_for_long_is_gone(self, ended, monkeypatch):
        monkeypatch.setattr(clusters, "_SECONDS_OF_SILENCE", 1.0)
        self.answer(monkeypatch, [OSError("no route")] * 1000)
        with watching(ClusterConfig(("a:1", "b:1"), 0), ended) as watch:
            watch.all_are_there()
            began = time.monotonic()
            assert ended.wait(10)
            assert time.monotonic() - began >= 1.0

    def answer(self, monkeypatch, answers):
        answers = iter(answers)

        def is_listening(address):
            answer = next(answers)
            if isinstance(answer, OSError):
                raise answer
            return answer

        monkeypatch.setattr(clusters, "_is_listening", is_listening)


class TestWaitForChief:
    @pytest.fixture(autouse=True)
    def fast(self, monkeypatch):
        monkeypatch.setattr(clusters, "_SECONDS_OF_SILENCE", 1.0)
        monkeypatch.setattr(clusters, "_SECONDS_BETWEEN_LOOKS", 0.1)

    def test_it_ends_with_the_step(self):
        steps = iter([0, 10, 20])
        with listening() as chief:
            wait_for_chief(ClusterConfig((chief, "b:1"), 1), lambda: next(steps), 20)
        assert next(steps, None) is None

    def test_a_chief_that_is_gone_is_an_error(self):
        cluster = ClusterConfig((*free_addresses(1), "b:1"), 1)
        with pytest.raises(
            UserError, match=r"worker 0 .* is gone, and step 20 was not"
        ):
            wait_for_chief(cluster, lambda: 10, 20)

    def test_what_the_chief_saved_before_its_end_may_be_seen_late(self):
        cluster = ClusterConfig((*free_addresses(1), "b:1"), 1)
        end = time.monotonic() + 0.5
        wait_for_chief(cluster, lambda: 20 * (time.monotonic() > end), 20)
