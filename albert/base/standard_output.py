"""Standard output that carries results, and so nothing else."""

from __future__ import annotations

import os
import signal
import sys
from typing import IO, NoReturn


def take_standard_output() -> IO[bytes]:
    """Return standard output; what this process prints from now on goes to stderr."""
    sys.stdout.flush()
    results = sys.stdout.buffer
    sys.stdout = sys.stderr
    return results


def end_without_reader() -> NoReturn:
    """End as programs do whose reader has gone (`| head`): of SIGPIPE, in silence."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(128 + signal.SIGPIPE)  # the first process of a container outlives it
