"""Several machines that train one model: starting, agreeing, noticing who is gone.

TensorFlow sums over machines within a step. A machine that waits there for another one
can neither stop nor tell why, so whatever ends training early is agreed upon in the sum
itself, and a thread looks whether the others are still there.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import threading
import time
from typing import Callable, Iterator, Mapping, NamedTuple, NoReturn, Optional

import tensorflow as tf
from absl import logging
from tensorflow.python.eager import context

from albert.config.cluster import VARIABLE, ClusterConfig
from albert.errors import UserError
from albert.interruption import PEER_STOPS, SIGNALS, StopRequest

v1 = tf.compat.v1

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_FOR_AN_ANSWER = 10.0
_SECONDS_FOR_A_FILE = 60.0  # until all machines see what one has written
_LOOKS_WITHOUT_ANSWER = 6  # a machine that is gone answers nothing at all
_ADVICE = (
    "start the same command on every machine again: training goes on from the newest "
    "checkpoint"
)
_VOTES, _START = "votes_to_stop", "start_step"


@contextlib.contextmanager
def _signals_end_the_process() -> Iterator[None]:
    """Let signals act at once while TensorFlow waits, which runs no Python handler."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave() -> None:
    """Let TensorFlow know of no other machine: this process works alone."""
    os.environ.pop(VARIABLE, None)


def _end_process(message: str) -> NoReturn:
    """Print the error and end, though the main thread waits inside of TensorFlow."""
    sys.stderr.write(f"error: {message}\n")
    sys.stderr.flush()
    os._exit(1)


class PeerWatch:
    """Looks every second whether the other machines' processes are still there.

    A machine counts as gone when it was there before and refuses a connection (its
    process has ended), or does not answer for a minute.
    """

    def __init__(
        self,
        cluster: ClusterConfig,
        end: Callable[[str], object] = _end_process,
    ):
        """Watch all trainers but this one.

        Args:
            end: called once, in the thread, with the message.
        """
        self._cluster = cluster
        self._end = end
        self._ended = threading.Event()
        self._silent = {i: 0 for i in range(cluster.size) if i != cluster.index}
        self._seen: set[int] = set()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more: the others may end now."""
        self._ended.set()

    def _is_gone(self, index: int) -> bool:
        try:
            if not _is_listening(self._cluster.trainers[index], _SECONDS_FOR_AN_ANSWER):
                return index in self._seen
        except OSError:
            self._silent[index] += 1
            return index in self._seen and self._silent[index] >= _LOOKS_WITHOUT_ANSWER
        self._seen.add(index)
        self._silent[index] = 0
        return False

    def _watch(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_LOOKS):
            gone = [index for index in self._silent if self._is_gone(index)]
            if gone and not self._ended.wait(_SECONDS_BETWEEN_LOOKS):  # ending as well?
                names = ", ".join(map(self._cluster.name, gone))
                self._end(f"{names} is gone; {_ADVICE}")
                return


class Membership(NamedTuple):
    """What a machine has of a cluster: sums over all, and a look at the others."""

    strategy: tf.distribute.Strategy
    watch: PeerWatch


@functools.lru_cache(maxsize=1)
def join(cluster: ClusterConfig) -> Membership:
    """Wait until all machines of a cluster are there; once a process.

    To be called in the main thread, before TensorFlow has computed anything, a dataset
    included. From then on the others are watched.
    """
    os.environ[VARIABLE] = cluster.to_tf_config()
    logging.info(
        "This is %s; waiting for all of %s",
        cluster.name(cluster.index),
        ", ".join(map(cluster.name, range(cluster.size))),
    )
    watch = PeerWatch(cluster)
    watch.start()
    with _signals_end_the_process():
        return Membership(tf.distribute.MultiWorkerMirroredStrategy(), watch)


def _is_listening(address: str, timeout: float) -> bool:
    """Whether a process takes connections; OSError where that cannot be told."""
    host, _, port = address.rpartition(":")
    try:
        # [::1]:2222 is an address, too.
        socket.create_connection((host.strip("[]"), int(port)), timeout).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_for_chief(
    cluster: ClusterConfig, latest_step: Callable[[], Optional[int]], step: int
) -> None:
    """Wait until the chief has saved a step, so that no machine ends before.

    Args:
        latest_step: returns the step of the newest checkpoint.

    Raises:
        UserError: the chief is gone, and a minute later still there is no checkpoint.
    """
    refused = 0
    while (latest_step() or 0) < step:
        with contextlib.suppress(OSError):
            refused = (
                0
                if _is_listening(cluster.trainers[0], _SECONDS_FOR_AN_ANSWER)
                else refused + 1
            )
        if refused > _SECONDS_FOR_A_FILE / _SECONDS_BETWEEN_LOOKS:
            raise UserError(
                f"{cluster.name(0)} is gone, and step {step} was not saved; {_ADVICE}"
            )
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def check_same_start(cluster: ClusterConfig, step: int) -> None:
    """Compare the steps that the machines start from, each by its own view of files.

    Where some restored a checkpoint and some did not, they would wait for one another.

    Raises:
        UserError: they differ.
    """

    join(cluster)
    board = context.context()  # the only way to tell others something outside a graph
    board.set_config_key_value(f"{_START}/{cluster.index}", str(step))
    keys = [f"{_START}/{index}" for index in range(cluster.size)]
    starts = [int(board.get_config_key_value(key)) for key in keys]
    if len(set(starts)) > 1:
        named = (f"{cluster.name(i)} from step {x}" for i, x in enumerate(starts))
        raise UserError(
            f"the machines do not start from the same step: {', '.join(named)}; every "
            "machine must see the same output_dir"
        )


class Agreement(v1.train.SessionRunHook):
    """Ends training on all machines after the same step, once one of them asks.

    What each says is summed with the losses of a step.
    """

    def __init__(
        self, num_train_steps: int, stop: StopRequest, ended: Callable[[], object]
    ):
        """Build what this machine says; to be called in the graph of a replica.

        Args:
            num_train_steps: the last step.
            stop: whether this machine asks to stop.
            ended: called after the last step, before anything is made of it.
        """
        self._num_train_steps = num_train_steps
        self._stop = stop
        self._ended = ended
        # A hook is that of the machine's first replica; the others say nothing.
        self._vote = v1.placeholder_with_default(0.0, [])

    @property
    def said(self) -> dict[str, tf.Tensor]:
        """What is to be summed over all replicas, see `build_train_step`."""
        return {_VOTES: self._vote}

    def hear(self, summed: Mapping[str, tf.Tensor], steps_done: tf.Tensor) -> None:
        """Take what `said` sums up to, and the number of steps done with this one."""
        self._heard = (summed[_VOTES], steps_done)

    def before_run(self, run_context) -> v1.train.SessionRunArgs:
        """Say whether to stop."""
        return v1.train.SessionRunArgs(
            self._heard, {self._vote: float(self._stop.asked)}
        )

    def after_run(self, run_context, run_values) -> None:
        """Stop where any machine asked."""
        votes, step = run_values.results
        if votes > 0.5:
            self._stop.ask(PEER_STOPS)
            logging.info("Stopping: %s", self._stop.reason)
            run_context.request_stop()
        if votes > 0.5 or step >= self._num_train_steps:
            self._ended()
