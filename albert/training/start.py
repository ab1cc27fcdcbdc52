"""Where training starts: anew, from another checkpoint, or where it stopped."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional, Sequence

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints import restoring, storage
from albert.modeling.encoder import EncoderBuilder
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.rates import RateRule
from albert.training.replicas import choose_devices, micro_batch_size
from albert.training.step import trained_variables
from albert.training.task import TRAIN, Task

v1 = tf.compat.v1


def has_ended(config: TrainingConfig) -> bool:
    """Whether an earlier run has done all steps."""
    return (storage.latest_step(config.output_dir) or 0) >= config.num_train_steps


class ModelOutline(NamedTuple):
    """What a task's model consists of.

    Attributes:
        shapes: name -> shape of its variables.
        trained: the names of those that training updates.
    """

    shapes: dict[str, list[int]]
    trained: tuple[str, ...]


def outline_model(
    task: Task, build_encoder: EncoderBuilder, rules: Sequence[RateRule] = ()
) -> ModelOutline:
    """Build a task's model in a graph of its own, to see what it consists of.

    Args:
        rules: of the learning rate, see `albert.training.rates`.
    """
    with tf.Graph().as_default():
        features = {
            name: v1.placeholder(spec.dtype, spec.shape, name)
            for name, spec in task.features(TRAIN).items()
        }
        output = task.build(features, TRAIN, build_encoder)
        return ModelOutline(
            {v.op.name: v.shape.as_list() for v in restoring.model_variables()},
            tuple(v.op.name for v in trained_variables(output.losses, rules)),
        )


class Start(NamedTuple):
    """Where training starts.

    Attributes:
        step: the steps done before.
        plan: what the first step of all takes from another checkpoint, if anything.
    """

    step: int
    plan: Optional[restoring.InitialisationPlan] = None


def check_start(
    task: Task,
    build_encoder: EncoderBuilder,
    config: TrainingConfig,
    replicas: ReplicaConfig,
) -> Start:
    """Return where `train` starts; to be called before anything is written.

    Raises:
        UserError: a device is missing, the batch does not divide, or the checkpoint to
            start or resume from is of another model or optimizer.
    """
    _, count = choose_devices(replicas)
    micro_batch_size(
        config.train_batch_size,
        count * replicas.num_machines,
        config.gradient_accumulation_steps,
    )
    newest = tf.train.latest_checkpoint(config.output_dir)
    done = storage.latest_step(config.output_dir) or 0
    if newest is None and config.init_checkpoint is None:
        return Start(0)
    if newest is not None and done >= config.num_train_steps:
        return Start(done)
    model = outline_model(task, build_encoder, config.rate_rules)
    if newest is None:
        _check_stays(config.init_checkpoint, config.output_dir)
        plan = restoring.plan_initialisation(model.shapes, config.init_checkpoint)
        return Start(0, plan)
    restoring.check_resumable(
        model.shapes,
        newest,
        config.optimizer,
        model.trained,
        averaged=bool(config.average_decay),
    )
    return Start(done)


def _check_stays(init_checkpoint: str, output_dir: str) -> None:
    """Stop where starting anew would move away what it starts from."""
    inside = os.path.join(os.path.realpath(output_dir), "")
    if os.path.realpath(init_checkpoint).startswith(inside):
        raise UserError(
            f"init_checkpoint {init_checkpoint} lies in output_dir {output_dir}, where "
            "training starts anew; give another output_dir"
        )


def log_start(start: Start, config: TrainingConfig) -> None:
    """Say in the log where training starts, and from what."""
    if start.step >= config.num_train_steps:
        logging.warning(
            "Nothing to train: %s holds step %d, num_train_steps is %d; raise "
            "num_train_steps to go on, or give another output_dir to start anew",
            config.output_dir,
            start.step,
            config.num_train_steps,
        )
    elif start.step or tf.train.latest_checkpoint(config.output_dir) is not None:
        logging.info("Training resumes from step %d", start.step)
        if config.init_checkpoint:
            logging.info("init_checkpoint is not read again in a resumed run")
    elif start.plan is None:
        logging.info("Training starts from random variables")
    else:
        restoring.log_plan(start.plan)
