"""Heads that label tokens, in NumPy: rows of `heads.HEADS`."""

from __future__ import annotations

import itertools

import numpy as np

from albert.modeling.ngrams import NUM_ROWS
from albert.tasks.ner.beside import Beside, Vectors
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme
from albert.tasks.ner.task import NerTask
from albert.text.lexicon import Lexicon
from tests.conformance.kit import EXAMPLES, LENGTH, TOKENIZER, Expected, Head
from tests.conformance.parts import layers_of_one_width, linear, log_softmax
from tests.modeling import local_reference as local
from tests.modeling import ngram_reference, transformer_reference

SCORED = 6  # tokens that are labelled, at most
LABELS = LabelSet(find_scheme("BIO"), ("A", "B"))
BESIDE = Beside(
    Lexicon(("支持", "图像"), (1, 2)),
    Vectors(("支持", "图像"), 5),
    Vectors(("支持", "像中"), 4),
)


def beside_examples(tokens, rng):
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


def boundary_examples(tokens, rng):
    names = {"lexicon_ids", "lexicon_weights", "bigram_ids"}
    every = beside_examples(tokens, rng)
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


def _read_features(kind, encoded, values):
    """Devlin et al. (2019), section 5.3; Peters et al. (2018), section 3.2."""
    every = layers_of_one_width(encoded)
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


def labels(variant=False, examples=_label_examples, **settings):
    parts = (_label_task(**settings), examples, _label_reference)
    return Head(*parts, variant=variant)
