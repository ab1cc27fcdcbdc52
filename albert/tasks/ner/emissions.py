"""Vectors of tokens, and what stands beside them -> the scores of their labels."""

from __future__ import annotations

import functools

import tensorflow as tf

from albert.modeling import beside, heads, ngrams
from albert.modeling.context import add_context
from albert.modeling.features import read_features
from albert.modeling.output import EncoderOutput
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.tag_schemes import LabelSet
from albert.training.task import Features

# Input -> its type and sizes, of what is read beside tokens; see `ColumnFeatures`.
BESIDE_SPECS = {
    "lexicon_ids": tf.TensorSpec([None, None, None], tf.int32),
    "lexicon_weights": tf.TensorSpec([None, None, None], tf.float32),
    "word_boundaries": tf.TensorSpec([None, None], tf.int32),
    "bigram_ids": tf.TensorSpec([None, None, 2], tf.int32),
}


def gather_scored_tokens(
    sequence: tf.Tensor, offset: tf.Tensor, max_length: tf.Tensor
) -> tf.Tensor:
    """Take the tokens that are scored in each window.

    Args:
        sequence: [B, T, H].
        offset: int32, [B]; where the first of them stands.
        max_length: int32 scalar, C.

    Returns:
        [B, C, H]; rows past a window's end repeat its last token.
    """
    places = offset[:, None] + tf.range(max_length)[None]
    places = tf.minimum(places, tf.shape(sequence)[1] - 1)
    return tf.gather(sequence, places, batch_dims=1)


def _vectors_beside(features: Features, labels: LabelSet) -> list[tf.Tensor]:
    """Return the vectors that stand beside the encoder's, float32 [B, T, W] each."""
    found = []
    if "lexicon_ids" in features:
        terms = labels.beside.terms
        sets = (features["lexicon_ids"], features["lexicon_weights"])
        sizes = (len(terms.units), terms.width, terms.initial)
        found.append(beside.lexicon_vectors(*sets, *sizes))
    if "word_boundaries" in features:
        found.append(beside.boundary_vectors(features["word_boundaries"]))
    if "bigram_ids" in features:
        bigrams = labels.beside.bigrams
        sizes = (len(bigrams.units), bigrams.width, bigrams.initial)
        found.append(beside.bigram_vectors(features["bigram_ids"], *sizes))
    return found


def label_emissions(
    features: Features,
    encoded: EncoderOutput,
    settings: NerConfig,
    labels: LabelSet,
    initializer_range: float,
    training: bool,
) -> tf.Tensor:
    """Return the scores of the labels of the scored tokens, float32 [B, C, L].

    Args:
        features: see `NerTask.features`.
        encoded: at all tokens.
        initializer_range: of the weights of labels.
    """
    num_labels = len(labels.labels)
    scored = functools.partial(
        gather_scored_tokens,
        offset=features["offset"],
        max_length=tf.reduce_max(features["length"]),
    )
    sequence = read_features(settings.encoder_features, encoded)
    vectors = _vectors_beside(features, labels)
    if vectors:
        sequence = tf.concat([sequence, *vectors], axis=2)
    sequence = add_context(
        settings.context,
        sequence,
        features["input_mask"],
        settings.dropout_prob,
        training=training,
    )
    emissions = heads.token_label_logits(
        scored(sequence),
        num_labels,
        initializer_range,
        settings.dropout_prob,
        training=training,
    )
    if settings.ngram_features:
        inputs = (features["input_ids"], features["input_mask"])
        emissions += scored(ngrams.ngram_scores(*inputs, num_labels))
    return emissions
