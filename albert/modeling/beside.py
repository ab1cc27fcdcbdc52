"""Vectors of tokens that do not come from the encoder, to be set beside its own.

Sets of the terms of a lexicon: Ma et al., "Simplify the Usage of Lexicon in Chinese
NER" (2020).
"""

from __future__ import annotations

import math
from typing import Callable, Optional, Sequence

import numpy as np
import tensorflow as tf

from albert.modeling import layers

v1 = tf.compat.v1

NUM_SETS = 4  # of terms that begin at a token, go on, end there, and stand alone
NUM_BOUNDARIES = 5  # none, and a token's place in its word
_BOUNDARY_WIDTH = 8


def _uniform(width: int) -> tf.keras.initializers.Initializer:
    """Lample et al. (2016): so that each vector has a norm of about 1."""
    limit = math.sqrt(3.0 / width)
    return v1.random_uniform_initializer(-limit, limit)


def _values(values: np.ndarray) -> Callable[..., tf.Tensor]:
    """Return an initialiser of an array, which is no constant of the graph.

    A graph holds 2 GB at most, and goes into the event file each time it is built.
    """

    def initialise(shape: Sequence[int], dtype: tf.DType = tf.float32) -> tf.Tensor:
        found = tf.numpy_function(lambda: values, [], dtype)
        found.set_shape(shape)
        return found

    return initialise


def _table(
    name: str, rows: int, width: int, initial: Optional[np.ndarray], trainable: bool
) -> tf.Tensor:
    """Return a table whose row 0, of nothing, is zero."""
    initializer = _uniform(width)
    if initial is not None:
        initializer = _values(initial)
    table = v1.get_variable(
        name, [rows, width], initializer=initializer, trainable=trainable
    )
    return tf.concat([tf.zeros([1, width]), tf.convert_to_tensor(table)], axis=0)


def lexicon_vectors(
    ids: tf.Tensor,
    weights: tf.Tensor,
    num_terms: int,
    width: int,
    initial: Optional[np.ndarray] = None,
) -> tf.Tensor:
    """Return the sums of the vectors of the terms in each of a token's four sets.

    Args:
        ids: int32, [B, T, 4 K]; numbers of terms, counted from 1, set after set, K in
            each; 0 for none.
        weights: float32, [B, T, 4 K].
        num_terms: in the lexicon.
        width: W, of a term's vector.
        initial: float32 [num_terms, W], what training starts from; None for random.

    Returns:
        float32, [B, T, 4 W]. Variable `lexicon/terms` [num_terms, W].
    """
    with v1.variable_scope("lexicon"):
        table = _table("terms", num_terms, width, initial, trainable=True)
    batch, length = tf.shape(ids)[0], tf.shape(ids)[1]
    weighted = tf.gather(table, ids) * weights[..., None]  # [B, T, 4 K, W]
    sets = tf.reshape(weighted, [batch, length, NUM_SETS, -1, width])
    return tf.reshape(tf.reduce_sum(sets, axis=3), [batch, length, NUM_SETS * width])


def boundary_vectors(places: tf.Tensor) -> tf.Tensor:
    """Return a vector for the place of each token in its word.

    Args:
        places: int32, [B, T]; from 1 to 4, 0 for none.

    Returns:
        float32, [B, T, 8]. Variable `word_boundaries/places` [4, 8].
    """
    with v1.variable_scope("word_boundaries"):
        table = _table("places", NUM_BOUNDARIES - 1, _BOUNDARY_WIDTH, None, True)
    return tf.gather(table, places)


def bigram_vectors(
    ids: tf.Tensor, num_bigrams: int, width: int, initial: Optional[np.ndarray] = None
) -> tf.Tensor:
    """Return the vectors of the bigrams that end and begin at each token, mapped.

    The vectors stay as they are, so that those of bigrams that the training data lack
    go with the others; the map is trained.

    Args:
        ids: int32, [B, T, 2]; numbers of bigrams, counted from 1; 0 for none.
        num_bigrams: how many have a vector.
        width: W, of a vector.
        initial: float32 [num_bigrams, W]; None where a checkpoint has them.

    Returns:
        float32, [B, T, W]. Variables `bigrams/vectors` [num_bigrams, W] and
        `bigrams/dense`.
    """
    batch, length = tf.shape(ids)[0], tf.shape(ids)[1]
    with v1.variable_scope("bigrams"):
        table = _table("vectors", num_bigrams, width, initial, trainable=False)
        both = tf.reshape(tf.gather(table, ids), [-1, 2 * width])
        mapped = tf.tanh(layers.dense(both, width, 1.0 / math.sqrt(2 * width)))
    return tf.reshape(mapped, [batch, length, width])
