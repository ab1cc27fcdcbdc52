"""Heads that label texts, in NumPy: rows of `heads.HEADS`."""

from __future__ import annotations

import numpy as np

from albert.tasks.classification.config import ClassificationConfig
from albert.tasks.classification.labels import ClassLabels
from albert.tasks.classification.task import ClassificationTask
from tests.conformance.kit import EXAMPLES, TOKENIZER, Expected, Head
from tests.conformance.parts import layers_of_one_width, linear, log_softmax
from tests.modeling import local_reference as local

CLASSES = ClassLabels(("a", "b", "c"), pairs=False)


def _class_examples(tokens, rng):
    return {
        "input_ids": tokens.ids,
        "input_mask": tokens.mask,
        "segment_ids": tokens.segments,
        "label_ids": rng.integers(0, len(CLASSES.names), EXAMPLES, np.int32),
        "weights": np.float32(0.5 + rng.integers(0, 2, EXAMPLES)),
    }


def _window_examples(tokens, rng):
    """Texts of one or two windows; the second is another text, or missing."""
    found = _class_examples(tokens, rng)
    present = (np.arange(EXAMPLES) % 3 > 0).astype(np.int32)[:, None]
    for name in ("input_ids", "input_mask", "segment_ids"):
        found[name] = np.stack([found[name], found[name][::-1] * present], axis=1)
    return found


def _text_vectors(kind, encoded, mask):
    """Devlin et al. (2019); Sun et al. (2019), section 5.2.3."""
    every = [layer[:, 0] for layer in layers_of_one_width(encoded)[-4:]]
    if kind == "mean":
        weights = mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)
        return (encoded.sequence * weights[:, :, None]).sum(axis=1)
    return {
        "pooled": encoded.pooled,
        "first": encoded.sequence[:, 0],
        "last_four_concat": np.concatenate(every, axis=1),
        "last_four_max": np.max(every, axis=0),
    }[kind]


def _join_windows(kind, vectors, present, values):
    """vectors [N, W, D] of the windows of each text; present bool [N, W]."""
    weights = present.astype(float)
    if kind == "max":
        return np.where(present[:, :, None], vectors, -np.inf).max(axis=1)
    if kind == "attention":  # Yang et al. (2016), equations 5 to 7
        hidden = np.tanh(local.dense(vectors, values, "windows"))
        scores = hidden @ values["windows/context"]
        weights = np.exp(scores - scores.max()) * present
    weights = weights / weights.sum(axis=1, keepdims=True)
    return (vectors * weights[:, :, None]).sum(axis=1)


def _class_reference(case):
    (encoded,), features, values = case.calls, case.examples, case.values
    settings, mask = case.task.settings, features["input_mask"]
    flat = mask.reshape(-1, mask.shape[-1])
    vectors = _text_vectors(settings.features, encoded, flat)
    if settings.long_text != "none":
        vectors = vectors.reshape(*mask.shape[:2], -1)
        present = mask[:, :, 0] == 1
        vectors = _join_windows(settings.long_text, vectors, present, values)
    logits = linear(vectors, values, "classifier/")
    nll = -log_softmax(logits)[np.arange(EXAMPLES), features["label_ids"]]
    return Expected({"logits": logits}, {"label_loss": (nll.sum(), EXAMPLES)})


def classes(variant=False, **settings):
    def make(config):
        chosen = ClassificationConfig(dropout_prob=0.0, **settings)
        return ClassificationTask(chosen, CLASSES, TOKENIZER, config)

    several = settings.get("long_text", "none") != "none"
    examples = _window_examples if several else _class_examples
    return Head(make, examples, _class_reference, variant=variant)
