"""Stopping a run in good order: after the current step, with a checkpoint."""

from __future__ import annotations

import contextlib
import signal
from typing import Callable, Iterator, NamedTuple, Optional

from absl import logging

from albert.base.signals import SIGNAL_NAMES, SIGNALS

PEER_STOPS = "another machine"  # the reason, where several train together


class StopRequest:
    """A wish that training end after the current step, and why.

    Attributes:
        reason: None as long as nobody asked.
    """

    def __init__(self) -> None:
        self.reason: Optional[str] = None

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
    """
    before = {}

    def handle(number, frame) -> None:
        del frame
        signal.signal(number, before[number])
        stop.ask(signal.Signals(number).name)

    for number in SIGNALS:
        before[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
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
