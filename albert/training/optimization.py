"""The update rules of AdamW and LAMB, and the optimizer around them.

LAMB: You et al., "Large Batch Optimization for Deep Learning" (2020). AdamW: Loshchilov
and Hutter (2019), in BERT's form. Neither corrects the bias of its moments, as in the
reference. Checked against recorded steps of albert_zh (see the tests).
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional, Sequence, Union

import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints.restoring import AVERAGE, SLOTS
from albert.training.finite import check_finite
from albert.training.loss_scale import LossScale
from albert.training.rates import RateRule, factor_of
from albert.training.replicas import sum_over_replicas, variable_name
from albert.training.schedule import average_decay_at

v1 = tf.compat.v1

# A variable whose name matches one of these is not decayed.
NO_DECAY_PATTERNS = ("LayerNorm", "layer_norm", "bias")


class OptimizerSettings(NamedTuple):
    """The constants of an update; the defaults are the reference's.

    Attributes:
        beta1, beta2: decay of the means of gradients and of their squares.
        epsilon: added to the root of the mean of squares.
        weight_decay: of the variables that are decayed.
        clip_norm: the global norm that the gradient is clipped to.
        rate_rules: factors of the learning rate, see `albert.training.rates`.
        average_decay: of the mean of each variable over the steps, which is kept
            beside it; 0 for none. See `albert.training.schedule.average_decay_at`.
        clip_by_unsummed_rows: whether that norm counts each looked-up row of a table
            for itself, before rows of equal ids are summed, as TensorFlow's
            `clip_by_global_norm` does. It then depends on how a batch is divided.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-6
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    rate_rules: tuple[RateRule, ...] = ()
    average_decay: float = 0.0
    clip_by_unsummed_rows: bool = False


DEFAULTS = OptimizerSettings()


class Moments(NamedTuple):
    """A variable and its running moments after an update; all of one shape."""

    value: tf.Tensor
    m: tf.Tensor
    v: tf.Tensor


