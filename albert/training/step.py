"""One training step of one replica: losses, gradients, update.

The replica's examples may come in several micro-batches. Losses are means over the
global batch, so the gradients of micro-batches only need to be summed, once each loss
is divided by its weight over all micro-batches of all replicas. These weights depend on
the features alone and are summed first. There is then one all-reduce of gradients and
one update a step, and no accumulator outlives the step.
"""

from __future__ import annotations

import functools
import types
from typing import Mapping, NamedTuple, Optional, Sequence

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.modeling.encoder import EncoderBuilder
from albert.training.adversarial import find_perturbation, perturbed
from albert.training.config import TrainingConfig
from albert.training.loss_scale import LossScale
from albert.training.optimization import GlobalBatchOptimizer, OptimizerSettings
from albert.training.rates import RateRule, describe_group, factor_of, list_groups
from albert.training.replicas import global_denominators, global_means, variable_name
from albert.training.schedule import learning_rate_at
from albert.training.task import TRAIN, Features, LossTerm, Task, TaskOutput

v1 = tf.compat.v1


class TrainStep(NamedTuple):
    """The tensors of a step, on one replica.

    Attributes:
        loss: float32 scalar; its sum over replicas is the loss of the global batch.
        values: name -> scalar of the global batch, to be logged.
        train_op: makes the update and counts it in the global step.
        steps_done: int64 scalar, the global step after `train_op`.
        summed: what was given to be summed over all replicas.
    """

    loss: tf.Tensor
    values: Mapping[str, tf.Tensor]
    train_op: tf.Operation
    steps_done: tf.Tensor
    summed: Mapping[str, tf.Tensor] = types.MappingProxyType({})


class _Sums(NamedTuple):
    """What is summed over micro-batches.

    Attributes:
        loss: float32 scalar, see `TrainStep.loss`.
        totals, weights: float32, of each loss and logged mean.
        gradients: one for each trainable variable that has one, in their order.
    """

    loss: tf.Tensor
    totals: tf.Tensor
    weights: tf.Tensor
    gradients: tuple[tf.Tensor, ...]


def _unfrozen_variables(rules: Sequence[RateRule]) -> list[tf.Variable]:
    variables = v1.trainable_variables()
    return [v for v in variables if factor_of(variable_name(v), rules) != 0.0]


def trained_variables(
    losses: Mapping[str, LossTerm], rules: Sequence[RateRule] = ()
) -> list[tf.Variable]:
    """Return the variables that a step updates, those that get a gradient.

    Args:
        losses: of a task, built in the current graph.
        rules: of the learning rate; what they freeze is not updated.
    """
    totals = [term.total for term in losses.values()]
    variables = _unfrozen_variables(rules)
    gradients = tf.gradients(totals, variables)
    return [v for v, g in zip(variables, gradients) if g is not None]


def _differentiate(
    output: TaskOutput,
    denominators: tf.Tensor,
    scale: Optional[tf.Tensor],
    rules: Sequence[RateRule],
    keep_rows: bool = False,
) -> tuple[_Sums, list[tf.Variable]]:
    """Return the sums of one micro-batch, and the variables that have a gradient.

    Args:
        keep_rows: whether the gradient of a table stays the rows that were looked up,
            equal ones not yet summed.
    """
    losses = list(output.losses.values())
    totals = tf.stack([term.total * term.factor for term in losses])
    loss = tf.reduce_sum(totals / denominators)
    variables = _unfrozen_variables(rules)
    gradients = tf.gradients(loss if scale is None else loss * scale, variables)
    pairs = [(g, v) for g, v in zip(gradients, variables) if g is not None]
    if not keep_rows:
        pairs = [(tf.convert_to_tensor(g), v) for g, v in pairs]
    if not pairs:
        raise UserError("nothing to train: every variable is frozen")
    terms = [*losses, *output.logged_means.values()]
    sums = _Sums(
        tf.stop_gradient(loss),
        tf.stack([term.total for term in terms]),
        tf.stack([term.weight for term in terms]),
        tuple(gradient for gradient, _ in pairs),
    )
    return sums, [variable for _, variable in pairs]


def _accumulate(
    task: Task,
    build_encoder: EncoderBuilder,
    features: Features,
    denominators: tf.Tensor,
    scale: Optional[tf.Tensor],
    rules: Sequence[RateRule],
) -> tuple[_Sums, list[tf.Variable]]:
    """Sum over micro-batches, one after the other.

    Args:
        features: name -> [micro-batches, examples of one, ...]; the variables exist.
    """
    scope = v1.get_variable_scope()

    def differentiate(index):
        micro_batch = {name: value[index] for name, value in features.items()}
        with v1.variable_scope(scope, reuse=True):
            output = task.build(micro_batch, TRAIN, build_encoder)
            return _differentiate(output, denominators, scale, rules)

    def add(index, sums):
        new, _ = differentiate(index)
        return index + 1, tf.nest.map_structure(tf.add, sums, new)

    # The first one outside of the loop: it says which variables have a gradient.
    first, variables = differentiate(0)
    count = next(iter(features.values())).shape[0]
    _, sums = tf.while_loop(
        lambda index, _: index < count,
        add,
        (tf.constant(1), first),
        parallel_iterations=1,  # the memory of one micro-batch at a time
    )
    return sums, variables


