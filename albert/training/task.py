"""The interface between training and what is trained for."""

from __future__ import annotations

import abc
import types
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional

import numpy as np
import tensorflow as tf

TRAIN, EVAL, PREDICT = "train", "eval", "infer"  # the values of tf.estimator.ModeKeys

Features = Mapping[str, tf.Tensor]


class LossTerm(NamedTuple):
    """A loss as a sum and what to divide it by, so that means span all replicas.

    The mean over the global batch is `sum(total) / (sum(weight) + epsilon)`, both sums
    over replicas: a replica with few masked positions then weighs no more than its
    positions do.

    Attributes:
        total: float32 scalar, the weighted sum over this replica's examples.
        weight: float32 scalar, the sum of the weights on this replica.
        epsilon: added to the global weight.
        factor: of the mean in the training loss, a number or a float32 scalar. What is
            logged is the mean itself.
    """

    total: tf.Tensor
    weight: tf.Tensor
    epsilon: float = 0.0
    factor: float | tf.Tensor = 1.0


class TaskOutput(NamedTuple):
    """The losses and predictions of a task for a batch.

    Attributes:
        losses: name -> LossTerm; the training loss is the sum of their global means,
            each times its factor. Empty in PREDICT.
        predictions: name -> tensor whose first dimension is the batch; what `score`
            and prediction writers read. Empty in TRAIN.
        logged_means: name -> LossTerm; global means to be logged that are no loss.
    """

    losses: Mapping[str, LossTerm]
    predictions: Mapping[str, tf.Tensor]
    logged_means: Mapping[str, LossTerm] = types.MappingProxyType({})


class Metric(NamedTuple):
    """A metric of `Task.score`, and which of its values is the better.

    Attributes:
        name: of the metric.
        higher_is_better: and so says more for a checkpoint.
        scale: what its values are shares of: 100 where they are in percent.
    """

    name: str
    higher_is_better: bool
    scale: float = 1.0

    def gain(self, value: float) -> float:
        """Return a value so that those of several tasks can be added: more is better.

        Example: 40 of a metric in percent is 0.4, a loss of 2 is -2.
        """
        return (value if self.higher_is_better else -value) / self.scale


class DataSource(abc.ABC):
    """Examples to train on, to evaluate on or to predict: a file, or several."""

    @abc.abstractmethod
    def read(self, mode: str, batch_size: int) -> tf.data.Dataset:
        """Return batches of features, a dict of tensors as `Task.features` declares.

        In TRAIN: shuffled, repeated endlessly, whole batches only. In EVAL and
        PREDICT: each example once, in order, the last batch possibly smaller.

        Args:
            mode: TRAIN, EVAL or PREDICT.
            batch_size: examples in a batch: of one replica under a strategy.
        """

    def read_from(
        self, batch_size: int, passed_over: int, number: int, step_batches: int
    ) -> tf.data.Dataset:
        """Return what `read` gives in TRAIN, for a run that goes on.

        Args:
            batch_size: examples in a batch.
            passed_over: the batches at the beginning that are left out.
            number: of the first batch that is not, counted from the first one of the
                training. Larger than `passed_over` where a long training begins with
                the input again.
            step_batches: how many batches in a row make a step: one for each replica
                of this machine and each of its micro-batches. The two numbers above
                are multiples of it.
        """
        del number, step_batches
        return self.read(TRAIN, batch_size).skip(passed_over)

    def find_bad_input(self, give_up: Callable[[], bool]) -> Optional[str]:
        """Return a sentence on the first input that cannot be used, None without one.

        Called when reading or training has failed; may take as long as reading all.

        Args:
            give_up: says when to end the search, with None; to be asked often.
        """
        del give_up
        return None


class Task(abc.ABC):
    """A model of one task: its graph and its scores, for whatever data it is given.

    It never builds a particular encoder, and holds no examples.

    Attributes:
        best_metric: tells which of several checkpoints is the best.
    """

    best_metric = Metric("loss", higher_is_better=False)

    @abc.abstractmethod
    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """Return name -> dtype and shape of what `build` reads; sizes may be None.

        Args:
            mode: TRAIN, EVAL or PREDICT.
        """

    @abc.abstractmethod
    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """Build the graph of one batch.

        Args:
            features: a batch of `DataSource.read`.
            mode: TRAIN, EVAL or PREDICT.
            build_encoder: see `albert.modeling.encoder.EncoderBuilder`.
        """

    @abc.abstractmethod
    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: DataSource
    ) -> dict[str, float]:
        """Return the metrics of an evaluation from its batches of predictions.

        Holds "loss" and the best metric. Batches are read one at a time and need not be
        kept.

        Args:
            batches: the predictions of `build`, for all examples in their order.
            data: what was evaluated, and so what is right.
        """
