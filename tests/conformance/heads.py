"""The heads, a row each: a task that has it, examples, and its outputs in NumPy."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

from albert.modeling.ngrams import NUM_ROWS
from albert.tasks.classification.config import ClassificationConfig
from albert.tasks.classification.labels import ClassLabels
from albert.tasks.classification.task import ClassificationTask
from albert.tasks.ner.beside import Beside, Vectors
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme
from albert.tasks.ner.task import NerTask
from albert.tasks.pretraining.task import PretrainingTask
from albert.text.lexicon import Lexicon
from tests.conformance.kit import EXAMPLES, LENGTH, TOKENIZER, Expected, Head
from tests.conformance.spans import spans
from tests.modeling import local_reference as local
from tests.modeling import ngram_reference, transformer_reference

MASKED, SCORED = 2, 6  # masked positions; tokens that are labelled, at most
CLASSES = ClassLabels(("a", "b", "c"), pairs=False)
LABELS = LabelSet(find_scheme("BIO"), ("A", "B"))
BESIDE = Beside(
    Lexicon(("支持", "图像"), (1, 2)),
    Vectors(("支持", "图像"), 5),
    Vectors(("支持", "像中"), 4),
)


def log_softmax(logits):
    wide = logits - logits.max(axis=-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))


def gelu_erf(x):
    return x * 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


ACTIVATIONS = {"gelu": local.gelu, "gelu_erf": gelu_erf}


def linear(x, values, scope=""):
    """The classifiers of BERT, whose weights lie as [units, H]."""
    return x @ values[f"{scope}output_weights"].T + values[f"{scope}output_bias"]


# --- Pretraining -----------------------------------------------------------------


def _pretraining_examples(tokens, rng):
    masked = 1 + rng.integers(0, 2, EXAMPLES)  # one or two an example
    return {
        "input_ids": tokens.ids,
        "input_mask": tokens.mask,
        "segment_ids": tokens.segments,
        "masked_lm_positions": np.tile(np.int32([1, 2]), (EXAMPLES, 1)),
        "masked_lm_ids": tokens.ids[:, 1:3],
        "masked_lm_weights": np.float32(np.arange(2) < masked[:, None]),
        "next_sentence_labels": rng.integers(0, 2, (EXAMPLES, 1), np.int32),
    }


def _vocabulary_logits(hidden, values, config):
    """Devlin et al. (2019): a dense layer, its normalisation, the word table."""
    activation = ACTIVATIONS[config.hidden_act]
    hidden = activation(local.dense(hidden, values, "cls/predictions/transform"))
    hidden = local.layer_norm(hidden, values, "cls/predictions/transform")
    table = values[f"{config.scope}/embeddings/word_embeddings"]
    if table.shape[1] != hidden.shape[-1]:  # albert_zh goes back through the factors
        table = table @ values[f"{config.scope}/embeddings/word_embeddings_2"]
    return hidden @ table.T + values["cls/predictions/output_bias"]


def _pretraining_reference(case):
    (encoded,), features, values = case.calls, case.examples, case.values
    logits = _vocabulary_logits(encoded.sequence, values, case.config)
    ids, weights = features["masked_lm_ids"], features["masked_lm_weights"]
    nll = -np.take_along_axis(log_softmax(logits), ids[..., None], axis=2)[..., 0]
    order = linear(encoded.pooled, values, "cls/seq_relationship/")
    swapped = features["next_sentence_labels"][:, 0]
    order_nll = -log_softmax(order)[np.arange(EXAMPLES), swapped]
    predictions = {
        "masked_lm_loss": (nll * weights).sum(axis=1),
        "masked_lm_weight": weights.sum(axis=1),
        "masked_lm_correct": ((logits.argmax(axis=2) == ids) * weights).sum(axis=1),
        "sentence_order_loss": order_nll,
        "sentence_order_correct": order.argmax(axis=1) == swapped,
    }
    losses = {
        "masked_lm_loss": ((nll * weights).sum(), weights.sum()),
        "sentence_order_loss": (order_nll.sum(), EXAMPLES),
    }
    return Expected(predictions, losses)


# --- Token labels ----------------------------------------------------------------


def _beside_examples(tokens, rng):
    """With what is read beside tokens; of terms, two places in each set."""
    found = _label_examples(tokens, rng)
    size, mask = (EXAMPLES, LENGTH), tokens.mask
    ids = rng.integers(0, 3, (*size, 8)).astype(np.int32) * mask[..., None]
    found["lexicon_ids"] = ids
    found["lexicon_weights"] = rng.random((*size, 8), np.float32) * (ids > 0)
    found["word_boundaries"] = rng.integers(1, 5, size).astype(np.int32) * mask
    pairs = rng.integers(0, 3, (*size, 2)).astype(np.int32)
    found["bigram_ids"] = pairs * mask[..., None]
    return found


def _boundary_examples(tokens, rng):
    names = {"lexicon_ids", "lexicon_weights", "bigram_ids"}
    every = _beside_examples(tokens, rng)
    return {name: value for name, value in every.items() if name not in names}


def _look_up(table, ids):
    """The rows of a table, counted from 1; 0 is nothing."""
    return np.concatenate([0 * table[:1], table])[ids]


def _vectors_beside(features, row, used, values):
    """Ma et al. (2020), equation 8, sets side by side; places; pairs, mapped."""
    found = []
    if "lexicon_ids" in features:
        terms = _look_up(values["lexicon/terms"], features["lexicon_ids"][row, :used])
        weighted = terms * features["lexicon_weights"][row, :used, :, None]
        sets = [weighted[:, i : i + 2].sum(axis=1) for i in (0, 2, 4, 6)]
        found += sets
    if "word_boundaries" in features:
        places = features["word_boundaries"][row, :used]
        found.append(_look_up(values["word_boundaries/places"], places))
    if "bigram_ids" in features:
        pairs = features["bigram_ids"][row, :used]
        both = _look_up(values["bigrams/vectors"], pairs).reshape(used, -1)
        found.append(np.tanh(local.dense(both, values, "bigrams")))
    return found


def _label_examples(tokens, rng):
    legal = _legal_transitions(LABELS.labels)
    gold = rng.integers(0, len(legal), (EXAMPLES, SCORED)).astype(np.int32)
    for row in gold:  # an illegal label would outweigh all others in the loss
        for place in range(SCORED):
            before = row[place - 1] if place else 0
            row[place] *= legal[before, row[place]]
    return {
        "input_ids": tokens.ids,
        "input_mask": tokens.mask,
        "length": (tokens.lengths - 2).astype(np.int32),
        "offset": np.ones(EXAMPLES, np.int32),
        "sentence": np.arange(EXAMPLES, dtype=np.int32),
        "label_ids": gold,
    }


def _standardise(x):
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6)
    return (x - x.mean(axis=-1, keepdims=True)) / deviation


def _layers_of_one_width(encoded):
    """The embeddings, where they are as wide, and all layers."""
    every = [*encoded.layers[:-1], encoded.sequence]
    if encoded.embedding_output.shape == encoded.sequence.shape and encoded.layers:
        every.insert(0, encoded.embedding_output)
    return every


def _read_features(kind, encoded, values):
    """Devlin et al. (2019), section 5.3; Peters et al. (2018), section 3.2."""
    every = _layers_of_one_width(encoded)
    if kind == "last":
        return encoded.sequence
    if kind == "last_four_concat":
        return np.concatenate(every[-4:], axis=2)
    shares = np.exp(values["features/weights"])
    shares = shares / shares.sum() * values["features/factor"]
    return sum(share * _standardise(x) for share, x in zip(shares, every))


def _add_context(kind, x, values):
    """A layer between encoder and head; x is one example without padding."""
    if kind == "bilstm":
        forward = local.lstm(x, values, "context/forward")
        backward = local.lstm(x[::-1], values, "context/backward")[::-1]
        return np.concatenate([forward, backward], axis=1)
    if kind == "transformer":
        heads = int(np.gcd(x.shape[1], 8))
        scope = "context/encoder/layer_0"
        x = transformer_reference.pre_norm_layer(x, values, scope, heads)
        return local.layer_norm(x, values, "context/encoder/output")
    return x


def _legal_transitions(labels):
    """BIO: an entity's inside follows only its beginning or its inside."""
    return np.array(
        [[b[0] != "I" or (a != "O" and a[2:] == b[2:]) for b in labels] for a in labels]
    )


