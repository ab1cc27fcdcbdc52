"""Signals that ask for a stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from albert.base.signals import Terminated, sigterm_raises
from albert.training.stopping import (
    PEER_STOPS,
    StopRequest,
    run_until_signal,
    signals_ask,
)
from tests import forked


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_and_names_itself(number):
    with signals_ask(StopRequest()) as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
    assert stop.reason == signal.Signals(number).name


def test_a_second_signal_acts_as_before():
    with signals_ask(StopRequest()) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert stop.reason == "SIGINT"


def test_handlers_are_put_back():
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    with signals_ask(StopRequest()):
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == before


def test_the_first_reason_counts():
    stop = StopRequest()
    stop.ask("one")
    stop.ask("another")
    assert stop.reason == "one"


@pytest.mark.parametrize(
    ("reason", "step", "stopped"),
    [
        ("SIGTERM", 5, True),
        ("SIGTERM", 9, True),  # the evaluation of the last step is left
        (PEER_STOPS, 5, True),
        (PEER_STOPS, 9, False),
        ("early stopping", 5, False),
    ],
)
def test_a_run_that_a_signal_ended_is_told_from_one_that_is_done(reason, step, stopped):
    def work(stop):
        stop.ask(reason)
        return step

    found = run_until_signal(work, StopRequest(), 9, "model")
    assert (found is not None) == stopped


def test_sigterm_raises_where_there_is_nothing_to_save():
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_raises():
        with signals_ask(StopRequest()) as stop:
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


BUSY = """
import time
from albert.training import stopping

stopping._SECONDS_FOR_THE_FIRST_STEP = 0.2
with stopping.signals_ask(stopping.StopRequest()):
    print("ready", flush=True)
    time.sleep(30)
print("went on")
"""


# A shell's loop ends only where the program has died of SIGINT itself.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", -2)])
def test_a_process_in_its_first_step_ends_of_the_signal(repo, name, status):
    process = forked.Popen(
        [sys.executable, "-c", BUSY], cwd=repo, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    out, _ = process.communicate(timeout=25)
    assert process.returncode == status
    assert out.startswith(f"Stopped by {name}. To go on: python3 ")
    assert "went on" not in out
