"""The heads, a row each: a task that has it, examples, and its outputs in NumPy."""

from __future__ import annotations

import dataclasses

from tests.conformance.classes import classes
from tests.conformance.labels import (
    BESIDE,
    LABELS,
    beside_examples,
    boundary_examples,
    labels,
)
from tests.conformance.pretraining import masked_lm
from tests.conformance.replaced import replaced_tokens
from tests.conformance.spans import spans

HEADS = {
    "pretraining": masked_lm(),
    "replaced_tokens": replaced_tokens(),
    "replaced_untied": replaced_tokens("untied_generator_embeddings"),
    "replaced_uniform": replaced_tokens("uniform_generator"),
    "labels_crf": labels(head="crf"),
    "labels_softmax": labels(True, head="softmax"),
    "labels_bilstm": labels(True, head="softmax", context="bilstm"),
    "labels_transformer": labels(True, head="softmax", context="transformer"),
    "labels_ngrams": labels(True, head="softmax", ngram_features=True),
    "labels_four_layers": labels(
        True, head="softmax", encoder_features="last_four_concat"
    ),
    "labels_weighted": labels(True, head="softmax", encoder_features="weighted"),
    "labels_beside": labels(
        True,
        beside_examples,
        labels=dataclasses.replace(LABELS, beside=BESIDE),
        head="softmax",
        word_boundaries="jieba",
    ),
    "labels_words": labels(
        True, boundary_examples, head="softmax", word_boundaries="rjieba"
    ),
    "classes": classes(),
    "classes_windows": classes(True, long_text="attention"),
    "classes_windows_mean": classes(True, long_text="mean", features="first"),
    "classes_windows_max": classes(True, long_text="max", features="mean"),
    "classes_four_layers": classes(True, features="last_four_concat"),
    "spans": spans(),
    "spans_first": spans(True, answerable_uses_start_logits=False),
    "spans_independent": spans(True, head="independent", answerable_classifier=False),
    "classes_largest": classes(True, features="last_four_max"),
}