def _crf_losses(emissions, labels, lengths, transitions):
    """The negative log-likelihood of each example, by enumeration of all paths."""
    losses = []
    for scores, gold, length in zip(emissions, labels, lengths):
        paths = np.array(
            list(itertools.product(range(scores.shape[1]), repeat=int(length)))
        )
        of_paths = scores[np.arange(length), paths].sum(axis=1)
        of_paths += transitions[paths[:, :-1], paths[:, 1:]].sum(axis=1)
        right = (paths == gold[:length]).all(axis=1)
        top = of_paths.max()
        partition = top + np.log(np.exp(of_paths - top).sum())
        losses.append(partition - of_paths[right][0])
    return np.array(losses)


def _label_reference(case):
    (encoded,), features, values = case.calls, case.examples, case.values
    settings, labels = case.task.settings, case.task.labels.labels
    vectors = _read_features(settings.encoder_features, encoded, values)
    lengths, gold = features["length"], features["label_ids"]
    emissions = np.full([EXAMPLES, lengths.max(), len(labels)], np.nan)
    for row, mask in enumerate(features["input_mask"]):
        used, length, first = mask.sum(), lengths[row], features["offset"][row]
        parts = [vectors[row, :used], *_vectors_beside(features, row, used, values)]
        x = _add_context(settings.context, np.concatenate(parts, axis=1), values)
        scores = linear(x, values)
        if settings.ngram_features:
            tokens = features["input_ids"][row, :used].tolist()
            rows = np.array(ngram_reference.rows(tokens, NUM_ROWS))
            scores = scores + values["ngrams/weights"][rows].sum(axis=1)
        emissions[row, :length] = scores[first : first + length]
    predictions = {
        "emissions": emissions,
        "length": lengths,
        "sentence": features["sentence"],
    }
    if settings.head == "crf":
        illegal = ~_legal_transitions(labels)
        transitions = values["crf/transitions"] - 1e4 * illegal
        losses = _crf_losses(emissions, gold, lengths, transitions)
        predictions["transitions"] = np.tile(transitions, (EXAMPLES, 1, 1))
    else:
        of_gold = np.take_along_axis(
            log_softmax(emissions), gold[:, : lengths.max(), None], axis=2
        )
        losses = -np.nansum(of_gold[..., 0], axis=1)
    predictions["label_loss"] = losses
    return Expected(predictions, {"label_loss": (losses.sum(), lengths.sum())})