def _merge(features: Features) -> Features:
    """Join micro-batches: [K, B, ...] becomes [K * B, ...]; other sizes are known."""
    return {
        name: tf.reshape(value, [-1, *value.shape[2:]])
        for name, value in features.items()
    }


def _log_rates(trained: Sequence[tf.Variable], config: TrainingConfig) -> None:
    """Log each group of the learning rate, once for all replicas."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    if config.rate_rules and tf.get_static_value(replica) == 0:
        every, updated = (
            [variable_name(variable) for variable in variables]
            for variables in (v1.trainable_variables(), trained)
        )
        for group in list_groups(every, updated, config.rate_rules):
            logging.info("  %s", describe_group(group, config.learning_rate))


def _optimizer_settings(config: TrainingConfig) -> OptimizerSettings:
    return OptimizerSettings(
        **{name: getattr(config, name) for name in OptimizerSettings._fields}
    )


def _sum_and_differentiate(
    whole: TaskOutput,
    task: Task,
    build_encoder: EncoderBuilder,
    features: Features,
    config: TrainingConfig,
    scale: Optional[tf.Tensor],
) -> tuple[_Sums, list[tf.Variable]]:
    """Return the sums of a batch, at once or by micro-batches; see `_differentiate`.

    Args:
        whole: what `task` makes of the batch. With accumulation only its weights are
            computed, and its variables made.
    """
    denominators, rules = global_denominators(whole.losses), config.rate_rules
    inputs = (task, build_encoder, features, denominators, scale, rules)
    at_once = config.gradient_accumulation_steps == 1
    if at_once:
        sums, variables = _differentiate(
            *(whole, denominators, scale, rules),
            keep_rows=config.clip_by_unsummed_rows,
        )
    else:
        sums, variables = _accumulate(*inputs)
    if not config.fgm_epsilon:
        return sums, variables
    change = find_perturbation(sums.gradients, variables, config.fgm_epsilon)
    with perturbed(change):
        if at_once:
            again = task.build(features, TRAIN, build_encoder)
            second, _ = _differentiate(again, denominators, scale, rules)
        else:
            second, _ = _accumulate(*inputs)
    both = tuple(map(tf.add, sums.gradients, second.gradients))
    return sums._replace(gradients=both), variables


def _mean_losses(
    whole: TaskOutput, sums: _Sums, summed: Mapping[str, tf.Tensor]
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Return the global means of losses and logged means, and `summed` over replicas.

    All in one sum over the replicas.
    """
    terms = {**whole.losses, **whole.logged_means}
    epsilons = [term.epsilon for term in terms.values()] + [1.0] * len(summed)
    means = global_means(
        tf.concat([sums.totals, list(summed.values())], axis=0),
        tf.pad(sums.weights, [[0, len(summed)]]),
        epsilons,
    )
    named = dict(zip([*terms, *summed], tf.unstack(means)))
    return named, {name: named.pop(name) for name in summed}


def build_train_step(
    task: Task,
    build_encoder: EncoderBuilder,
    features: Features,
    config: TrainingConfig,
    summed: Mapping[str, tf.Tensor] = types.MappingProxyType({}),
) -> TrainStep:
    """Build the step of the current replica, variables included.

    Args:
        features: a batch of `DataSource.read`; with gradient accumulation the
            dimension of micro-batches comes first.
        summed: name -> float32 scalar of this replica, to be summed over all with the
            losses.
    """
    if config.precision != "float32":
        dtype = tf.as_dtype(config.precision)
        build_encoder = functools.partial(build_encoder, dtype=dtype)
    accumulates = config.gradient_accumulation_steps > 1
    batch = _merge(features) if accumulates else features
    whole = task.build(batch, TRAIN, build_encoder)
    loss_scale = LossScale() if config.precision == "float16" else None
    scale = None if loss_scale is None else loss_scale.scale
    sums, variables = _sum_and_differentiate(
        whole, task, build_encoder, features, config, scale
    )
    _log_rates(variables, config)
    step = v1.train.get_or_create_global_step()
    schedule = config.schedule
    rate = learning_rate_at(
        # The update needs the rate, and the step is counted after the update.
        step + (0 if schedule.counts_from_0 else 1),
        config.learning_rate,
        config.num_train_steps,
        config.num_warmup_steps,
        schedule,
    )
    optimizer = GlobalBatchOptimizer(
        config.optimizer, rate, loss_scale, _optimizer_settings(config)
    )
    train_op = optimizer.apply_gradients(list(zip(sums.gradients, variables)), step)
    means, summed = _mean_losses(whole, sums, summed)
    # Every replica must take part in the sum of the means, read there or not.
    train_op = tf.group(train_op, *means.values())
    total = tf.add_n([means[n] * term.factor for n, term in whole.losses.items()])
    values = {"loss": total, **means, "learning_rate": rate}
    if loss_scale is not None:
        values["loss_scale"] = loss_scale.scale
        values["skipped_steps"] = loss_scale.skipped_steps
    with tf.control_dependencies([train_op]):
        steps_done = step.read_value()
    loss = sums.loss
    if loss_scale is not None:
        # An Estimator ends training at a loss of NaN; the optimizer decides here.
        loss = tf.where(tf.math.is_finite(loss), loss, tf.zeros_like(loss))
    return TrainStep(loss, values, train_op, steps_done, summed)
