"""Heads that find a span of the input: its start, its end, and whether there is one.

Clark et al., "ELECTRA" (2020), as google-research/electra computes them. Joint heads
choose the end by the start (as in XLNet, Yang et al., 2019); independent ones are those
of BERT. Dense layers start from Glorot uniform values. Heads of different kinds have
variables of different names, so that one model may start from another's encoder.
"""

from __future__ import annotations

from typing import Callable, NamedTuple

import tensorflow as tf

from albert.modeling import layers

v1 = tf.compat.v1

_HIDDEN = 512  # of the joint end and of the classifier, whatever the encoder's width
_FORBIDDEN = -1000.0  # added to the logit of a position where no span may lie


class Beam(NamedTuple):
    """The best starts of each example, and for each of them the best ends.

    Attributes:
        starts: int32, [B, K].
        ends: int32, [B, K, K].
        start_scores: float32, [B, K]; log probabilities.
        end_scores: float32, [B, K, K]; log probabilities, given the start.
    """

    starts: tf.Tensor
    ends: tf.Tensor
    start_scores: tf.Tensor
    end_scores: tf.Tensor


def allowed_positions(input_mask: tf.Tensor, segment_ids: tf.Tensor) -> tf.Tensor:
    """Return where a span may lie: 1 in the second segment and at [CLS], else 0.

    Args:
        input_mask, segment_ids: integer, [B, T].

    Returns:
        float32, [B, T].
    """
    second = tf.cast(input_mask * segment_ids, tf.float32)
    return tf.concat([tf.ones_like(second[:, :1]), second[:, 1:]], axis=1)


def _restrict(logits: tf.Tensor, allowed: tf.Tensor) -> tf.Tensor:
    return logits + _FORBIDDEN * (1.0 - allowed)


def place_logits(sequence: tf.Tensor, allowed: tf.Tensor, scope: str) -> tf.Tensor:
    """Return a logit for each position, one dense layer away from its vector.

    Args:
        sequence: float32, [B, T, H].
        allowed: see `allowed_positions`.
        scope: of the layer: "start", or "end" of an independent head.

    Returns:
        float32, [B, T].
    """
    return _restrict(_score(sequence, scope), allowed)


def _score(x: tf.Tensor, scope: str) -> tf.Tensor:
    """Return one number of each vector: [..., N] -> [...]."""
    shape = tf.shape(x)
    flat = layers.dense(tf.reshape(x, [-1, x.shape[-1]]), 1, None, scope=scope)
    return tf.reshape(flat, shape[:-1])


def joint_end(
    sequence: tf.Tensor, allowed: tf.Tensor
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what gives the logits of ends from the vector of a start.

    The end at j with the start at i is scored by a hidden layer over both vectors side
    by side. Its matrix is applied in two halves, so that what the ends share is
    computed once. Variables `joint_end_hidden/{kernel,bias}` [2 H, 512] and
    `joint_end/` [512, 1].

    Args:
        sequence: float32, [B, T, H].
        allowed: see `allowed_positions`.

    Returns:
        A function from float32 [B, H] to float32 [B, T].
    """
    width = sequence.shape[-1]
    kernel, bias = _dense_variables("joint_end_hidden", 2 * width, _HIDDEN)
    of_start, of_end = tf.split(kernel, 2)
    ends = tf.einsum("bth,hu->btu", sequence, of_end) + bias
    end_kernel, end_bias = _dense_variables("joint_end", _HIDDEN, 1)

    def logits(start: tf.Tensor) -> tf.Tensor:
        hidden = layers.gelu_erf(ends + tf.matmul(start, of_start)[:, None])
        scores = tf.einsum("btu,u->bt", hidden, end_kernel[:, 0]) + end_bias
        return _restrict(scores, allowed)

    return logits


def _dense_variables(
    scope: str, inputs: int, units: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the values of `<scope>/{kernel,bias}`, as `layers.dense` has them.

    They are read here, once: the ends of a beam are scored in a loop.
    """
    with v1.variable_scope(scope):
        kernel = v1.get_variable(
            "kernel", [inputs, units], initializer=layers.initializer(None)
        )
        bias = v1.get_variable("bias", [units], initializer=v1.zeros_initializer())
    return tf.convert_to_tensor(kernel), tf.convert_to_tensor(bias)


def search_beam(
    sequence: tf.Tensor,
    start_logits: tf.Tensor,
    end_logits: Callable[[tf.Tensor], tf.Tensor],
    beam_size: int,
) -> Beam:
    """Return the best starts and for each the best ends, `beam_size` of each.

    Args:
        sequence: float32, [B, T, H].
        start_logits: float32, [B, T].
        end_logits: see `joint_end`.
        beam_size: K; T where that is less.
    """
    size = tf.minimum(beam_size, tf.shape(sequence)[1])
    scores, starts = tf.math.top_k(tf.nn.log_softmax(start_logits), size)
    vectors = tf.gather(sequence, starts, batch_dims=1)  # [B, K, H]

    def best_ends(vector: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tuple(tf.math.top_k(tf.nn.log_softmax(end_logits(vector)), size))

    end_scores, ends = tf.map_fn(
        best_ends,
        tf.transpose(vectors, [1, 0, 2]),
        fn_output_signature=(tf.float32, tf.int32),
        parallel_iterations=1,  # [B, T, 512] of each is held
    )
    end_scores, ends = (tf.transpose(x, [1, 0, 2]) for x in (end_scores, ends))
    return Beam(starts, ends, scores, end_scores)


def unanswerable_logits(
    sequence: tf.Tensor, start_logits: tf.Tensor, uses_start_logits: bool
) -> tf.Tensor:
    """Return the logits that there is no span.

    Args:
        sequence: float32, [B, T, H].
        start_logits: float32, [B, T].
        uses_start_logits: whether a hidden layer reads, beside the first vector, the
            mean of all by the probability of the start.

    Returns:
        float32, [B]. Variables `answerable_hidden/` [2 H, 512] and `answerable/`
        [512, 1], or `answerable_first/` [H, 1].
    """
    first = sequence[:, 0]
    if not uses_start_logits:
        return _score(first, "answerable_first")
    mean = tf.einsum("bt,bth->bh", tf.nn.softmax(start_logits), sequence)
    hidden = layers.dense(
        tf.concat([first, mean], axis=1),
        _HIDDEN,
        None,
        layers.gelu_erf,
        scope="answerable_hidden",
    )
    return _score(hidden, "answerable")
