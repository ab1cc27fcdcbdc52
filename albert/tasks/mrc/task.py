"""Machine reading: the graph, and its answers and scores."""

from __future__ import annotations

import itertools
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf

from albert.modeling import span_heads
from albert.tasks.finetuning_task import FineTuningTask, Report
from albert.tasks.mrc.config import INDEPENDENT, MrcConfig
from albert.tasks.mrc.decoding import (
    Reading,
    WindowScores,
    pick_window,
    read_question,
)
from albert.tasks.mrc.english import load_tokenizer
from albert.tasks.mrc.examples import Example, log_counts, make_examples
from albert.tasks.mrc.output import (
    Decoded,
    choose_answer,
    make_report,
    write_predictions,
)
from albert.tasks.mrc.source import MrcSource
from albert.tasks.mrc.squad import SquadFile, check_answers, read_squad
from albert.training.task import (
    PREDICT,
    TRAIN,
    Features,
    LossTerm,
    Metric,
    TaskOutput,
)

v1 = tf.compat.v1

_SCOPE = "reading"


class Labels(NamedTuple):
    """What a model has seen in training.

    Attributes:
        unanswerable: whether some questions had no answer, so that it may give none.
    """

    unanswerable: bool


class _Spans(NamedTuple):
    """What the head gives for a batch; B windows of T tokens.

    Attributes:
        start: float32, [B, T]; logits.
        end: float32, [B, T]; of the joint head at the gold starts; None without them.
        unanswerable: float32, [B]; None without the classifier.
        predictions: see `MrcTask.build`.
    """

    start: tf.Tensor
    end: Optional[tf.Tensor]
    unanswerable: Optional[tf.Tensor]
    predictions: dict[str, tf.Tensor]