def _direction(
    gradient: tf.Tensor,
    value: tf.Tensor,
    m: tf.Tensor,
    v: tf.Tensor,
    decay: float,
    settings: OptimizerSettings,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the decayed Adam direction and the new moments."""
    m = settings.beta1 * m + (1.0 - settings.beta1) * gradient
    v = settings.beta2 * v + (1.0 - settings.beta2) * tf.square(gradient)
    return m / (tf.sqrt(v) + settings.epsilon) + decay * value, m, v


def adamw_update(
    gradient: tf.Tensor,
    value: tf.Tensor,
    m: tf.Tensor,
    v: tf.Tensor,
    learning_rate: tf.Tensor,
    decay: float,
    settings: OptimizerSettings = DEFAULTS,
) -> Moments:
    """Return a variable and its moments after one AdamW step.

    Args:
        gradient, value, m, v: float32, all of one shape.
        learning_rate: float32 scalar.
        decay: weight decay, 0 for a variable that is not decayed.
        settings: the constants of the moments.
    """
    direction, m, v = _direction(gradient, value, m, v, decay, settings)
    return Moments(value - learning_rate * direction, m, v)


def lamb_update(
    gradient: tf.Tensor,
    value: tf.Tensor,
    m: tf.Tensor,
    v: tf.Tensor,
    learning_rate: tf.Tensor,
    decay: float,
    settings: OptimizerSettings = DEFAULTS,
) -> Moments:
    """Return a variable and its moments after one LAMB step.

    As `adamw_update`, the step scaled by |value| / |direction|, or by 1 where either
    is 0.
    """
    direction, m, v = _direction(gradient, value, m, v, decay, settings)
    value_norm, direction_norm = tf.norm(value), tf.norm(direction)
    ratio = tf.where(
        tf.logical_and(value_norm > 0.0, direction_norm > 0.0),
        tf.math.divide_no_nan(value_norm, direction_norm),
        1.0,
    )
    return Moments(value - learning_rate * ratio * direction, m, v)


UPDATE_RULES = {"adamw": adamw_update, "lamb": lamb_update}


def decay_of(variable_name: str, weight_decay: float) -> float:
    """Return the weight decay of a variable by its name."""
    excluded = any(re.search(p, variable_name) for p in NO_DECAY_PATTERNS)
    return 0.0 if excluded else weight_decay


def _count_update(step: tf.Variable, finite: Optional[tf.Tensor]) -> tf.Operation:
    """Add 1 to the global step, or 0 for a step that was skipped."""
    done = 1 if finite is None else tf.cast(finite, step.dtype)
    return step.assign_add(done, read_value=False)


def _unsummed_rows(gradient: Union[tf.Tensor, tf.IndexedSlices]) -> tf.Tensor:
    """Return the values of a gradient, of equal rows those before their sum."""
    is_rows = isinstance(gradient, tf.IndexedSlices)
    return gradient.values if is_rows else gradient


class GlobalBatchOptimizer(v1.train.Optimizer):
    """Sums gradients over replicas, then clips them, then applies an update rule.

    In this order N replicas make the step of one replica on the whole batch. Losses
    must already be divided by what they count over the global batch: gradients are
    summed, not averaged.
    """

    def __init__(
        self,
        rule: str,
        learning_rate: tf.Tensor,
        loss_scale: Optional[LossScale] = None,
        settings: OptimizerSettings = DEFAULTS,
    ):
        """Make the optimizer of one replica.

        Args:
            rule: a key of UPDATE_RULES.
            learning_rate: float32 scalar of the current replica.
            loss_scale: what the loss was multiplied by; None for nothing.
            settings: the constants, and the factors of the rate. A variable that is
                frozen must not be given to `apply_gradients`.
        """
        super().__init__(use_locking=False, name=rule)
        self._rule = UPDATE_RULES[rule]
        self._m_name, self._v_name = SLOTS[rule]
        self._learning_rate = learning_rate
        self._loss_scale = loss_scale
        self._settings = settings

    def apply_gradients(
        self,
        grads_and_vars: Sequence[tuple[tf.Tensor, tf.Variable]],
        global_step: Optional[tf.Variable] = None,
        name: Optional[str] = None,
    ) -> tf.Operation:
        """Return the operation of one step; called in replica context.

        Args:
            grads_and_vars: this replica's gradients, None where there is none.
            global_step: incremented by 1 after the update, if given.

        Running it raises InvalidArgumentError, see `check_finite`, with the first bad
        variable's name in its message and no variable changed, when the summed gradient
        is not finite. With a loss scale such a step is skipped, and raises only when
        the scale can sink no further.
        """
        pairs = [(g, v) for g, v in grads_and_vars if g is not None]
        if not pairs:
            raise ValueError("no variable has a gradient")
        replica = tf.distribute.get_replica_context()
        gradients = sum_over_replicas([tf.convert_to_tensor(g) for g, _ in pairs])
        if self._loss_scale is not None:
            gradients = self._loss_scale.unscale(gradients)
        measured = gradients
        if self._settings.clip_by_unsummed_rows:
            if replica.num_replicas_in_sync > 1 or self._loss_scale is not None:
                raise UserError("clip_by_unsummed_rows: for one device, not in float16")
            measured = [_unsummed_rows(gradient) for gradient, _ in pairs]
        squares = tf.stack([tf.nn.l2_loss(g) for g in measured])  # half the squares
        norm = tf.sqrt(2.0 * tf.reduce_sum(squares))
        finite, scale_state = None, None
        passes = tf.math.is_finite(norm)
        if self._loss_scale is not None:
            finite = passes
            scale_state = self._loss_scale.after_step(finite)
            passes = tf.logical_or(self._loss_scale.can_sink, finite)
        check = check_finite(passes, squares, [variable_name(v) for _, v in pairs])
        keep = None
        if self._settings.average_decay:
            keep = average_decay_at(global_step, self._settings.average_decay)
        with tf.control_dependencies([check]):
            clipped, _ = tf.clip_by_global_norm(
                gradients, self._settings.clip_norm, use_norm=norm
            )
        return replica.merge_call(
            self._apply_to_all_replicas,
            args=(
                list(zip(clipped, [v for _, v in pairs])),
                (self._learning_rate, finite, keep),
                scale_state,
            ),
            kwargs={"global_step": global_step},
        )

    def _apply_to_all_replicas(
        self, strategy, grads_and_vars, scalars, scale_state, global_step
    ):
        """Update every replica's copy with that replica's (equal) gradient."""
        variables = [variable for _, variable in grads_and_vars]
        with tf.init_scope():
            self._create_slots(variables)

        def update(variable, gradient, rate, take, keep):
            return self._resource_apply_dense(gradient, variable, rate, take, keep)

        updates = []
        for gradient, variable in grads_and_vars:
            updates += strategy.extended.update(
                variable, update, args=(gradient, *scalars), group=False
            )
        if self._loss_scale is not None:
            updates += self._loss_scale.update(strategy, scale_state)
        if global_step is None:
            return tf.group(*updates)
        with tf.control_dependencies(updates):
            return tf.group(
                strategy.extended.update(global_step, _count_update, args=(scalars[1],))
            )

    def _create_slots(self, var_list: Sequence[tf.Variable]) -> None:
        for variable in var_list:
            self._zeros_slot(variable, self._m_name, self._m_name)
            self._zeros_slot(variable, self._v_name, self._v_name)
            if self._settings.average_decay:
                self._zeros_slot(variable, AVERAGE, AVERAGE)

    def _resource_apply_dense(
        self, grad, handle, learning_rate, finite, keep
    ) -> tf.Operation:
        m = self.get_slot(handle, self._m_name)
        v = self.get_slot(handle, self._v_name)
        old = Moments(*(tf.convert_to_tensor(x) for x in (handle, m, v)))
        name, settings = variable_name(handle), self._settings
        factor = factor_of(name, settings.rate_rules)
        if factor != 1.0:
            learning_rate = learning_rate * factor
        decay = decay_of(name, settings.weight_decay)
        new = self._rule(grad, *old, learning_rate, decay, settings)
        if finite is not None:
            new = Moments(*(tf.where(finite, n, o) for n, o in zip(new, old)))
        updates = [
            handle.assign(new.value, read_value=False),
            m.assign(new.m, read_value=False),
            v.assign(new.v, read_value=False),
        ]
        if keep is not None:
            average = self.get_slot(handle, AVERAGE)
            before = tf.convert_to_tensor(average)
            after = keep * before + (1.0 - keep) * new.value
            if finite is not None:
                after = tf.where(finite, after, before)
            updates.append(average.assign(after, read_value=False))
        return tf.group(*updates)
