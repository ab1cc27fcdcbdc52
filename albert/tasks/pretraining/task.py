"""Masked language modelling, sentence order and next sentence prediction.

Devlin et al. (2019), section 3.1; Lan et al. (2020), section 3.1.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Iterable, Mapping, Optional

import numpy as np
import tensorflow as tf

from albert.modeling import heads, layers
from albert.modeling.config import EncoderConfig
from albert.modeling.output import EncoderOutput
from albert.records import features as records
from albert.tasks.linear_schedule import Schedule
from albert.tasks.pretraining.objectives import (
    DEFAULT_OBJECTIVES,
    MASKED_LM,
    parse_objectives,
)
from albert.tasks.record_input import trim
from albert.training.task import (
    TRAIN,
    DataSource,
    Features,
    LossTerm,
    Task,
    TaskOutput,
)

v1 = tf.compat.v1

_WEIGHT_EPSILON = 1e-5  # of the reference's masked LM loss: no division by 0


class PretrainingTask(Task):
    """Masked LM and an objective on pairs of segments, as the weights say."""

    def __init__(
        self,
        config: EncoderConfig,
        max_seq_length: int,
        max_predictions_per_seq: int,
        length_buckets: bool = True,
        objectives: Optional[Mapping[str, Schedule]] = None,
        num_train_steps: int = 1,
    ):
        """Keep what the graph depends on.

        Args:
            config: of the model.
            max_seq_length, max_predictions_per_seq: as the records were written.
            length_buckets: whether batches, which then hold examples of like length in
                training, are trimmed to what they need.
            objectives: name -> weight, see `objectives`; None for the default.
            num_train_steps: over which weights change.
        """
        self._config = config
        self._spec = records.feature_spec(max_seq_length, max_predictions_per_seq)
        self._length_buckets = length_buckets
        self._objectives = objectives or parse_objectives(DEFAULT_OBJECTIVES)
        self._num_train_steps = num_train_steps

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
        """See `Task.build`; losses "<objective>_loss", as "masked_lm_loss".

        Predictions hold sums over each example, float32 [B]: `masked_lm_loss`,
        `masked_lm_weight` and `masked_lm_correct`; of an objective on pairs
        `<objective>_loss` and `<objective>_correct`. What is left out among the
        objectives is not built. The mean "padding" is the share of the positions
        computed that hold no token.
        """
        if self._length_buckets:
            features = trim(features)
        lm = MASKED_LM in self._objectives
        encoded = build_encoder(
            features["input_ids"],
            features["input_mask"],
            features["segment_ids"],
            training=mode == TRAIN,
            positions=features["masked_lm_positions"] if lm else None,
        )
        losses, predictions = {}, {}
        for objective in self._objectives:
            add = self._masked_lm if objective == MASKED_LM else self._pair
            term, found = add(objective, encoded, features)
            losses[f"{objective}_loss"] = term
            predictions.update(found)
        if mode == TRAIN:
            progress = self._progress()
            losses = {
                f"{name}_loss": losses[f"{name}_loss"]._replace(
                    factor=schedule.at(progress)
                )
                for name, schedule in self._objectives.items()
            }
            return TaskOutput(losses, {}, {"padding": _padding(features["input_mask"])})
        return TaskOutput(losses, predictions)

    def _progress(self) -> tf.Tensor:
        """Return the share of the run's steps that are done, float32 scalar."""
        step = tf.cast(v1.train.get_or_create_global_step(), tf.float32)
        return tf.minimum(step / self._num_train_steps, 1.0)

    def _masked_lm(
        self, name: str, encoded: EncoderOutput, features: Features
    ) -> tuple[LossTerm, dict[str, tf.Tensor]]:
        """Return the loss of a masked language model, and its predictions."""
        hidden = tf.reshape(encoded.sequence, [-1, encoded.sequence.shape[-1]])
        logits = heads.masked_lm_logits(hidden, encoded.token_decoder, self._config)
        labels = tf.reshape(features["masked_lm_ids"], [-1])
        weights = tf.reshape(features["masked_lm_weights"], [-1])
        losses = weights * layers.cross_entropy(logits, labels)
        shape = tf.shape(features["masked_lm_ids"])
        values = {
            f"{name}_loss": losses,
            f"{name}_weight": weights,
            f"{name}_correct": weights * _is_best(logits, labels),
        }
        predictions = {
            key: tf.reduce_sum(tf.reshape(value, shape), axis=1)
            for key, value in values.items()
        }
        total, weight = tf.reduce_sum(losses), tf.reduce_sum(weights)
        return LossTerm(total, weight, _WEIGHT_EPSILON), predictions

    def _pair(
        self, name: str, encoded: EncoderOutput, features: Features
    ) -> tuple[LossTerm, dict[str, tf.Tensor]]:
        """Return the loss of an objective on pairs, and its predictions."""
        logits = heads.sentence_order_logits(
            encoded.pooled, self._config.initializer_range
        )
        labels = features["next_sentence_labels"][:, 0]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=logits
        )
        count = tf.cast(tf.size(losses), tf.float32)
        predictions = {
            f"{name}_loss": losses,
            f"{name}_correct": _is_best(logits, labels),
        }
        return LossTerm(tf.reduce_sum(losses), count), predictions

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: DataSource
    ) -> dict[str, float]:
        """Return means over masked positions and over examples; see `Task.score`.

        `masked_lm_perplexity` is exp of `masked_lm_loss`; `loss` is the sum of the
        losses, each with the weight it has at the end of a run.
        """
        del data
        sums: dict[str, float] = {}
        examples = 0
        for batch in batches:
            examples += len(next(iter(batch.values())))
            for name, values in batch.items():
                sums[name] = sums.get(name, 0.0) + float(np.sum(values, dtype=float))
        results = {"loss": 0.0}
        for name, schedule in self._objectives.items():
            count = examples
            if name == MASKED_LM:
                count = sums[f"{name}_weight"] + _WEIGHT_EPSILON
            loss = sums[f"{name}_loss"] / count
            results[f"{name}_loss"] = loss
            results[f"{name}_accuracy"] = sums[f"{name}_correct"] / count
            results["loss"] += schedule.end * loss
            if name == MASKED_LM:
                results[f"{name}_perplexity"] = math.exp(min(loss, 700))
        return results


def _padding(input_mask: tf.Tensor) -> LossTerm:
    size = tf.cast(tf.size(input_mask), tf.float32)
    return LossTerm(size - tf.cast(tf.reduce_sum(input_mask), tf.float32), size)


def _is_best(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return 1.0 where the label has the highest logit; logits [N, C], labels [N]."""
    best = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    return tf.cast(tf.equal(best, labels), tf.float32)
