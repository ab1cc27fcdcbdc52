"""Masked language modelling and sentence order prediction.

Devlin et al. (2019), section 3.1; Lan et al. (2020), section 3.1.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Iterable, Mapping

import numpy as np
import tensorflow as tf

from albert.modeling import heads, layers
from albert.modeling.config import EncoderConfig
from albert.records import features as records
from albert.tasks.pretraining.input import trim
from albert.training.task import (
    TRAIN,
    DataSource,
    Features,
    LossTerm,
    Task,
    TaskOutput,
)

_WEIGHT_EPSILON = 1e-5  # of the reference's masked LM loss: no division by 0


class PretrainingTask(Task):
    """Masked LM and sentence order."""

    def __init__(
        self,
        config: EncoderConfig,
        max_seq_length: int,
        max_predictions_per_seq: int,
        length_buckets: bool = True,
    ):
        """Keep what the graph depends on.

        Args:
            config: of the model.
            max_seq_length, max_predictions_per_seq: as the records were written.
            length_buckets: whether batches, which then hold examples of like length in
                training, are trimmed to what they need.
        """
        self._config = config
        self._spec = records.feature_spec(max_seq_length, max_predictions_per_seq)
        self._length_buckets = length_buckets

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`; those of a record."""
        del mode
        types = {"int64": tf.int32, "float32": tf.float32}  # see `records.parse`
        return {
            name: tf.TensorSpec([None, length], types[dtype])
            for name, dtype, length in self._spec
        }

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`; losses "masked_lm_loss" and "sentence_order_loss".

        Predictions hold sums over each example, float32 [B]: `masked_lm_loss`,
        `masked_lm_weight`, `masked_lm_correct`, `sentence_order_loss` and
        `sentence_order_correct`. The mean "padding" is the share of the positions
        computed that hold no token.
        """
        if self._length_buckets:
            features = trim(features)
        encoded = build_encoder(
            features["input_ids"],
            features["input_mask"],
            features["segment_ids"],
            training=mode == TRAIN,
            positions=features["masked_lm_positions"],
        )
        hidden = tf.reshape(encoded.sequence, [-1, encoded.sequence.shape[-1]])
        lm_logits = heads.masked_lm_logits(hidden, encoded.token_decoder, self._config)
        lm_labels = tf.reshape(features["masked_lm_ids"], [-1])
        lm_weights = tf.reshape(features["masked_lm_weights"], [-1])
        lm_losses = lm_weights * layers.cross_entropy(lm_logits, lm_labels)
        order_logits = heads.sentence_order_logits(
            encoded.pooled, self._config.initializer_range
        )
        order_labels = features["next_sentence_labels"][:, 0]
        order_losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=order_labels, logits=order_logits
        )
        losses = {
            "masked_lm_loss": LossTerm(
                tf.reduce_sum(lm_losses), tf.reduce_sum(lm_weights), _WEIGHT_EPSILON
            ),
            "sentence_order_loss": LossTerm(
                tf.reduce_sum(order_losses),
                tf.cast(tf.size(order_losses), tf.float32),
            ),
        }
        if mode == TRAIN:
            return TaskOutput(losses, {}, {"padding": _padding(features["input_mask"])})
        shape = tf.shape(features["masked_lm_ids"])
        lm_correct = lm_weights * _is_best(lm_logits, lm_labels)
        predictions = {
            name: tf.reduce_sum(tf.reshape(value, shape), axis=1)
            for name, value in (
                ("masked_lm_loss", lm_losses),
                ("masked_lm_weight", lm_weights),
                ("masked_lm_correct", lm_correct),
            )
        }
        predictions["sentence_order_loss"] = order_losses
        predictions["sentence_order_correct"] = _is_best(order_logits, order_labels)
        return TaskOutput(losses, predictions)

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: DataSource
    ) -> dict[str, float]:
        """Return means over masked positions and over examples; see `Task.score`.

        `masked_lm_perplexity` is exp of `masked_lm_loss`; `loss` is the sum of the two
        losses.
        """
        del data
        sums: dict[str, float] = {}
        examples = 0
        for batch in batches:
            examples += len(batch["sentence_order_loss"])
            for name, values in batch.items():
                sums[name] = sums.get(name, 0.0) + float(np.sum(values, dtype=float))
        weight = sums["masked_lm_weight"] + _WEIGHT_EPSILON
        results = {
            "masked_lm_accuracy": sums["masked_lm_correct"] / weight,
            "masked_lm_loss": sums["masked_lm_loss"] / weight,
            "sentence_order_accuracy": sums["sentence_order_correct"] / examples,
            "sentence_order_loss": sums["sentence_order_loss"] / examples,
        }
        results["masked_lm_perplexity"] = math.exp(min(results["masked_lm_loss"], 700))
        results["loss"] = results["masked_lm_loss"] + results["sentence_order_loss"]
        return results


def _padding(input_mask: tf.Tensor) -> LossTerm:
    size = tf.cast(tf.size(input_mask), tf.float32)
    return LossTerm(size - tf.cast(tf.reduce_sum(input_mask), tf.float32), size)


def _is_best(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return 1.0 where the label has the highest logit; logits [N, C], labels [N]."""
    best = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    return tf.cast(tf.equal(best, labels), tf.float32)
