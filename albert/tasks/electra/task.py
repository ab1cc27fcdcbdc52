"""Replaced token detection; Clark et al., "ELECTRA" (2020), section 2."""

from __future__ import annotations

import functools
import math
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional

import numpy as np
import tensorflow as tf

from albert.modeling import heads, layers
from albert.modeling.output import EncoderOutput
from albert.modeling.published_config import ElectraConfig
from albert.records import features as records
from albert.tasks.electra import masking
from albert.tasks.electra.config import ObjectiveConfig
from albert.tasks.electra.draws import Draws, StatelessDraws
from albert.tasks.electra.generator import make_generator_config
from albert.tasks.electra.scores import score_predictions
from albert.tasks.electra.source import EXAMPLE_NUMBER
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

_EPSILON = 1e-6  # of the reference's means: no division by 0
GENERATOR_SCOPE = "generator"

MakeDraws = Callable[[Features], Draws]


class _Generated(NamedTuple):
    """What the generator makes of masked text: logits [B, N, V], losses [B, N]."""

    logits: tf.Tensor
    losses: tf.Tensor


class ElectraTask(Task):
    """A generator that fills masks, and a discriminator that finds what it filled."""

    def __init__(
        self,
        config: ElectraConfig,
        objective: ObjectiveConfig,
        max_seq_length: int,
        special_ids: masking.SpecialIds,
        seed: int = 12345,
        length_buckets: bool = True,
        make_draws: Optional[MakeDraws] = None,
    ):
        """Keep what the graph depends on.

        Args:
            config: of the discriminator.
            objective: the networks and their losses.
            max_seq_length: as the records were written.
            special_ids: of the vocabulary.
            seed: of all that is drawn but dropout.
            length_buckets: whether batches, which then hold examples of like length in
                training, are trimmed to what they need.
            make_draws: features -> what is drawn for them; None for random numbers by
                the seed and the examples' numbers.

        Raises:
            UserError: the generator is larger than the discriminator.
        """
        self._config = config
        self._objective = objective
        self._max_seq_length = max_seq_length
        self._slots = masking.count_slots(objective.mask_prob, max_seq_length)
        self._special_ids = special_ids
        self._length_buckets = length_buckets
        self._make_draws = make_draws or (
            lambda features: StatelessDraws(seed, features[EXAMPLE_NUMBER])
        )
        self.generator_config = None
        if objective.has_generator:
            self.generator_config = make_generator_config(
                config,
                objective.generator_hidden_size,
                objective.generator_layers,
                objective.untied_generator_embeddings,
            )

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`; those of a record, and its number in the training."""
        del mode
        spec = {
            feature.name: tf.TensorSpec([None, feature.length], tf.int32)
            for feature in records.electra_spec(self._max_seq_length)
        }
        return {**spec, EXAMPLE_NUMBER: tf.TensorSpec([None], tf.int64)}

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`; losses "masked_lm_loss" and "disc_loss".

        Predictions hold what `scores` names. The mean "padding" is the share of the
        positions computed that hold no token.
        """
        if self._length_buckets:
            features = trim(features)
        # The networks share embeddings, or are one network that is used twice.
        with v1.variable_scope(v1.get_variable_scope(), reuse=v1.AUTO_REUSE):
            losses, predictions = self._build_networks(
                features, functools.partial(build_encoder, training=mode == TRAIN)
            )
        if mode == TRAIN:
            padding = _padding(features["input_mask"])
            return TaskOutput(losses, {}, {"padding": padding})
        return TaskOutput(losses, predictions)

    def _build_networks(
        self, features: Features, build: Callable[..., Any]
    ) -> tuple[dict[str, LossTerm], dict[str, tf.Tensor]]:
        """Return the losses and predictions of both networks."""
        objective = self._objective
        draws = self._make_draws(features)
        masked = masking.mask_batch(
            features, self._special_ids, objective.mask_prob, self._slots, draws
        )
        generated = self._generate(features, masked, build)
        weights = masked.weights
        losses = {
            "masked_lm_loss": LossTerm(
                tf.reduce_sum(weights * generated.losses),
                tf.reduce_sum(weights),
                _EPSILON,
                objective.gen_weight,
            )
        }
        predictions = _describe_generated(generated, masked)
        if objective.electra_objective:
            noise = draws.gumbel(self._slots, self._config.vocab_size)
            sampled = masking.sample_tokens(
                generated.logits,
                masked,
                noise,
                objective.temperature,
                objective.disallow_correct,
            )
            corrupted = masking.corrupt(features["input_ids"], masked, sampled)
            losses["disc_loss"], found = self._discriminate(features, corrupted, build)
            predictions.update(found, sampled_ids=sampled)
        return losses, predictions

    def _generate(
        self, features: Features, masked: masking.Masked, build: Callable[..., Any]
    ) -> _Generated:
        """Return what the generator makes of a masked batch."""
        shape = tf.shape(masked.positions)
        if self._objective.uniform_generator:
            vocab_size = self._config.vocab_size
            logits = tf.zeros([shape[0], self._slots, vocab_size])
            return _Generated(logits, tf.fill(shape, math.log(vocab_size)))
        encoded = self._encode_masked(features, masked, build)
        rows = tf.reshape(encoded.sequence, [-1, encoded.sequence.shape[-1]])
        config = self.generator_config or self._config
        logits = heads.generator_logits(rows, encoded.token_decoder, config)
        losses = layers.cross_entropy(logits, tf.reshape(masked.labels, [-1]))
        return _Generated(
            tf.reshape(logits, [-1, self._slots, self._config.vocab_size]),
            tf.reshape(losses, shape),
        )

    def _encode_masked(
        self, features: Features, masked: masking.Masked, build: Callable[..., Any]
    ) -> EncoderOutput:
        """Return what the generator's network sees at the masked positions."""
        where = {}
        if self.generator_config is not None:
            where = {"config": self.generator_config, "scope": GENERATOR_SCOPE}
            if not self._objective.untied_generator_embeddings:
                where["embeddings_scope"] = self._config.scope
        return build(
            masked.input_ids,
            features["input_mask"],
            features["segment_ids"],
            positions=masked.positions,
            **where,
        )

    def _discriminate(
        self,
        features: Features,
        corrupted: masking.Corrupted,
        build: Callable[..., Any],
    ) -> tuple[LossTerm, dict[str, tf.Tensor]]:
        """Return the loss of the discriminator, and its predictions."""
        mask = features["input_mask"]
        encoded = build(corrupted.input_ids, mask, features["segment_ids"])
        logits = heads.discriminator_logits(encoded.sequence, self._config)
        weights, labels = (tf.cast(x, tf.float32) for x in (mask, corrupted.is_fake))
        losses = weights * tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        term = LossTerm(
            tf.reduce_sum(losses),
            tf.reduce_sum(weights),
            _EPSILON,
            self._objective.disc_weight,
        )
        return term, {
            "input_mask": mask,
            "corrupted_input_ids": corrupted.input_ids,
            "is_fake": corrupted.is_fake,
            "disc_logits": logits,
            "disc_probs": tf.sigmoid(logits),
            "disc_loss_sum": tf.reduce_sum(losses, axis=1),
        }

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: DataSource
    ) -> dict[str, float]:
        """Return the metrics of the reference; see `scores.score_predictions`."""
        del data
        return score_predictions(batches, self._objective, self._max_seq_length)


def _describe_generated(
    generated: _Generated, masked: masking.Masked
) -> dict[str, tf.Tensor]:
    """Return the predictions of the generator."""
    return {
        "masked_input_ids": masked.input_ids,
        "masked_lm_positions": masked.positions,
        "masked_lm_ids": masked.labels,
        "masked_lm_weights": masked.weights,
        "masked_lm_losses": generated.losses,
        "masked_lm_preds": tf.argmax(generated.logits, axis=-1, output_type=tf.int32),
    }


def _padding(input_mask: tf.Tensor) -> LossTerm:
    size = tf.cast(tf.size(input_mask), tf.float32)
    return LossTerm(size - tf.cast(tf.reduce_sum(input_mask), tf.float32), size)
