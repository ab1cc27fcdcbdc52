"""What a signal ends with."""

from __future__ import annotations

import os
import signal

import pytest

from albert.base.errors import UserError
from albert.base.signals import Terminated, sigterm_raises


def fail_after(number, raised, error):
    """Take what the signal raises for a failure, as compiled code does."""
    try:
        os.kill(os.getpid(), number)
    except raised:
        raise error from None


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)],
)
def test_a_signal_that_compiled_code_takes_for_a_failure_ends_as_the_signal(
    number, raised
):
    before = signal.getsignal(number)
    with pytest.raises(raised), sigterm_raises():
        fail_after(number, raised, AttributeError("as TensorFlow's C++ code says"))
    assert signal.getsignal(number) is before


def test_errors_without_a_signal_and_errors_of_the_user_stay_as_they_are():
    with pytest.raises(AttributeError), sigterm_raises():
        raise AttributeError
    with pytest.raises(UserError), sigterm_raises():
        fail_after(signal.SIGTERM, Terminated, UserError("the disk is full"))


def test_ctrl_c_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with sigterm_raises():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
