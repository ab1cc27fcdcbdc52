"""The training loop: one model_fn for every task, run by an Estimator."""

from __future__ import annotations

import os
from typing import Callable, Optional, Sequence

import tensorflow as tf
from absl import logging

from albert import checkpoint as checkpoints
from albert import distribution, failures, hooks
from albert.config.training import ReplicaConfig, TrainingConfig, advise_on_rate
from albert.data.iteration import read_arrays
from albert.errors import UserError
from albert.interruption import StopRequest
from albert.modeling.encoder import EncoderBuilder
from albert.tasks.task import TRAIN, Features, RecordPlace, Task
from albert.train_step import TrainStep, build_train_step

v1 = tf.compat.v1

OnCheckpoint = Callable[[str, int], None]

_MOST_PASSED_OVER = 20_000_000  # examples


def model_shapes(task: Task, build_encoder: EncoderBuilder) -> dict[str, list[int]]:
    """Return name -> shape of the variables that a task's model has."""
    with tf.Graph().as_default():
        dataset = task.read(TRAIN, 1)
        features = v1.data.make_one_shot_iterator(dataset).get_next()
        task.build(features, TRAIN, build_encoder)
        return {v.op.name: v.shape.as_list() for v in v1.trainable_variables()}


def _make_model_fn(
    task: Task,
    build_encoder: EncoderBuilder,
    config: TrainingConfig,
    plan: Optional[checkpoints.InitialisationPlan],
    watch: Callable[[TrainStep], hooks.ProgressHook],
    chief_hooks: Sequence[v1.train.SessionRunHook],
):
    """Return the model_fn of training; it runs once in each replica."""

    def model_fn(features: Features, mode: str) -> tf.estimator.EstimatorSpec:
        step = build_train_step(task, build_encoder, features, config)
        if plan is not None:
            checkpoints.initialise(plan)
        return tf.estimator.EstimatorSpec(
            mode,
            # An Estimator sums what the replicas report; this share of each makes the
            # sum the loss of the global batch.
            loss=step.loss,
            train_op=step.train_op,
            training_hooks=[watch(step)],
            training_chief_hooks=chief_hooks,
        )

    return model_fn


def check_start(
    task: Task,
    build_encoder: EncoderBuilder,
    config: TrainingConfig,
    replicas: ReplicaConfig,
) -> None:
    """Stop where `train` could not start; to be called before anything is written.

    Raises:
        UserError: a device is missing, the batch does not divide, or the checkpoint to
            start or resume from is of another model or optimizer.
    """
    _, count = distribution.choose_devices(replicas)
    parts = config.gradient_accumulation_steps
    distribution.micro_batch_size(config.train_batch_size, count, parts)
    newest = tf.train.latest_checkpoint(config.output_dir)
    if newest is None and config.init_checkpoint is None:
        return
    shapes = model_shapes(task, build_encoder)
    if newest is None:
        checkpoints.plan_initialisation(shapes, config.init_checkpoint)
    elif checkpoints.latest_step(config.output_dir) < config.num_train_steps:
        checkpoints.check_resumable(shapes, newest, config.optimizer)


def _plan_start(
    task: Task, build_encoder: EncoderBuilder, config: TrainingConfig
) -> tuple[int, Optional[checkpoints.InitialisationPlan]]:
    """Return the step to start from, and what to load before it; say so in the log."""
    done = checkpoints.latest_step(config.output_dir)
    if done is not None:
        logging.info("%s holds a checkpoint of step %d", config.output_dir, done)
        if done >= config.num_train_steps:
            logging.warning(
                "Nothing to train: step %d is at or past num_train_steps %d; raise "
                "num_train_steps to go on, or give another output_dir to start anew",
                done,
                config.num_train_steps,
            )
        else:
            logging.info("Training resumes from step %d", done)
            if config.init_checkpoint:
                logging.info("init_checkpoint is not read again in a resumed run")
        return done, None
    if config.init_checkpoint is None:
        logging.info("Training starts from random variables")
        return 0, None
    shapes = model_shapes(task, build_encoder)
    plan = checkpoints.plan_initialisation(shapes, config.init_checkpoint)
    checkpoints.log_plan(plan)
    return 0, plan


def _run_config(
    config: TrainingConfig, devices: distribution.Devices
) -> tf.estimator.RunConfig:
    return tf.estimator.RunConfig(
        model_dir=config.output_dir,
        tf_random_seed=config.random_seed,
        save_checkpoints_steps=config.save_checkpoints_steps,
        keep_checkpoint_max=config.keep_checkpoint_max,
        # The progress hook writes summaries and counts steps.
        save_summary_steps=0,
        log_step_count_steps=None,
        session_config=devices.session_config,
        train_distribute=devices.strategy,
    )


