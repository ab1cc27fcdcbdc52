"""Several tasks over one encoder: which batch comes next, and the graph of all heads.

The batches of a step, one for each replica, are of one task, drawn in proportion to its
size ** alpha (Devlin, "Multilingual BERT" (2018), has 0.7 for languages). The graph
holds every head. Those of the other tasks read one example of their own, whose loss
counts nothing: so a graph without branches serves all tasks.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf

from albert.modeling.config import EncoderConfig
from albert.tasks.example_source import ExampleSource
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.linear_schedule import Schedule
from albert.training.task import (
    TRAIN,
    DataSource,
    Features,
    LossTerm,
    Metric,
    Task,
    TaskOutput,
)

v1 = tf.compat.v1

DRAWN = "drawn"  # the feature that says whose batch it is
SCORE = "mean_score"
_EPSILON = 1e-30  # so that the mean over nothing is 0; no other mean feels it


class Member(NamedTuple):
    """One of several tasks.

    Attributes:
        name: of its scope, its scores and its folder.
        task: its model.
        weight: of its loss; a task of weight 0 all along is not drawn.
    """

    name: str
    task: FineTuningTask
    weight: Schedule

    @property
    def is_drawn(self) -> bool:
        """Whether it is trained on at all."""
        return self.weight.start > 0 or self.weight.end > 0


def share_batches(sizes: Sequence[int], alpha: float) -> list[float]:
    """Return the probability of each task's batches, in proportion to size ** alpha.

    Example: sizes 100 and 400 with alpha 0.5 are 1/3 and 2/3.
    """
    powers = [size**alpha for size in sizes]
    return [power / sum(powers) for power in powers]


def in_own_scope(
    name: str, task: Task, features: Features, mode: str, build: Callable[..., Any]
) -> TaskOutput:
    """Build a task's graph: its head within the scope `name`, the encoder outside."""
    getter = v1.get_variable_scope().custom_getter  # as of adversarial training
    root = v1.VariableScope(v1.AUTO_REUSE, name="", custom_getter=getter)

    def build_shared(*inputs: Any, **options: Any) -> Any:
        with v1.variable_scope(root, auxiliary_name_scope=False):
            return build(*inputs, **options)

    with v1.variable_scope(name):
        return task.build(features, mode, build_shared)


class ScopedTask(Task):
    """A member alone, with its head in its scope; to evaluate the common checkpoint."""

    def __init__(self, member: Member):
        self._member = member
        self.best_metric = member.task.best_metric

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`."""
        return self._member.task.features(mode)

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`."""
        name, task, _ = self._member
        return in_own_scope(name, task, features, mode, build_encoder)

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: ExampleSource
    ) -> dict[str, float]:
        """See `Task.score`."""
        return self._member.task.score(batches, data)


class MultiTask(Task):
    """All members together, as they are trained."""

    unit = "examples"
    best_metric = Metric(SCORE, higher_is_better=True)

    def __init__(
        self,
        members: Sequence[Member],
        encoder: EncoderConfig,
        num_train_steps: int = 1,
    ):
        """Keep the members; `num_train_steps` is how long schedules of weights last."""
        self.members = tuple(members)
        self.encoder = encoder
        self._num_train_steps = num_train_steps

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`: those of each member under `NAME/`, and DRAWN.

        DRAWN is int32, [1]: the number of the member that the batch is of.
        """
        found = {DRAWN: tf.TensorSpec([1], tf.int32)}
        for name, task, _ in self.members:
            own = task.features(mode).items()
            found.update({f"{name}/{feature}": spec for feature, spec in own})
        return found

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`; losses are called `NAME_` and as the member's own."""
        losses = {}
        step = tf.cast(v1.train.get_or_create_global_step(), tf.float32)
        done = tf.minimum(step / self._num_train_steps, 1.0)
        for number, (name, task, weight) in enumerate(self.members):
            prefix = f"{name}/"
            own = {
                feature[len(prefix) :]: tensor
                for feature, tensor in features.items()
                if feature.startswith(prefix)
            }
            output = in_own_scope(name, task, own, mode, build_encoder)
            drawn = tf.cast(tf.equal(features[DRAWN][0], number), tf.float32)
            for loss, term in output.losses.items():
                losses[f"{name}_{loss}"] = LossTerm(
                    term.total * drawn,
                    term.weight * drawn,
                    term.epsilon + _EPSILON,
                    term.factor * weight.at(done),
                )
        return TaskOutput(losses, {})

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: DataSource
    ) -> dict[str, float]:
        """Members are scored one by one: see `ScopedTask`."""
        raise NotImplementedError


class MultiSource(DataSource):
    """Training batches of several members, those of a step of one of them.

    Attributes:
        num_examples: of all members that are drawn.
    """

    def __init__(
        self,
        task: MultiTask,
        sources: Sequence[ExampleSource],
        alpha: float,
        seed: int,
    ):
        """Keep the training data of each member, in the members' order.

        Args:
            alpha: see `share_batches`.
            seed: of the drawing.
        """
        self._task, self._sources = task, tuple(sources)
        self._drawn = [i for i, m in enumerate(task.members) if m.is_drawn]
        sizes = [sources[i].num_examples for i in self._drawn]
        self.num_examples = sum(sizes)
        self.shares = share_batches(sizes, alpha)
        self._seed = seed

    def _stand_ins(self) -> dict[str, np.ndarray]:
        """Return the features of one example of each member."""
        found = {}
        for (name, task, _), source in zip(self._task.members, self._sources):
            batch = source.make_batch(np.array([0]))
            for feature, spec in task.features(TRAIN).items():
                value = batch[feature].astype(spec.dtype.as_numpy_dtype)
                found[f"{name}/{feature}"] = value
        return found

    def _draw(self, step_batches: int) -> tf.data.Dataset:
        """Return which of `shares` each batch is of, int64, the same within a step."""

        def repeat(number: Any, count: Optional[int] = None) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensors(number).repeat(count)

        numbers = [repeat(np.int64(i)) for i in range(len(self.shares))]
        steps = tf.data.Dataset.sample_from_datasets(
            numbers, self.shares, seed=self._seed
        )
        return steps.flat_map(lambda number: repeat(number, step_batches))

    def read(self, mode: str, batch_size: int) -> tf.data.Dataset:
        """See `DataSource.read`; of TRAIN alone, a batch a step."""
        return self.read_from(batch_size, 0, 0, 1)

    def read_from(
        self, batch_size: int, passed_over: int, number: int, step_batches: int
    ) -> tf.data.Dataset:
        """See `DataSource.read_from`."""
        del number
        specs = self._task.features(TRAIN)
        stand_ins = self._stand_ins()

        def complete(number: int, own: Features) -> dict[str, tf.Tensor]:
            name = self._task.members[number].name
            own = {f"{name}/{feature}": tensor for feature, tensor in own.items()}
            others = {
                feature: v1.placeholder_with_default(value, specs[feature].shape)
                for feature, value in stand_ins.items()
                if feature not in own
            }
            return {**others, **own, DRAWN: tf.constant([number], tf.int32)}

        datasets = [
            self._sources[i]
            .read(TRAIN, batch_size)
            .map(lambda own, i=i: complete(i, own))
            for i in self._drawn
        ]
        batches = tf.data.Dataset.choose_from_datasets(
            datasets, self._draw(step_batches)
        )
        return batches.skip(passed_over)
