"""Replaced token detection in NumPy: a row of `heads.HEADS`."""

from __future__ import annotations

import functools
from typing import Optional

import numpy as np
import tensorflow as tf
from scipy import special

from albert.tasks.electra.config import ObjectiveConfig
from albert.tasks.electra.masking import SpecialIds
from albert.tasks.electra.source import EXAMPLE_NUMBER
from albert.tasks.electra.task import ElectraTask
from tests.conformance.kit import EXAMPLES, LENGTH, TOKENIZER, Expected, Head
from tests.conformance.parts import gelu_erf, log_softmax, vocabulary_logits
from tests.modeling import local_reference as local

SHARE = 0.25  # of the tokens that are masked: one of 4, two of 8
POSITIONS = (1, 2)
FAVOURED = 7  # the token that noise favours
IDS = SpecialIds(*(TOKENIZER.vocabulary.ids[t] for t in ("[CLS]", "[SEP]", "[MASK]")))


class _Fixed:
    """Draws the same for each example: all slots are shown as a mask, almost no noise.

    -log(-log(0.5)) is 0.37 for all tokens but one, whose 0.6 makes 0.67 of it: enough
    to be drawn where all logits are alike.
    """

    def __init__(self, features):
        self._count = tf.shape(features["input_ids"])[0]

    def positions(self, candidates, slots):
        return tf.tile(tf.constant([POSITIONS[:slots]]), [self._count, 1])

    def replace(self, slots):
        return tf.fill([self._count, slots], 0.5)

    def gumbel(self, slots, vocab_size):
        uniform = tf.constant(_uniform(vocab_size), tf.float32)
        return tf.tile(uniform, [self._count, slots, 1])


def _uniform(vocab_size):
    """What is drawn for a slot, [1, 1, V]."""
    return np.where(np.arange(vocab_size) == FAVOURED, 0.6, 0.5)[None, None]


def _make_task(config, **objective):
    return ElectraTask(
        config,
        ObjectiveConfig(mask_prob=SHARE, **objective),
        LENGTH,
        IDS,
        length_buckets=False,
        make_draws=_Fixed,
    )


def _examples(tokens, rng):
    del rng
    return {
        "input_ids": tokens.ids,
        "input_mask": tokens.mask,
        "segment_ids": tokens.segments,
        EXAMPLE_NUMBER: np.arange(EXAMPLES),
    }


def _write(ids, positions, values):
    """Each example's values at its positions above 0."""
    found = ids.copy()
    for row in range(EXAMPLES):
        for place, value in zip(positions[row], values[row]):
            if place:
                found[row, place] = value
    return found


def _shared(case):
    """The logits of a generator on the discriminator's embeddings, [N, slots, V]."""
    return _generator_logits(case, case.config.scope)


def _untied(case):
    """Those of a generator with embeddings of its own."""
    return _generator_logits(case, "generator")


def _uniform_generator(case):
    """All tokens are as likely; there is no generator."""
    assert not [name for name in case.values if name.startswith("generator")]
    return np.zeros([EXAMPLES, len(POSITIONS), case.config.vocab_size])


def _generator_logits(case, embeddings):
    scope = "generator_predictions"
    return vocabulary_logits(
        case.calls[0].sequence,
        case.values,
        case.config,
        scope,
        f"{scope}/output_bias",
        embeddings,
    )


def _reference(case, logits_of):
    """Clark et al. (2020), section 2: masks, a generator's tokens, which are those.

    Args:
        logits_of: case -> the generator's logits, [N, slots, V].
    """
    discriminator, values = case.calls[-1], case.values
    ids, mask = case.examples["input_ids"], case.examples["input_mask"]
    used = np.clip(np.round(mask.sum(axis=1) * SHARE), 1, len(POSITIONS))
    weights = (np.arange(len(POSITIONS)) < used[:, None]).astype(np.int64)
    positions = weights * POSITIONS
    labels = np.take_along_axis(ids, positions, axis=1) * weights
    logits = logits_of(case)
    nll = -np.take_along_axis(log_softmax(logits), labels[..., None], axis=2)[..., 0]
    noise = -np.log(-np.log(_uniform(case.config.vocab_size)))
    sampled = (logits + noise).argmax(axis=2)
    corrupted = _write(ids, positions, sampled)
    is_fake = (corrupted != ids).astype(np.int64)
    scope = "discriminator_predictions"
    hidden = gelu_erf(local.dense(discriminator.sequence, values, scope))
    kernel, bias = values[f"{scope}/dense_1/kernel"], values[f"{scope}/dense_1/bias"]
    scores = (hidden @ kernel + bias)[..., 0]
    right = special.log_expit(np.where(is_fake, scores, -scores))
    losses = -right * mask
    predictions = {
        "masked_input_ids": _write(ids, positions, 0 * positions + IDS.mask),
        "masked_lm_positions": positions,
        "masked_lm_ids": labels,
        "masked_lm_weights": weights,
        "masked_lm_losses": nll,
        "masked_lm_preds": logits.argmax(axis=2),
        "sampled_ids": sampled,
        "corrupted_input_ids": corrupted,
        "is_fake": is_fake,
        "input_mask": mask,
        "disc_logits": scores,
        "disc_probs": special.expit(scores),
        "disc_loss_sum": losses.sum(axis=1),
    }
    of_generator = ((weights * nll).sum(), weights.sum())
    return Expected(
        predictions,
        {"masked_lm_loss": of_generator, "disc_loss": (losses.sum(), mask.sum())},
    )


_LOGITS = {
    "untied_generator_embeddings": _untied,
    "uniform_generator": _uniform_generator,
}


def replaced_tokens(setting: Optional[str] = None) -> Head:
    """The head with a setting of the objective that is not the default, if any."""
    return Head(
        functools.partial(_make_task, **({setting: True} if setting else {})),
        _examples,
        functools.partial(_reference, logits_of=_LOGITS.get(setting, _shared)),
        encoders=("electra",),
        variant=setting is not None,
    )
