"""What is drawn at random for each example, the same whoever draws it.

Random numbers depend on a seed and on the number of the example in the training alone.
So a resumed run draws what an undisturbed one would, and the examples of a batch draw
the same on one device, on several, and in parts one after the other.
"""

from __future__ import annotations

from typing import Protocol

import tensorflow as tf

# The generator of TensorFlow's stateless operations by Salmon et al., "Parallel random
# numbers: as easy as 1, 2, 3" (2011): its n-th four numbers are a function of n, so
# those of an example are found without drawing those of the examples before it.
_PHILOX, _AT_ONCE = 1, 4
# Bits of a number that make a float. XLA has the same integers as TensorFlow's kernels,
# but makes other floats of them, so these are made here, as the kernels make them.
_BITS = 23
_CHOICE, _REPLACE, _GUMBEL = range(3)  # what is drawn


class Draws(Protocol):
    """The random numbers of a batch; B examples, N slots, V tokens."""

    def positions(self, candidates: tf.Tensor, slots: int) -> tf.Tensor:
        """Return int32 [B, slots]: candidates, any several times.

        Args:
            candidates: bool [B, T], what may be chosen.
        """

    def replace(self, slots: int) -> tf.Tensor:
        """Return float32 [B, slots], uniform in [0, 1)."""

    def gumbel(self, slots: int, vocab_size: int) -> tf.Tensor:
        """Return float32 [B, slots, V], uniform in [0, 1)."""


def uniform_of_examples(
    seed: int, purpose: int, numbers: tf.Tensor, size: int
) -> tf.Tensor:
    """Return numbers in [0, 1) for each example, float32 [B, size].

    Args:
        seed: of the training.
        purpose: what they are for; each has a stream of its own.
        numbers: int64 [B], consecutive.
        size: how many an example draws; always the same for a purpose.
    """
    groups = -(-size // _AT_ONCE)
    key, _ = tf.raw_ops.StatelessRandomGetKeyCounter(
        seed=tf.constant([seed, purpose], tf.int64)
    )
    first = tf.cast(numbers[0] * groups, tf.uint64)
    values = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=tf.stack([tf.size(numbers), groups * _AT_ONCE]),
        key=key,
        counter=tf.stack([first, tf.zeros([], tf.uint64)]),
        alg=_PHILOX,
        dtype=tf.int32,
    )
    bits = tf.bitwise.bitwise_and(values[:, :size], 2**_BITS - 1)
    return tf.cast(bits, tf.float32) * 2.0**-_BITS


def choose_positions(candidates: tf.Tensor, choice: tf.Tensor) -> tf.Tensor:
    """Return positions of candidates, each as likely as any other.

    Args:
        candidates: bool [B, T].
        choice: float32 [B, N], uniform in [0, 1).

    Returns:
        int32 [B, N]; any position where there is no candidate. Example: candidates
        [[0, 1, 0, 1]] and choice [[0.4, 0.6, 0.7]] give [[1, 3, 3]].
    """
    counted = tf.cumsum(tf.cast(candidates, tf.int32), axis=1)
    count = counted[:, -1:]
    nth = tf.cast(choice * tf.cast(count, tf.float32), tf.int32)
    nth = tf.clip_by_value(nth, 0, tf.maximum(count - 1, 0))
    found = tf.searchsorted(counted, nth + 1, side="left")
    return tf.minimum(found, tf.shape(candidates)[1] - 1)


class StatelessDraws:
    """Draws by the number of each example; see `Draws`."""

    def __init__(self, seed: int, numbers: tf.Tensor):
        """Keep what is drawn from.

        Args:
            seed: of the training.
            numbers: int64 [B], of the examples of the batch, consecutive.
        """
        self._seed = seed
        self._numbers = numbers

    def _uniform(self, purpose: int, size: int) -> tf.Tensor:
        return uniform_of_examples(self._seed, purpose, self._numbers, size)

    def positions(self, candidates: tf.Tensor, slots: int) -> tf.Tensor:
        """See `Draws.positions`."""
        return choose_positions(candidates, self._uniform(_CHOICE, slots))

    def replace(self, slots: int) -> tf.Tensor:
        """See `Draws.replace`."""
        return self._uniform(_REPLACE, slots)

    def gumbel(self, slots: int, vocab_size: int) -> tf.Tensor:
        """See `Draws.gumbel`."""
        values = self._uniform(_GUMBEL, slots * vocab_size)
        return tf.reshape(values, [-1, slots, vocab_size])
