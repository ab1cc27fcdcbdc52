"""Named entity recognition: a label for every character.

Each window of a sentence gives scores for some of its characters; a sentence's
scores are joined and decoded as one, so a long sentence is decoded like a short one.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any, Callable, Iterable, Mapping, NamedTuple

import numpy as np
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling import crf
from albert.modeling.config import EncoderConfig
from albert.tasks.finetuning_task import FineTuningTask, Report
from albert.tasks.ner.beside import Beside, ColumnFeatures, read_beside
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.conll import (
    SUFFIXES,
    ConllFile,
    check_characters,
    check_scheme,
    read_conll,
)
from albert.tasks.ner.decoding import best_labels
from albert.tasks.ner.emissions import BESIDE_SPECS, label_emissions
from albert.tasks.ner.examples import count_data, log_counts, make_examples
from albert.tasks.ner.output import make_report, write_predictions
from albert.tasks.ner.source import NerSource
from albert.tasks.ner.tag_schemes import (
    LabelSet,
    collect_labels,
    detect_scheme,
    find_scheme,
)
from albert.tasks.ner.text import CHARACTERS, find_latin_columns
from albert.text.tokenization import Tokenizer
from albert.training.task import (
    PREDICT,
    TRAIN,
    Features,
    LossTerm,
    Metric,
    TaskOutput,
)


class Labelling(NamedTuple):
    """Tags of each sentence, and the mean loss of a character (NaN without gold)."""

    tags: list[list[str]]
    loss: float


def _softmax_loss(
    emissions: tf.Tensor, labels: tf.Tensor, lengths: tf.Tensor
) -> tf.Tensor:
    """Return the negative log-likelihood of each example, [B]."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=emissions
    )
    mask = tf.sequence_mask(lengths, tf.shape(labels)[1], losses.dtype)
    return tf.reduce_sum(losses * mask, axis=1)


