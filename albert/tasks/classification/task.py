"""Classification: one label for a text or a pair of texts."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from absl import logging
from scipy import special

from albert.base.errors import UserError
from albert.modeling import heads
from albert.modeling.config import EncoderConfig
from albert.modeling.features import read_text_vector
from albert.modeling.windows import join_windows
from albert.tasks.classification.config import NO_WINDOWS, ClassificationConfig
from albert.tasks.classification.examples import Encoded, Encoder
from albert.tasks.classification.files import (
    SUFFIXES,
    UNKNOWN,
    BadRow,
    BadRows,
    Row,
    RowFile,
    read_rows,
)
from albert.tasks.classification.labels import ClassLabels, sort_labels
from albert.tasks.classification.layout import choose_layout
from albert.tasks.classification.output import make_report, write_predictions
from albert.tasks.classification.scores import draw_parts, weigh_classes
from albert.tasks.classification.source import ClassificationSource, Examples
from albert.tasks.finetuning_task import FineTuningTask, Report
from albert.text.tokenization import Tokenizer
from albert.training.task import (
    PREDICT,
    TRAIN,
    Features,
    LossTerm,
    Metric,
    TaskOutput,
)

_BEST = {
    "accuracy": Metric("eval_accuracy", higher_is_better=True),
    "macro_f1": Metric("eval_macro_f1", higher_is_better=True),
    "loss": Metric("loss", higher_is_better=False),
}


def label_losses(
    logits: tf.Tensor, label_ids: tf.Tensor, smoothing: float = 0.0
) -> tf.Tensor:
    """Return the cross entropy of each example, float32 [B].

    Args:
        logits: float32, [B, L].
        label_ids: int32, [B].
        smoothing: share of the label's probability that is spread over all labels
            (Szegedy et al., "Rethinking the Inception Architecture", 2016).
    """
    targets = tf.one_hot(label_ids, logits.shape[-1])
    targets = targets * (1.0 - smoothing) + smoothing / logits.shape[-1]
    return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)


class ClassificationTask(FineTuningTask):
    """Labels texts or pairs of texts.

    Attributes:
        has_windows: whether texts are seen through several windows.
    """

    name = "classification"
    unit = "texts"
    suffixes = SUFFIXES
    settings_class = ClassificationConfig
    fixed_settings = ("do_lower_case", "features", "feature_layer", "long_text")
    table_name = "class_scores"
    logged_metrics = ("eval_accuracy", "eval_macro_f1", "loss")

    def __init__(
        self,
        settings: ClassificationConfig,
        labels: ClassLabels,
        tokenizer: Tokenizer,
        encoder: EncoderConfig,
    ):
        """See `FineTuningTask`."""
        super().__init__(settings, labels, tokenizer, encoder)
        self.best_metric = _BEST[settings.best_metric]
        self.has_windows = settings.long_text != NO_WINDOWS
        self._encoder = Encoder(tokenizer, settings)
        if labels.pairs and self.has_windows:
            raise UserError("--long_text is for single texts, the data have pairs")

    @classmethod
    def read_file(
        cls, path: str, need_labels: bool, settings: ClassificationConfig
    ) -> RowFile:
        """See `FineTuningTask.read_file` and `read_rows`."""
        return read_rows(path, choose_layout(settings), need_labels, settings.bad_rows)

    @classmethod
    def collect_labels(cls, train_file: RowFile) -> ClassLabels:
        """See `FineTuningTask.collect_labels`."""
        names = sort_labels(row.label for row in train_file.rows)
        if len(names) < 2:
            raise UserError(
                f"{train_file.path} has the label {names[0]!r} alone; at least two are "
                "needed"
            )
        return ClassLabels(names, train_file.pair)

    @classmethod
    def labels_to_json(cls, labels: ClassLabels) -> dict[str, Any]:
        """See `FineTuningTask.labels_to_json`."""
        return {"labels": list(labels.names), "pairs": labels.pairs}

    @classmethod
    def labels_from_json(cls, value: Mapping[str, Any]) -> ClassLabels:
        """See `FineTuningTask.labels_from_json`."""
        return ClassLabels(tuple(value["labels"]), value["pairs"])

    def encode(self, text_a: str, text_b: str | None = None) -> list[Encoded]:
        """Return the windows of a text or a pair, as the model sees it."""
        return self._encoder.encode(text_a, text_b)

    def make_source(self, name: str, file: RowFile, seed: int) -> ClassificationSource:
        """See `FineTuningTask.make_source`."""
        if file.pair != self.labels.pairs:
            kinds = ("single texts", "pairs of texts")
            raise UserError(
                f"{file.path} holds {kinds[file.pair]}, the model is for "
                f"{kinds[self.labels.pairs]}"
            )
        rows, label_ids = self._number_labels(file)
        windows = [self.encode(row.text_a, row.text_b) for row in rows]
        weights = np.ones(len(rows), np.float32)
        if name == "train":
            settings = self.settings.class_weights
            weights = weigh_classes(settings, label_ids, self.labels.names)[label_ids]
        self._log_counts(name, file.path, windows)
        examples = Examples(rows, windows, label_ids, weights)
        return ClassificationSource(examples, self.features, self.has_windows, seed)

    def _number_labels(self, file: RowFile) -> tuple[list[Row], np.ndarray]:
        """Return the rows whose labels the model knows, and their ids, int32."""
        numbers = {name: i for i, name in enumerate(self.labels.names)}
        bad, rows = BadRows(file.path, self.settings.bad_rows), []
        for row in file.rows:
            if not file.scored or row.label in numbers:
                rows.append(row)
                continue
            known = ", ".join(self.labels.names)
            message = f"has the label {row.label!r}; the model knows {known}"
            bad.leave_out(row.line, BadRow(UNKNOWN, message))
        bad.warn()
        if not rows:
            raise UserError(f"{file.path} holds no label that the model knows")
        return rows, np.array([numbers.get(row.label, 0) for row in rows], np.int32)

    def _log_counts(
        self, name: str, path: str, windows: Sequence[Sequence[Encoded]]
    ) -> None:
        longest = self.settings.max_seq_length
        full = sum(len(part[0].input_ids) == longest for part in windows)
        unit = "pairs" if self.labels.pairs else self.unit
        logging.info(
            "%s (%s): %d %s, %d of which fill max_seq_length %d or are cut to it",
            *(name, path, len(windows), unit, full, longest),
        )

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`; int32, but for the weights.

        `input_ids`, `input_mask` and `segment_ids` [B, T], with windows [B, W, T];
        except in PREDICT `label_ids` [B]; in TRAIN `weights` float32 [B].
        """
        size = [None, None, None] if self.has_windows else [None, None]
        names = ("input_ids", "input_mask", "segment_ids")
        found = {name: tf.TensorSpec(size, tf.int32) for name in names}
        if mode != PREDICT:
            found["label_ids"] = tf.TensorSpec([None], tf.int32)
        if mode == TRAIN:
            found["weights"] = tf.TensorSpec([None], tf.float32)
        return found

    def _text_vectors(
        self, features: Features, training: bool, build_encoder: Callable[..., Any]
    ) -> tf.Tensor:
        """Return the vector of each text, float32 [B, D]."""
        shape = tf.shape(features["input_ids"])
        inputs = [
            tf.reshape(features[name], [-1, shape[-1]])  # windows one below the other
            for name in ("input_ids", "input_mask", "segment_ids")
        ]
        encoded = build_encoder(*inputs, training=training)
        vectors = read_text_vector(
            self.settings.features, encoded, inputs[1], self.settings.feature_layer
        )
        if not self.has_windows:
            return vectors
        vectors = tf.reshape(vectors, [shape[0], shape[1], vectors.shape[-1]])
        present = features["input_mask"][:, :, 0]
        stddev = self.encoder.initializer_range
        return join_windows(self.settings.long_text, vectors, present, stddev)

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`; the loss "label_loss" is the mean over texts.

        Predictions: `logits` float32 [B, L].
        """
        training = mode == TRAIN
        logits = heads.text_label_logits(
            self._text_vectors(features, training, build_encoder),
            len(self.labels.names),
            self.encoder.initializer_range,
            self.settings.dropout_prob,
            training=training,
        )
        if mode == PREDICT:
            return TaskOutput({}, {"logits": logits})
        smoothing = self.settings.label_smoothing if training else 0.0
        losses = label_losses(logits, features["label_ids"], smoothing)
        weights = features["weights"] if training else tf.ones_like(losses)
        term = LossTerm(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))
        return TaskOutput({"label_loss": term}, {} if training else {"logits": logits})

    def decode(
        self,
        batches: Iterable[Mapping[str, np.ndarray]],
        data: ClassificationSource,
    ) -> np.ndarray:
        """Return the logarithms of the probabilities of all labels, float64 [N, L]."""
        del data
        logits = np.concatenate([batch["logits"] for batch in batches])
        return special.log_softmax(logits.astype(np.float64), axis=1)

    def report(self, decoded: np.ndarray, data: ClassificationSource) -> Report:
        """See `FineTuningTask.report` and `make_report`."""
        return make_report(data.label_ids, decoded, self.labels.names)

    @classmethod
    def texts_of(cls, file: RowFile) -> list[str]:
        """See `FineTuningTask.texts_of`; the texts of a pair one after the other."""
        pairs = ((row.text_a, row.text_b) for row in file.rows)
        return [text for pair in pairs for text in pair if text]

    @classmethod
    def cut_parts(
        cls, file: RowFile, count: int, seed: int
    ) -> list[tuple[RowFile, RowFile]]:
        """See `FineTuningTask.cut_parts`; each part has labels in the same shares."""
        labels = [row.label for row in file.rows]
        numbers = draw_parts(labels, count, seed)
        for rest, _ in numbers:
            lacking = set(labels) - {labels[i] for i in rest}
            if lacking:
                raise UserError(
                    f"num_folds: the label {min(lacking)!r} has too few examples; "
                    "without one of the parts there is none left to train on"
                )
        return [
            tuple(file._replace(rows=[file.rows[i] for i in part]) for part in parts)
            for parts in numbers
        ]

    @classmethod
    def join_files(cls, first: RowFile, second: RowFile) -> RowFile:
        """See `FineTuningTask.join_files`."""
        return first._replace(rows=[*first.rows, *second.rows])

    @classmethod
    def examples_to_json(cls, file: RowFile) -> list[Any]:
        """See `FineTuningTask.examples_to_json`; texts and label of each row."""
        return [[row.text_a, row.text_b, row.label] for row in file.rows]

    @classmethod
    def average(cls, decoded: Sequence[np.ndarray]) -> np.ndarray:
        """Return the logarithms of mean probabilities, float64 [N, L]."""
        return special.logsumexp(decoded, axis=0) - np.log(len(decoded))

    def write_predictions(
        self, stem: str, decoded: np.ndarray, data: ClassificationSource
    ) -> tuple[str]:
        """See `FineTuningTask.write_predictions`; `.jsonl`."""
        return write_predictions(stem, data.rows, decoded, self.labels.names)