def batches_to_pass_over(seen: int, batch_size: int) -> int:
    """Return how many batches of the input a resumed run passes over.

    Those that were seen, as long as this is quick: reading them takes 10 to 40
    microseconds an example. From 20,000,000 examples on it counts from 0 again, so the
    run goes on at another place of the same order.
    """
    return seen % max(1, _MOST_PASSED_OVER // batch_size)


def _checkpoint_hook(
    config: TrainingConfig, on_checkpoint: OnCheckpoint, stop: StopRequest
) -> hooks.CheckpointHook:
    prefix = os.path.join(config.output_dir, "model.ckpt")
    every = [config.save_checkpoints_steps, config.eval_every_steps]
    return hooks.CheckpointHook(
        config.output_dir,
        [steps for steps in every if steps],
        hooks.CheckpointListener(prefix, on_checkpoint, stop),
    )


def _make_reader(
    task: Task, config: TrainingConfig, batch_size: int, start: int
) -> Callable[[], tf.data.Dataset]:
    """Return what reads the batches from step `start` on, see `train`."""
    parts = config.gradient_accumulation_steps
    seen = start * (config.train_batch_size // batch_size)
    passed_over = batches_to_pass_over(seen, batch_size)
    if passed_over:
        logging.info("Passing over %d examples", passed_over * batch_size)

    def read() -> tf.data.Dataset:
        dataset = task.read(TRAIN, batch_size).skip(passed_over)
        return dataset.batch(parts, drop_remainder=True) if parts > 1 else dataset

    return read


def _find_records_of_step(
    task: Task,
    config: TrainingConfig,
    read: Callable[[], tf.data.Dataset],
    done: int,
    num_replicas: int,
) -> list[RecordPlace]:
    """Return where the records of the step after `done` steps of this run lie."""

    def last_step() -> tf.data.Dataset:
        dataset = read().skip(done * num_replicas).take(num_replicas)
        return dataset.unbatch() if config.gradient_accumulation_steps > 1 else dataset

    return task.find_records(read_arrays(last_step, config.random_seed))


def _make_watch(
    config: TrainingConfig, watching: list[hooks.ProgressHook]
) -> Callable[[TrainStep], hooks.ProgressHook]:
    """Return what makes a step's progress hook, and adds it to `watching`."""

    def watch(step: TrainStep) -> hooks.ProgressHook:
        hook = hooks.ProgressHook(
            step.values,
            step.steps_done,
            config.output_dir,
            config.num_train_steps,
            config.train_batch_size,
            config.log_every_steps,
        )
        watching.append(hook)
        return hook

    return watch


def train(
    task: Task,
    build_encoder: EncoderBuilder,
    config: TrainingConfig,
    replicas: ReplicaConfig,
    on_checkpoint: Optional[OnCheckpoint] = None,
    stop: Optional[StopRequest] = None,
) -> int:
    """Train, or go on training, in `config.output_dir`.

    A resumed run goes on with the examples that would have come next: it passes over as
    many batches as the steps before took (see `batches_to_pass_over`). Where the task
    reads the same in each run (the same files, seed, shuffle buffer and buckets), the
    input is that of a run that was never stopped; with another batch size it goes on at
    the same number of steps of that size. Steps that float16 skipped are not counted,
    so as many batches come again. The masks of dropout start anew.

    Args:
        task: gives batches and losses.
        build_encoder: see `albert.modeling.encoder`.
        config: steps, optimizer, checkpoints.
        replicas: the devices.
        on_checkpoint: called with the prefix and step of each checkpoint written.
        stop: ends training after the current step when asked, with a checkpoint.

    Returns:
        The global step at the end.

    Raises:
        UserError: the devices or the checkpoint to start from do not fit; a loss
            or gradient is not finite (no variable takes it up); a file cannot be
            written or read; a record is damaged. The checkpoints written before stay.
    """
    devices = distribution.make_devices(replicas)
    batch_size = distribution.micro_batch_size(
        config.train_batch_size,
        devices.num_replicas,
        config.gradient_accumulation_steps,
    )
    start, plan = _plan_start(task, build_encoder, config)
    stop = StopRequest() if stop is None else stop
    if start >= config.num_train_steps or stop.asked:
        return start
    checkpoints.remove_unfinished(config.output_dir)
    advice = advise_on_rate(config)
    if advice is not None:
        logging.warning(advice)
    watching: list[hooks.ProgressHook] = []

    def after_checkpoint(path: str, step: int) -> None:
        logging.info("Saved checkpoint %s", path)
        if on_checkpoint is not None:
            on_checkpoint(path, step)

    estimator = tf.estimator.Estimator(
        _make_model_fn(
            task,
            build_encoder,
            config,
            plan,
            _make_watch(config, watching),
            [_checkpoint_hook(config, after_checkpoint, stop)],
        ),
        config=_run_config(config, devices),
    )
    read = _make_reader(task, config, batch_size, start)
    try:
        estimator.train(
            read,
            max_steps=config.num_train_steps,
            hooks=[hooks.StopHook(stop)],
        )
    except Exception as error:
        step = max((hook.step for hook in watching), default=start) + 1
        done = max((hook.batches for hook in watching), default=0)
        source = failures.InputSource(
            lambda: task.find_bad_input(TRAIN),
            lambda: _find_records_of_step(
                task, config, read, done, devices.num_replicas
            ),
        )
        explained = failures.explain_training(error, step, config.output_dir, source)
        if explained is None:
            raise
        raise explained from error
    end = checkpoints.latest_step(config.output_dir)
    if end < config.num_train_steps and not stop.asked:
        raise UserError(
            f"training ended at step {end} of {config.num_train_steps}: the input "
            f"gives no further batch of {config.train_batch_size} examples"
        )
    return end
