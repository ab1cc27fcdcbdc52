"""Named entity recognition: a label for every character.

Each window of a sentence gives scores for some of its characters; a sentence's
scores are joined and decoded as one, so a long sentence is decoded like a short one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional

import numpy as np
import tensorflow as tf

from albert.modeling import crf, heads
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.output import make_report
from albert.tasks.ner.source import NerSource
from albert.tasks.ner.tag_schemes import LabelSet
from albert.training.task import (
    PREDICT,
    TRAIN,
    Features,
    LossTerm,
    Metric,
    Task,
    TaskOutput,
)


class Labelling(NamedTuple):
    """Tags of each sentence, and the mean loss of a character (NaN without gold)."""

    tags: list[list[str]]
    loss: float


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


def _softmax_loss(
    emissions: tf.Tensor, labels: tf.Tensor, lengths: tf.Tensor
) -> tf.Tensor:
    """Return the negative log-likelihood of each example, [B]."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=emissions
    )
    mask = tf.sequence_mask(lengths, tf.shape(labels)[1], losses.dtype)
    return tf.reduce_sum(losses * mask, axis=1)


class NerTask(Task):
    """Labels the characters of sentences."""

    best_metric = Metric("eval_f", higher_is_better=True)

    def __init__(
        self,
        config: NerConfig,
        label_set: LabelSet,
        initializer_range: float = 0.02,
    ):
        """Keep what the graph and the scores depend on.

        Args:
            config: the head and its settings.
            label_set: of the training data.
            initializer_range: of the head's weights.
        """
        self._config = config
        self._label_set = label_set
        self._labels = label_set.labels
        self._legal = label_set.legal_transitions()
        self._initializer_range = initializer_range

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`; all int32.

        `input_ids` and `input_mask` [B, T], `label_ids` [B, C] for at most C tokens
        that are scored in a window, `length` [B] (how many they are), `offset` [B]
        (where the first stands in T), `sentence` [B].
        """
        del mode
        sizes = {
            **dict.fromkeys(("input_ids", "input_mask", "label_ids"), [None, None]),
            **dict.fromkeys(("length", "offset", "sentence"), [None]),
        }
        return {name: tf.TensorSpec(size, tf.int32) for name, size in sizes.items()}

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`; the loss "label_loss" is the mean over characters.

        Predictions: `emissions` float32 [B, C, L], `length` and `sentence` int32 [B];
        with a CRF `transitions` float32 [B, L, L], the same for all; except in PREDICT
        `label_loss` float32 [B], the sum over an example's characters.
        """
        labels, lengths = features["label_ids"], features["length"]
        encoded = build_encoder(
            features["input_ids"],
            features["input_mask"],
            tf.zeros_like(features["input_ids"]),
            training=mode == TRAIN,
        )
        emissions = heads.token_label_logits(
            gather_scored_tokens(
                encoded.sequence, features["offset"], tf.shape(labels)[1]
            ),
            len(self._labels),
            self._initializer_range,
            self._config.dropout_prob,
            training=mode == TRAIN,
        )
        predictions = {
            "emissions": emissions,
            "length": lengths,
            "sentence": features["sentence"],
        }
        if self._config.head == "crf":
            scores = crf.transition_scores(self._legal)
            losses = -crf.log_likelihood(emissions, labels, lengths, scores)
            copies = [tf.shape(lengths)[0], 1, 1]
            predictions["transitions"] = tf.tile(scores[None], copies)
        else:
            losses = _softmax_loss(emissions, labels, lengths)
        if mode == PREDICT:
            return TaskOutput({}, predictions)
        weight = tf.cast(tf.reduce_sum(lengths), tf.float32)
        terms = {"label_loss": LossTerm(tf.reduce_sum(losses), weight)}
        if mode == TRAIN:
            return TaskOutput(terms, {})
        return TaskOutput(terms, {**predictions, "label_loss": losses})

    def label(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: NerSource
    ) -> Labelling:
        """Return the tags of every sentence from the predictions of all its windows."""
        emissions: dict[int, list[np.ndarray]] = defaultdict(list)
        transitions = None
        loss = characters = 0.0
        for batch in batches:
            lengths = batch["length"]
            for row, sentence in enumerate(batch["sentence"]):
                emissions[sentence].append(batch["emissions"][row, : lengths[row]])
            if "transitions" in batch:
                transitions = batch["transitions"][0]
            loss += float(np.sum(batch.get("label_loss", np.nan), dtype=np.float64))
            characters += float(np.sum(lengths))
        tags = [
            self._decode(np.concatenate(emissions[index]), transitions)
            for index in range(len(data.sentences))
        ]
        return Labelling(tags, loss / characters)

    def _decode(
        self, emissions: np.ndarray, transitions: Optional[np.ndarray]
    ) -> list[str]:
        """Return the tags of one sentence; emissions float32 [characters, L]."""
        if transitions is None:
            path = emissions.argmax(axis=-1)
        else:
            path = crf.viterbi(emissions, transitions, self._legal)
        return [self._labels[index] for index in path]

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: NerSource
    ) -> dict[str, float]:
        """See `Task.score` and `albert.tasks.ner.output.Report.metrics`."""
        labelling = self.label(batches, data)
        gold = [sentence.tags for sentence in data.sentences]
        return make_report(
            gold, labelling.tags, labelling.loss, self._label_set.scheme
        ).metrics()
