"""Stopping a run in good order: after the current step, with a checkpoint."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from typing import Callable, Iterator, NamedTuple, Optional

from absl import logging

from albert.base import cli
from albert.base.signals import SIGNAL_NAMES, SIGNALS

_SECONDS_FOR_THE_FIRST_STEP = 10.0  # after a signal
PEER_STOPS = "another machine"  # the reason, where several train together


class StopRequest:
    """A request to end training after the current step, and why.

    Attributes:
        reason: None as long as nobody asked.
        trained: set once a step of this run is done. Until then nothing is lost where
            the process ends.
    """

    def __init__(self) -> None:
        self.reason: Optional[str] = None
        self.trained = threading.Event()

    def ask(self, reason: str) -> None:
        """Ask to stop; the first reason counts."""
        if self.reason is None:
            self.reason = reason

    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self.reason is not None


class Stopped(NamedTuple):
    """A training run that a signal ended before its last step.

    Attributes:
        reason: the signal's name, or that another machine stopped.
        step: the last step done, of `num_train_steps`.
        output_dir: the folder that holds the step's checkpoint.
    """

    reason: str
    step: int
    num_train_steps: int
    output_dir: str

    def describe(self, command: str) -> str:
        """Return the line that tells a user, with the command that goes on."""
        return (
            f"Stopped by {self.reason} at step {self.step} of {self.num_train_steps}, "
            f"which {self.output_dir} holds. To go on: {command}"
        )


@contextlib.contextmanager
def signals_ask(stop: StopRequest) -> Iterator[StopRequest]:
    """Let SIGTERM and SIGINT ask for a stop while the context lasts.

    Each signal does so once; a second one of its kind acts as it did before, so an
    impatient user still gets out at once. To be used in the main thread.

    Before the first step is done the process ends some seconds after the signal: that
    step, of a large batch, may take minutes, and no Python runs meanwhile.
    """
    before = {}
    ended = threading.Event()
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def handle(number, frame) -> None:
        del frame
        signal.signal(number, before[number])
        stop.ask(signal.Signals(number).name)

    def end_in_the_first_step() -> None:
        with reader:
            number = reader.recv(1)
        if not number or number[0] not in SIGNALS or stop.trained.is_set():
            return
        if not ended.wait(_SECONDS_FOR_THE_FIRST_STEP) and not stop.trained.is_set():
            cli.end_at_once(signal.Signals(number[0]).name)

    for number in SIGNALS:
        before[number] = signal.signal(number, handle)
    # Python's own handler waits for the step; what writes to this descriptor does not.
    descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=end_in_the_first_step, daemon=True).start()
    try:
        yield stop
    finally:
        ended.set()
        signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
        writer.close()  # which ends the thread
        for number, handler in before.items():
            signal.signal(number, handler)


def run_until_signal(
    run: Callable[[StopRequest], int],
    stop: StopRequest,
    num_train_steps: int,
    output_dir: str,
) -> Optional[Stopped]:
    """Train until the end, or until SIGTERM or SIGINT asks for it.

    Args:
        run: trains, and returns the last step; looks at `stop` after each.

    Returns:
        How a signal ended training, None where it went as far as it should.
    """
    with signals_ask(stop):
        step = run(stop)
    # After the last step an evaluation may be left to the next run.
    by_peer = stop.reason == PEER_STOPS and step < num_train_steps
    if stop.reason in SIGNAL_NAMES or by_peer:
        return Stopped(stop.reason, step, num_train_steps, output_dir)
    if stop.asked:
        logging.info("Training ended at step %d: %s", step, stop.reason)
    return None
