"""Entities on decoded paths, with their probabilities, in the graph."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert.modeling import crf
from albert.tasks.ner.tag_schemes import LabelSet, split_tag

_NEVER = -1e9  # the score of what is left out of a sum


class Decoded(NamedTuple):
    """The best labels of S sentences, and what their probabilities are made of."""

    path: tf.Tensor  # int32, [S, T]
    lengths: tf.Tensor  # int32, [S]
    emissions: tf.Tensor  # [S, T, L]; illegal edges have no probability
    transitions: tf.Tensor  # [L, L]; illegal ones have none
    sums: crf.PathSums


class Entities(NamedTuple):
    """The entities of all sentences, one after the other; E entities.

    Attributes:
        first, last: int32, [E]; their first and last columns, counted over all.
        scores: float32, [E]; see `NerPredictor.predict`.
    """

    first: tf.Tensor
    last: tf.Tensor
    scores: tf.Tensor


def find_entities(
    label_set: LabelSet, decoded: Decoded, path: tf.Tensor, sentence: tf.Tensor
) -> Entities:
    """Return the entities on the best paths, as `SpanReader` reads them.

    Args:
        label_set: the model's labels.
        decoded: all sentences.
        path: int32, [N]; `decoded.path` without its padding.
        sentence: int32, [N].
    """
    goes_on = label_set.continuations() & label_set.legal_transitions()
    steps = tf.stack([path[:-1], path[1:]], axis=1)
    joined = tf.gather_nd(tf.constant(goes_on), steps)
    joined = tf.logical_and(joined, tf.equal(sentence[1:], sentence[:-1]))
    begins = tf.concat([[True], ~joined], axis=0)
    ends = tf.concat([~joined, [True]], axis=0)
    first, last = (tf.cast(tf.where(part)[:, 0], tf.int32) for part in (begins, ends))
    # A stretch is an entity where its first label opens one and its last closes it.
    scheme = label_set.scheme
    prefixes = [split_tag(label)[0] for label in label_set.labels]
    opens = tf.constant([p in (scheme.first, scheme.single) for p in prefixes])
    closes = tf.constant([p in (scheme.last, scheme.single) for p in prefixes])
    whole = tf.logical_and(
        tf.gather(opens, tf.gather(path, first)),
        tf.gather(closes, tf.gather(path, last)),
    )
    first, last = tf.boolean_mask(first, whole), tf.boolean_mask(last, whole)
    scores = _score_edges(label_set, decoded)
    inside = tf.sequence_mask(decoded.lengths, tf.shape(decoded.path)[1])
    opening, closing = (tf.boolean_mask(part, inside) for part in scores)
    scores = tf.exp(tf.gather(opening, first) + tf.gather(closing, last))
    return Entities(first, last, tf.cast(tf.minimum(scores, 1.0), tf.float32))


def _score_edges(label_set: LabelSet, decoded: Decoded) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what beginning and end at each column have in an entity's score.

    The sum of both, [S, T] each, is the log probability that the path's labels
    stand between them and do not go on; see `crf_decoding.span_probabilities`.
    """
    path, _, emissions, transitions, sums = decoded
    emitted = tf.gather(emissions, path, batch_dims=2)
    pairs = tf.stack([path[:, :-1], path[:, 1:]], axis=-1)
    moved = tf.pad(tf.gather_nd(transitions, pairs), [[0, 0], [1, 0]])
    so_far = tf.cumsum(emitted + moved, axis=1)
    opening = tf.gather(sums.forward, path, batch_dims=2) - so_far
    # Of all that may follow, what would go on with the entity is left out.
    barred = label_set.continuations() * _NEVER
    leaving = transitions + tf.constant(barred, transitions.dtype)
    follows = (emissions + sums.backward)[:, 1:]
    after = tf.reduce_logsumexp(tf.gather(leaving, path[:, :-1]) + follows, axis=-1)
    after = tf.pad(after, [[0, 0], [0, 1]])
    places = tf.range(tf.shape(path)[1])[None]
    at_end = tf.greater_equal(places, decoded.lengths[:, None] - 1)
    after = tf.where(at_end, tf.zeros_like(after), after)
    return opening, so_far + after - sums.total[:, None]