def _label_task(labels=LABELS, **settings):
    def make(config):
        return NerTask(
            NerConfig(dropout_prob=0.0, **settings), labels, TOKENIZER, config
        )

    return make


def _labels(variant=False, examples=_label_examples, **settings):
    parts = (_label_task(**settings), examples, _label_reference)
    return Head(*parts, variant=variant)


# --- Classes of texts ------------------------------------------------------------


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
    every = [layer[:, 0] for layer in _layers_of_one_width(encoded)[-4:]]
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


def _classes(variant=False, **settings):
    def make(config):
        chosen = ClassificationConfig(dropout_prob=0.0, **settings)
        return ClassificationTask(chosen, CLASSES, TOKENIZER, config)

    several = settings.get("long_text", "none") != "none"
    examples = _window_examples if several else _class_examples
    return Head(make, examples, _class_reference, variant=variant)


HEADS = {
    "pretraining": Head(
        # Untrimmed: a bucket's longest example depends on the batch.
        lambda config: PretrainingTask(config, LENGTH, MASKED, False),
        _pretraining_examples,
        _pretraining_reference,
    ),
    "labels_crf": _labels(head="crf"),
    "labels_softmax": _labels(head="softmax"),
    "labels_bilstm": _labels(True, head="softmax", context="bilstm"),
    "labels_transformer": _labels(True, head="softmax", context="transformer"),
    "labels_ngrams": _labels(True, head="softmax", ngram_features=True),
    "labels_four_layers": _labels(
        True, head="softmax", encoder_features="last_four_concat"
    ),
    "labels_weighted": _labels(True, head="softmax", encoder_features="weighted"),
    "labels_beside": _labels(
        True,
        _beside_examples,
        labels=dataclasses.replace(LABELS, beside=BESIDE),
        head="softmax",
        word_boundaries="jieba",
    ),
    "labels_words": _labels(
        True, _boundary_examples, head="softmax", word_boundaries="rjieba"
    ),
    "classes": _classes(),
    "classes_windows": _classes(True, long_text="attention"),
    "classes_windows_mean": _classes(True, long_text="mean", features="first"),
    "classes_windows_max": _classes(True, long_text="max", features="mean"),
    "classes_four_layers": _classes(True, features="last_four_concat"),
    "spans": spans(),
    "spans_first": spans(True, answerable_uses_start_logits=False),
    "spans_independent": spans(True, head="independent", answerable_classifier=False),
    "classes_largest": _classes(True, features="last_four_max"),
}