class MrcTask(FineTuningTask):
    """Answers questions by a part of their passage."""

    name = "mrc"
    unit = "windows"
    suffixes = (".json",)
    settings_class = MrcConfig
    fixed_settings = (
        *("head", "answerable_classifier", "answerable_uses_start_logits"),
        "do_lower_case",
    )
    table_name = "answer_scores"
    logged_metrics = ("eval_average", "eval_em", "eval_f1", "loss")
    best_metric = Metric("eval_average", higher_is_better=True, scale=100.0)

    @classmethod
    def read_file(cls, path: str, need_labels: bool, settings: MrcConfig) -> SquadFile:
        """See `FineTuningTask.read_file` and `read_squad`."""
        del settings
        data = read_squad(path)
        if need_labels:
            load_tokenizer()  # of the scores: said now, not after an epoch
            check_answers(data)
        return data

    @classmethod
    def collect_labels(cls, train_file: SquadFile) -> Labels:
        """See `FineTuningTask.collect_labels`."""
        return Labels(any(q.is_impossible for _, q in train_file.questions()))

    @classmethod
    def labels_to_json(cls, labels: Labels) -> dict[str, Any]:
        """See `FineTuningTask.labels_to_json`."""
        return labels._asdict()

    @classmethod
    def labels_from_json(cls, value: Mapping[str, Any]) -> Labels:
        """See `FineTuningTask.labels_from_json`."""
        return Labels(value["unanswerable"])

    def make_source(self, name: str, file: SquadFile, seed: int) -> MrcSource:
        """See `FineTuningTask.make_source`."""
        training = name == "train"
        examples = make_examples(file, self.tokenizer, self.settings, training)
        log_counts(name, file, examples)
        return MrcSource(examples, self.tokenizer.vocabulary, self.features, seed)

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`; all int32.

        `input_ids`, `input_mask` and `segment_ids` [B, T]; except in PREDICT `start`,
        `end` (positions in T, 0 where the window has no answer) and `is_impossible`
        [B].
        """
        tokens, one = (
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None], tf.int32),
        )
        names = ("input_ids", "input_mask", "segment_ids")
        found = dict.fromkeys(names, tokens)
        if mode != PREDICT:
            found.update(dict.fromkeys(("start", "end", "is_impossible"), one))
        return found

    def _find_spans(self, features: Features, sequence: tf.Tensor, mode: str) -> _Spans:
        """Apply the head to the encoder's output, float32 [B, T, H]."""
        settings, predictions = self.settings, {}
        allowed = span_heads.allowed_positions(
            features["input_mask"], features["segment_ids"]
        )
        start = span_heads.place_logits(sequence, allowed, "start")
        if settings.head == INDEPENDENT:
            end = span_heads.place_logits(sequence, allowed, "end")
            predictions.update(starts=start, ends=end)
        else:
            end_logits = span_heads.joint_end(sequence, allowed)
            end = None
            if mode != PREDICT:
                gold = tf.gather(sequence, features["start"], batch_dims=1)
                end = end_logits(gold)
            if mode != TRAIN:
                beam = span_heads.search_beam(
                    sequence, start, end_logits, settings.beam_size
                )
                names = ("top_starts", "top_ends", "top_start_scores", "top_end_scores")
                predictions.update(zip(names, beam))
        unanswerable = None
        if settings.answerable_classifier:
            unanswerable = predictions["answerable"] = span_heads.unanswerable_logits(
                sequence, start, settings.answerable_uses_start_logits
            )
        return _Spans(start, end, unanswerable, predictions)

    def _losses(self, features: Features, spans: _Spans) -> dict[str, tf.Tensor]:
        """Return the losses of each window, [B] each, without their weights."""
        cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
        starts = cross_entropy(labels=features["start"], logits=spans.start)
        ends = cross_entropy(labels=features["end"], logits=spans.end)
        losses = {"span_loss": (starts + ends) / 2.0}
        if spans.unanswerable is not None:
            losses["answerable_loss"] = tf.nn.sigmoid_cross_entropy_with_logits(
                labels=tf.cast(features["is_impossible"], tf.float32),
                logits=spans.unanswerable,
            )
        return losses

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`; losses are means over windows.

        "span_loss" is half the sum of the start's and the end's cross entropy, the
        joint head's end given the right start; "answerable_loss" that of the
        classifier, weighted by answerable_weight.

        Predictions: the fields of `WindowScores` that the head has (`starts`, `ends`
        float32 [B, T]; `top_starts` int32 [B, K], `top_ends` [B, K, K] and their
        scores, float32; `answerable` float32 [B]), and except in PREDICT `loss`
        float32 [B].
        """
        encoded = build_encoder(
            features["input_ids"],
            features["input_mask"],
            features["segment_ids"],
            training=mode == TRAIN,
        )
        with v1.variable_scope(_SCOPE):
            spans = self._find_spans(features, encoded.sequence, mode)
        predictions = spans.predictions
        if mode == PREDICT:
            return TaskOutput({}, predictions)
        factors = {"answerable_loss": self.settings.answerable_weight}
        losses = self._losses(features, spans)
        count = tf.cast(tf.size(features["start"]), tf.float32)
        terms = {
            name: LossTerm(tf.reduce_sum(loss), count, factor=factors.get(name, 1.0))
            for name, loss in losses.items()
        }
        if mode == TRAIN:
            return TaskOutput(terms, {})
        whole = sum(loss * factors.get(name, 1.0) for name, loss in losses.items())
        return TaskOutput(terms, {**predictions, "loss": whole})

    def decode(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: MrcSource
    ) -> Decoded:
        """Return the reading of every question from the predictions of its windows."""
        scores: list[WindowScores] = []
        loss = 0.0
        for batch in batches:
            count = len(next(iter(batch.values())))
            scores += [pick_window(batch, row) for row in range(count)]
            loss += float(np.sum(batch.get("loss", np.nan), dtype=np.float64))
        readings = self.read(data.examples, scores)
        answers = [self.answer(reading) for reading in readings]
        return Decoded(readings, answers, loss / max(len(scores), 1))

    def read(
        self, examples: Sequence[Example], scores: Sequence[WindowScores]
    ) -> list[Reading]:
        """Return the readings of questions from the scores of all their windows."""
        rest = iter(scores)
        return [
            read_question(
                example,
                list(itertools.islice(rest, len(example.windows))),
                self.settings,
            )
            for example in examples
        ]

    def answer(self, reading: Reading) -> str:
        """Return the answer to a question, "" for none; see `choose_answer`."""
        return choose_answer(reading, self.labels.unanswerable, self.settings)

    def report(self, decoded: Decoded, data: MrcSource) -> Report:
        """See `FineTuningTask.report`."""
        questions = [example.question for example in data.examples]
        found = make_report(questions, decoded.answers, decoded.loss)
        return Report(found.metrics(), found.table())

    def write_predictions(
        self, stem: str, decoded: Decoded, data: MrcSource
    ) -> list[str]:
        """See `FineTuningTask.write_predictions`, and of the files `output`."""
        names = [example.question.id for example in data.examples]
        with_nulls = self.labels.unanswerable
        n_best = self.settings.write_n_best
        return write_predictions(stem, names, decoded, n_best, with_nulls)
