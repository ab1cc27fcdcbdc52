"""Several machines that train one model: starting, agreeing, noticing who is gone.

TensorFlow sums over machines within a step. A machine that waits there for another one
can neither stop nor tell why, so whatever ends training early is agreed upon in the sum
itself, and a thread looks whether the others are still there.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import sys
import threading
import time
from typing import Any, Callable, Iterator, Mapping, NamedTuple, NoReturn

import tensorflow as tf
from absl import logging
from tensorflow.python.eager import context

from albert.base.compare import first_difference
from albert.base.errors import UserError
from albert.base.signals import SIGNALS
from albert.training.cluster_config import VARIABLE, ClusterConfig
from albert.training.stopping import PEER_STOPS, StopRequest

v1 = tf.compat.v1

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_FOR_AN_ANSWER = 10.0
_SECONDS_OF_SILENCE = 60.0  # of a machine that is gone with its network
_REFUSALS = 2  # looks in a row
_ADVICE = (
    "start the same command on every machine again: training goes on from the newest "
    "checkpoint"
)
_VOTES = "votes_to_stop"


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

    A machine that was there counts as gone when it refuses connections (its process
    has ended), or has not answered for a minute.
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
        self._peers = [i for i in range(cluster.size) if i != cluster.index]
        self._refused = dict.fromkeys(self._peers, 0)  # looks in a row
        self._answered: dict[int, float] = {}  # when a machine was there last
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def all_are_there(self) -> None:
        """Take note that every machine was there just now."""
        for index in self._peers:
            self._answered[index] = time.monotonic()

    def stop(self) -> None:
        """Look no more: the others may end now."""
        self._ended.set()

    def _is_gone(self, index: int) -> bool:
        try:
            there = _is_listening(self._cluster.trainers[index])
        except OSError:  # no answer, or no way to it: the network may come back
            there = None
        if there:
            self._answered[index] = time.monotonic()
        self._refused[index] = self._refused[index] + 1 if there is False else 0
        if index not in self._answered:
            return False
        silence = time.monotonic() - self._answered[index]
        return self._refused[index] >= _REFUSALS or silence > _SECONDS_OF_SILENCE

    def _watch(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_LOOKS):
            gone = [index for index in self._peers if self._is_gone(index)]
            if gone and not self._ended.is_set():
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
    try:
        with _signals_end_the_process():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        watch.stop()
        first = str(error).splitlines()[0]
        raise UserError(
            f"{cluster.name(cluster.index)} cannot join the others: {first}"
        ) from error
    watch.all_are_there()
    return Membership(strategy, watch)


def _is_listening(address: str) -> bool:
    """Whether a process takes connections; OSError where that cannot be told."""
    host, _, port = address.rpartition(":")
    try:
        # [::1]:2222 is an address, too.
        there = (host.strip("[]"), int(port))
        socket.create_connection(there, _SECONDS_FOR_AN_ANSWER).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_for_chief(
    cluster: ClusterConfig, saved_step: Callable[[], int], step: int
) -> None:
    """Wait until the chief has saved a step, so that no machine ends before.

    Args:
        saved_step: returns the step of the newest checkpoint, 0 without one.

    Raises:
        UserError: the chief is gone, and a minute later still there is no checkpoint.
    """
    last_seen = time.monotonic()
    was_gone = False  # for good: a chief that is started again has not this step
    while saved_step() < step:
        with contextlib.suppress(OSError):
            was_gone = was_gone or not _is_listening(cluster.trainers[0])
            if not was_gone:
                last_seen = time.monotonic()
        if time.monotonic() - last_seen > _SECONDS_OF_SILENCE:
            raise UserError(
                f"{cluster.name(0)} is gone, and step {step} was not saved; {_ADVICE}"
            )
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def exchange(cluster: ClusterConfig, what: str, value: str) -> list[str]:
    """Tell the other machines a value, and return those of all; each thing once.

    Raises:
        UserError: the others cannot be asked.
    """
    join(cluster)
    store = context.context()  # the only way to tell others something outside a graph
    try:
        store.set_config_key_value(f"{what}/{cluster.index}", value)
        keys = [f"{what}/{index}" for index in range(cluster.size)]
        return [_wait_for_value(store, key) for key in keys]
    except tf.errors.OpError as error:
        first = str(error).splitlines()[0]
        raise UserError(f"the other machines cannot be asked: {first}") from error


def _wait_for_value(store: context.Context, key: str) -> str:
    while True:
        with contextlib.suppress(tf.errors.DeadlineExceededError):
            # Not for longer: no Python signal handler runs meanwhile.
            return store.get_config_key_value(key, timeout_in_ms=1000)


def compare(cluster: ClusterConfig, what: str, values: Mapping[str, Any]) -> None:
    """Stop unless some values are the same on all machines.

    Args:
        what: names the comparison; each is made once.
        values: name -> what JSON can hold.

    Raises:
        UserError: one differs; it and two machines are named.
    """
    found = [json.loads(x) for x in exchange(cluster, what, json.dumps(dict(values)))]
    for index, other in enumerate(found):
        chief = {**dict.fromkeys(other), **found[0]}
        difference = first_difference(other, chief)
        if difference is not None:
            raise UserError(
                f"the machines differ in {what}, {difference.name}: {cluster.name(0)} "
                f"has {difference.wanted}, {cluster.name(index)} has {difference.found}"
            )


class StopVote(v1.train.SessionRunHook):
    """Ends training on all machines after the same step, once one of them asks.

    The votes are summed with the losses of a step.
    """

    def __init__(
        self, num_train_steps: int, stop: StopRequest, ended: Callable[[], object]
    ):
        """Build this machine's vote; to be called in the graph of a replica.

        Args:
            num_train_steps: the last step.
            stop: whether this machine asks to stop.
            ended: called after the last step, before anything is made of it.
        """
        self._num_train_steps = num_train_steps
        self._stop = stop
        self._ended = ended
        # A hook is that of the machine's first replica; the others do not vote.
        self._vote = v1.placeholder_with_default(0.0, [])

    @property
    def summed(self) -> dict[str, tf.Tensor]:
        """What is to be summed over all replicas, see `build_train_step`."""
        return {_VOTES: self._vote}

    def count(self, summed: Mapping[str, tf.Tensor], steps_done: tf.Tensor) -> None:
        """Take the sum over all replicas, and how many steps are done with this one."""
        self._counted = (summed[_VOTES], steps_done)

    def before_run(self, run_context) -> v1.train.SessionRunArgs:
        """Vote."""
        return v1.train.SessionRunArgs(
            self._counted, {self._vote: float(self._stop.asked)}
        )

    def after_run(self, run_context, run_values) -> None:
        """Stop where any machine votes for it."""
        votes, step = run_values.results
        self._stop.trained.set()
        if votes > 0.5:
            self._stop.ask(PEER_STOPS)
            logging.info("Stopping: %s", self._stop.reason)
            run_context.request_stop()
        if votes > 0.5 or step >= self._num_train_steps:
            self._ended()
