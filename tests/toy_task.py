"""A sentence classifier on top of `albert.tasks.finetuning`, as small as a task can be.

It shows what a new task needs: this file is its folder and its script. Data files hold
a label, a tab and a sentence in each line.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional

import numpy as np
import tensorflow as tf

from albert.base import cli, files
from albert.base.errors import UserError
from albert.modeling import layers
from albert.tasks.example_source import ExampleSource, pad
from albert.tasks.finetuning import run_finetuning
from albert.tasks.finetuning_config import (
    FineTuningConfig,
    FineTuningRun,
    ModelSettings,
)
from albert.tasks.finetuning_task import FineTuningTask, Report
from albert.text.vocabulary import CLS, SEP
from albert.training.config import ReplicaConfig
from albert.training.task import PREDICT, TRAIN, LossTerm, Metric, TaskOutput


@dataclasses.dataclass(frozen=True)
class ToyConfig(ModelSettings):
    """A classifier has no settings of its own."""


class Line(NamedTuple):
    """A sentence and its label, if it has one."""

    label: Optional[str]
    text: str


class Decoded(NamedTuple):
    """The label of each sentence, and the sum of the losses."""

    labels: list[str]
    loss: float


class ToySource(ExampleSource):
    """Sentences as ids."""

    def __init__(self, lines, ids, label_ids, features, seed):
        super().__init__(features, [len(row) for row in ids], seed)
        self.lines, self.ids, self.label_ids = lines, ids, np.array(label_ids)

    def make_batch(self, numbers: np.ndarray) -> Mapping[str, np.ndarray]:
        rows = [self.ids[i] for i in numbers]
        mask = pad([[1] * len(row) for row in rows])
        labels = self.label_ids[numbers]
        return {"input_ids": pad(rows), "input_mask": mask, "label_ids": labels}


class ToyTask(FineTuningTask):
    """One label for a sentence."""

    name = "toy"
    unit = "sentences"
    suffixes = (".tsv",)
    settings_class = ToyConfig
    best_metric = Metric("eval_accuracy", higher_is_better=True)

    @classmethod
    def read_file(cls, path: str, need_labels: bool, settings: ToyConfig) -> list[Line]:
        del settings
        found = []
        for number, line in enumerate(files.read_lines(path), start=1):
            label, tab, text = line.rpartition("\t")
            if need_labels and not tab:
                raise UserError(f"{path}: line {number} has no label")
            found.append(Line(label if tab else None, text))
        return found

    @classmethod
    def collect_labels(cls, train_file: list[Line]) -> tuple[str, ...]:
        return tuple(sorted({line.label for line in train_file}))

    @classmethod
    def labels_to_json(cls, labels: tuple[str, ...]) -> dict[str, Any]:
        return {"labels": list(labels)}

    @classmethod
    def labels_from_json(cls, value: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(value["labels"])

    def make_source(self, name: str, file: list[Line], seed: int) -> ToySource:
        ids = self.tokenizer.vocabulary.ids
        most = self.settings.max_seq_length - 2
        rows = [
            [ids[t] for t in (CLS, *self.tokenizer.tokenize(text)[:most], SEP)]
            for _, text in file
        ]
        labels = [self.labels.index(x.label) if x.label else 0 for x in file]
        return ToySource(file, rows, labels, self.features, seed)

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        tokens = tf.TensorSpec([None, None], tf.int32)
        found = {"input_ids": tokens, "input_mask": tokens}
        if mode != PREDICT:
            found["label_ids"] = tf.TensorSpec([None], tf.int32)
        return found

    def build(
        self, features: Mapping, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        ids = features["input_ids"]
        encoded = build_encoder(
            ids, features["input_mask"], tf.zeros_like(ids), training=mode == TRAIN
        )
        with tf.compat.v1.variable_scope("classifier"):
            pooled = layers.dropout(
                encoded.pooled, self.settings.dropout_prob, mode == TRAIN
            )
            stddev = self.encoder.initializer_range
            logits = layers.dense(pooled, len(self.labels), stddev)
        if mode == PREDICT:
            return TaskOutput({}, {"logits": logits})
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=features["label_ids"], logits=logits
        )
        count = tf.cast(tf.size(losses), tf.float32)
        terms = {"label_loss": LossTerm(tf.reduce_sum(losses), count)}
        return TaskOutput(terms, {"logits": logits, "loss": losses})

    def decode(self, batches: Iterable[Mapping], data: ToySource) -> Decoded:
        labels, loss = [], 0.0
        for batch in batches:
            labels += [self.labels[i] for i in batch["logits"].argmax(axis=-1)]
            loss += float(np.sum(batch.get("loss", np.nan)))
        return Decoded(labels, loss)

    def report(self, decoded: Decoded, data: ToySource) -> Report:
        right = [a == b.label for a, b in zip(decoded.labels, data.lines)]
        accuracy, loss = np.mean(right), decoded.loss / len(right)
        return Report({"eval_accuracy": float(accuracy), "loss": loss})

    def write_predictions(self, stem: str, decoded: Decoded, data: ToySource) -> list:
        pairs = zip(decoded.labels, data.lines)
        text = "".join(f"{label}\t{line.text}\n" for label, line in pairs)
        files.write_text(f"{stem}.tsv", text)
        return [f"{stem}.tsv"]


def main(words: list[str]) -> None:
    """Turn flags into configs and run."""
    run = cli.read_flags(FineTuningRun, words)
    given = cli.given_flags(ToyConfig)
    tuning = cli.read_flags(FineTuningConfig)
    replicas = cli.read_flags(ReplicaConfig)
    stopped = run_finetuning(ToyTask, run, given, tuning, replicas)
    if stopped is not None:
        cli.end_stopped(stopped.reason, stopped.describe(cli.command_line()))


if __name__ == "__main__":
    for config in (FineTuningRun, FineTuningConfig, ToyConfig, ReplicaConfig):
        cli.define_flags(config)
    cli.run_main(main)