class NerTask(FineTuningTask):
    """Labels the characters of sentences."""

    name = "ner"
    unit = "sentences"
    suffixes = SUFFIXES
    settings_class = NerConfig
    fixed_settings = (
        *("head", "do_lower_case", "encoder_features", "context"),
        *("ngram_features", "word_boundaries"),
    )
    table_name = "entity_scores"
    logged_metrics = ("eval_f", "eval_precision", "eval_recall", "loss")
    best_metric = Metric("eval_f", higher_is_better=True)

    def __init__(
        self,
        settings: NerConfig,
        labels: LabelSet,
        tokenizer: Tokenizer,
        encoder: EncoderConfig,
    ):
        """See `FineTuningTask`."""
        super().__init__(settings, labels, tokenizer, encoder)
        self._label_set = labels
        self._legal = self._label_set.legal_transitions()
        self.columns = ColumnFeatures(settings, labels.beside)

    @classmethod
    def read_file(cls, path: str, need_labels: bool, settings: NerConfig) -> ConllFile:
        """See `FineTuningTask.read_file` and `read_conll`."""
        del settings
        conll = read_conll(path, need_labels)
        for sentence in conll.sentences:
            check_characters(sentence, path)
        return conll

    @classmethod
    def collect_labels(cls, train_file: ConllFile) -> LabelSet:
        """See `FineTuningTask.collect_labels`."""
        tags = {tag for sentence in train_file.sentences for tag in sentence.tags}
        label_set = collect_labels(tags, detect_scheme(tags))
        if not label_set.types:
            raise UserError(f"{train_file.path} holds no entity: every tag is O")
        latin_columns = find_latin_columns(train_file.sentences)
        return dataclasses.replace(label_set, latin_columns=latin_columns)

    @classmethod
    def complete_labels(
        cls, labels: LabelSet, train_file: ConllFile, settings: NerConfig
    ) -> LabelSet:
        """See `FineTuningTask.complete_labels`; adds what is read beside tokens."""
        sentences = [sentence.columns for sentence in train_file.sentences]
        return dataclasses.replace(labels, beside=read_beside(settings, sentences))

    @classmethod
    def continue_labels(cls, labels: LabelSet, stored: LabelSet) -> LabelSet:
        """See `FineTuningTask.continue_labels`; Latin columns are read as before."""
        return dataclasses.replace(labels, latin_columns=stored.latin_columns)

    @classmethod
    def labels_to_json(cls, labels: LabelSet) -> dict[str, Any]:
        """See `FineTuningTask.labels_to_json`; every label, too, for other readers."""
        return {
            "scheme": labels.scheme.name,
            "types": list(labels.types),
            "labels": labels.labels,
            "latin_columns": labels.latin_columns,
            **labels.beside.to_json(),
        }

    @classmethod
    def labels_from_json(cls, value: Mapping[str, Any]) -> LabelSet:
        """See `FineTuningTask.labels_from_json`."""
        return LabelSet(
            find_scheme(value["scheme"]),
            tuple(value["types"]),
            value.get("latin_columns", CHARACTERS),  # absent in the first models
            Beside.from_json(value),
        )

    def describe_labels(self) -> dict[str, Any]:
        """See `FineTuningTask.describe_labels`; without lists of terms."""
        return self.labels_to_json(dataclasses.replace(self.labels, beside=Beside()))

    def make_source(self, name: str, file: ConllFile, seed: int) -> NerSource:
        """See `FineTuningTask.make_source`."""
        label_set, sentences = self._label_set, file.sentences
        check_scheme(file, label_set.scheme)
        examples = make_examples(
            sentences,
            self.tokenizer,
            label_set,
            self.settings.max_seq_length,
            self.columns,
        )
        log_counts(name, file.path, count_data(sentences, examples, label_set))
        return NerSource(file, examples, self.features, seed)

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`; all int32.

        `input_ids` and `input_mask` [B, T], `length` [B] (how many tokens are scored in
        a window, C at most), `offset` [B] (where the first of them stands in T),
        `sentence` [B]; except in PREDICT `label_ids` [B, C]. Beside tokens what
        `BESIDE_SPECS` says.
        """
        sizes = {
            **dict.fromkeys(("input_ids", "input_mask"), [None, None]),
            **dict.fromkeys(("length", "offset", "sentence"), [None]),
        }
        if mode != PREDICT:
            sizes["label_ids"] = [None, None]
        specs = {name: tf.TensorSpec(size, tf.int32) for name, size in sizes.items()}
        return {**specs, **{n: BESIDE_SPECS[n] for n in self.columns.names}}

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`; the loss "label_loss" is the mean over characters.

        Predictions: `emissions` float32 [B, C, L], `length` and `sentence` int32 [B];
        with a CRF `transitions` float32 [B, L, L], the same for all; except in PREDICT
        `label_loss` float32 [B], the sum over an example's characters.
        """
        lengths = features["length"]
        encoded = build_encoder(
            features["input_ids"],
            features["input_mask"],
            tf.zeros_like(features["input_ids"]),
            training=mode == TRAIN,
        )
        emissions = label_emissions(
            features,
            encoded,
            self.settings,
            self._label_set,
            self.encoder.initializer_range,
            training=mode == TRAIN,
        )
        predictions = {
            "emissions": emissions,
            "length": lengths,
            "sentence": features["sentence"],
        }
        scores = None
        if self.settings.head == "crf":
            scores = crf.transition_scores(self._legal)
            copies = [tf.shape(lengths)[0], 1, 1]
            predictions["transitions"] = tf.tile(scores[None], copies)
        if mode == PREDICT:
            return TaskOutput({}, predictions)
        labels = features["label_ids"]
        if mode == TRAIN and self.settings.miss_cost:
            emissions = crf.add_miss_cost(emissions, labels, self.settings.miss_cost)
        if scores is None:
            losses = _softmax_loss(emissions, labels, lengths)
        else:
            losses = -crf.log_likelihood(emissions, labels, lengths, scores)
        weight = tf.cast(tf.reduce_sum(lengths), tf.float32)
        terms = {"label_loss": LossTerm(tf.reduce_sum(losses), weight)}
        if mode == TRAIN:
            return TaskOutput(terms, {})
        return TaskOutput(terms, {**predictions, "label_loss": losses})

    def decode(
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
        whole = [np.concatenate(emissions[i]) for i in range(len(data.sentences))]
        labels = self._label_set.labels
        paths = best_labels(whole, transitions, self._legal)
        tags = [[labels[index] for index in path] for path in paths]
        return Labelling(tags, loss / characters)

    def report(self, decoded: Labelling, data: NerSource) -> Report:
        """See `FineTuningTask.report` and `albert.tasks.ner.output.NerReport`."""
        gold = [sentence.tags for sentence in data.sentences]
        found = make_report(gold, decoded.tags, decoded.loss, self._label_set.scheme)
        return Report(found.metrics(), found.table())

    def write_predictions(
        self, stem: str, decoded: Labelling, data: NerSource
    ) -> tuple[str, str]:
        """See `FineTuningTask.write_predictions`; `.conll` and `.jsonl`."""
        scheme = self._label_set.scheme
        return write_predictions(stem, data.conll, decoded.tags, scheme)
