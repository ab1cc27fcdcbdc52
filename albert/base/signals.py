"""SIGTERM and Ctrl-C: how they reach a script, and how the script then ends.

A run that was stopped is no success: `pretrain && fine-tune` must not go on with half a
model, and `until pretrain; do :; done` must. So its exit status is the one that a shell
gives for the signal: 143 after SIGTERM, 130 after Ctrl-C.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import Iterator, NoReturn

from albert.base.errors import UserError

# A preempted machine sends SIGTERM, Ctrl-C SIGINT.
SIGNALS = (signal.SIGTERM, signal.SIGINT)
SIGNAL_NAMES = tuple(number.name for number in SIGNALS)
STOPPED_STATUS, INTERRUPTED_STATUS = 143, 130  # 128 + the signal's number


class Terminated(BaseException):
    """SIGTERM came where there is nothing to save.

    Like KeyboardInterrupt no Exception, so that nobody takes it for an error.
    """


_RAISED = {signal.SIGTERM: Terminated, signal.SIGINT: KeyboardInterrupt}


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """Let SIGTERM raise Terminated while the context lasts, as Ctrl-C raises.

    Compiled code may take what is raised in it for a failure of its own, and raise
    another error: after a signal, that is the signal's end, too.
    """
    came = []

    def handle(number, frame) -> None:
        del frame
        came.append(number)
        raise _RAISED[number]

    # Ctrl-C may be ignored, as in a shell's background.
    ours = (signal.default_int_handler, signal.SIG_DFL)
    before = {
        number: signal.signal(number, handle)
        for number in SIGNALS
        if number == signal.SIGTERM or signal.getsignal(number) in ours
    }
    try:
        yield
    except (UserError, OSError):
        raise
    except Exception as error:
        if came:
            raise _RAISED[came[0]] from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_stopped(reason: str) -> NoReturn:
    """End this process as one that was stopped.

    Args:
        reason: "SIGINT" for Ctrl-C. A shell ends its own loop only where the program
            has died of the signal itself, so that is how it ends then.
    """
    if reason != signal.SIGINT.name:
        sys.exit(STOPPED_STATUS)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    sys.exit(INTERRUPTED_STATUS)  # the first process of a container outlives it


def _die_of_interrupt() -> None:
    """Die of SIGINT, from any thread: Python sets handlers in its main thread alone."""
    default = ctypes.c_void_p(int(signal.SIG_DFL))
    ctypes.CDLL(None).signal(ctypes.c_int(signal.SIGINT), default)
    os.kill(os.getpid(), signal.SIGINT)


def end_at_once(reason: str) -> NoReturn:
    """End this process without any cleaning up, from any thread; see `end_stopped`."""
    interrupted = reason == signal.SIGINT.name
    if interrupted:
        with contextlib.suppress(OSError, AttributeError):  # no such C library
            _die_of_interrupt()
    os._exit(INTERRUPTED_STATUS if interrupted else STOPPED_STATUS)
