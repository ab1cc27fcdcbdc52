"""The training loop: one model_fn for every task, run by an Estimator."""

from __future__ import annotations

import dataclasses
from typing import Callable, NamedTuple, Optional, Sequence

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints import variables as checkpoints
from albert.modeling.encoder import EncoderBuilder
from albert.training import failures
from albert.training import replicas as distribution
from albert.training.cluster import compare, exchange, join, wait_for_chief
from albert.training.cluster_config import ClusterConfig
from albert.training.config import ReplicaConfig, TrainingConfig, advise_on_rate
from albert.training.hooks import OnCheckpoint, RunHooks
from albert.training.input import TrainingInput
from albert.training.rates import RateRule
from albert.training.step import build_train_step, trained_variables
from albert.training.stopping import PEER_STOPS, StopRequest
from albert.training.task import TRAIN, DataSource, Features, Task

v1 = tf.compat.v1


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
            {v.op.name: v.shape.as_list() for v in checkpoints.model_variables()},
            tuple(v.op.name for v in trained_variables(output.losses, rules)),
        )


def _make_model_fn(
    task: Task,
    build_encoder: EncoderBuilder,
    config: TrainingConfig,
    plan: Optional[checkpoints.InitialisationPlan],
    run_hooks: RunHooks,
):
    """Return the model_fn of training; it runs once in each replica."""

    def model_fn(features: Features, mode: str) -> tf.estimator.EstimatorSpec:
        stop_vote = run_hooks.make_stop_vote()
        summed = stop_vote.summed if stop_vote is not None else {}
        step = build_train_step(task, build_encoder, features, config, summed)
        if plan is not None:
            checkpoints.initialise(plan)
        hooks = run_hooks.make_hooks(step, stop_vote)
        return tf.estimator.EstimatorSpec(
            mode,
            # An Estimator sums what the replicas report; this share of each makes the
            # sum the loss of the global batch.
            loss=step.loss,
            train_op=step.train_op,
            training_hooks=hooks.all,
            training_chief_hooks=hooks.chief,
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
    distribution.micro_batch_size(
        config.train_batch_size,
        count * replicas.num_machines,
        config.gradient_accumulation_steps,
    )
    newest = tf.train.latest_checkpoint(config.output_dir)
    if newest is None and config.init_checkpoint is None:
        return
    model = outline_model(task, build_encoder, config.rate_rules)
    if newest is None:
        checkpoints.plan_initialisation(model.shapes, config.init_checkpoint)
    elif checkpoints.latest_step(config.output_dir) < config.num_train_steps:
        checkpoints.check_resumable(
            model.shapes, newest, config.optimizer, model.trained
        )


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
    shapes = outline_model(task, build_encoder).shapes
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


def has_ended(config: TrainingConfig) -> bool:
    """Whether an earlier run has done all steps."""
    return (checkpoints.latest_step(config.output_dir) or 0) >= config.num_train_steps


def _saved_step(output_dir: str) -> int:
    """Return the step that the newest checkpoint's name tells, 0 without one."""
    newest = tf.train.latest_checkpoint(output_dir)
    return int(newest.rpartition("-")[2]) if newest else 0


def _agree_on_start(
    cluster: ClusterConfig,
    config: TrainingConfig,
    replicas: ReplicaConfig,
    start: int,
    stop: StopRequest,
) -> None:
    """See that all machines do the same; `stop` is asked where one of them was.

    Where only some restored a checkpoint, or one has more devices, they would wait for
    one another forever.

    Raises:
        UserError: the machines differ.
    """
    _, devices = distribution.choose_devices(replicas)
    values = {"checkpoint of step": start, "devices": devices}
    values.update(dataclasses.asdict(config))
    for name in ("output_dir", "init_checkpoint"):  # a folder may have several names
        del values[name]
    compare(cluster, "what they start with", values)
    if "True" in exchange(cluster, "wish to stop", str(stop.asked)):
        stop.ask(PEER_STOPS)


def _advise(config: TrainingConfig, replicas: ReplicaConfig) -> None:
    """Warn of settings that are rarely meant."""
    advice = advise_on_rate(config)
    if advice is not None:
        logging.warning(advice)
    kind, _ = distribution.choose_devices(replicas)
    if config.precision == "float16" and kind == "cpu":
        logging.warning(
            "precision float16 on a CPU: TensorFlow has no fast products for it, and a "
            "step can take minutes; bfloat16 is for CPUs"
        )


def _make_input(
    data: DataSource,
    config: TrainingConfig,
    devices: distribution.Devices,
    start: int,
) -> TrainingInput:
    """Return what this machine reads from step `start` on."""
    batch_size = distribution.micro_batch_size(
        config.train_batch_size,
        devices.num_replicas,
        config.gradient_accumulation_steps,
    )
    return TrainingInput(data, config, batch_size, devices.num_local, start)


def _train_with_others(
    estimator: tf.estimator.Estimator,
    read: Callable[[], tf.data.Dataset],
    num_train_steps: int,
) -> None:
    """Train as one of several machines; evaluation is not the Estimator's."""
    tf.estimator.train_and_evaluate(
        estimator,
        tf.estimator.TrainSpec(read, max_steps=num_train_steps),
        tf.estimator.EvalSpec(read),  # asked for, and used by evaluators only
    )


def train(
    task: Task,
    data: DataSource,
    build_encoder: EncoderBuilder,
    config: TrainingConfig,
    replicas: ReplicaConfig,
    on_checkpoint: Optional[OnCheckpoint] = None,
    stop: Optional[StopRequest] = None,
) -> int:
    """Train, or go on training, in `config.output_dir`.

    A resumed run goes on with the examples that would have come next: it passes over as
    many batches as the steps before took (see `albert.training.input`). Where `data`
    reads the same in each run (the same files, seed, shuffle buffer and buckets), the
    input is that of a run that was never stopped; with another batch size it goes on at
    the same number of steps of that size. Steps that float16 skipped are not counted,
    so as many batches come again. The masks of dropout start anew.

    Args:
        task: gives losses.
        data: what to train on.
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
    stop = StopRequest() if stop is None else stop
    if not has_ended(config):
        distribution.set_up_devices(replicas)
    start, plan = _plan_start(task, build_encoder, config)
    if start >= config.num_train_steps:
        return start
    cluster = replicas.cluster if replicas.num_machines > 1 else None
    watch = None
    if cluster is not None:
        watch = join(cluster).watch
        _agree_on_start(cluster, config, replicas, start, stop)
    if stop.asked:
        if watch is not None:
            watch.stop()  # the others stop as well
        return start
    _advise(config, replicas)
    devices = distribution.make_devices(replicas)
    source = _make_input(data, config, devices, start)
    run_hooks = RunHooks(config, stop, on_checkpoint, cluster, watch)
    estimator = tf.estimator.Estimator(
        _make_model_fn(task, build_encoder, config, plan, run_hooks),
        config=_run_config(config, devices),
    )
    if cluster is None or cluster.is_chief:
        checkpoints.remove_unfinished(config.output_dir)
    try:
        if cluster is None:
            estimator.train(source.read, max_steps=config.num_train_steps)
        else:
            _train_with_others(estimator, source.read, config.num_train_steps)
    except Exception as error:
        if watch is not None:
            watch.stop()  # what ends this machine has its own explanation
        step = run_hooks.last_step(start) + 1
        finder = failures.InputSource(
            data.find_bad_input,
            lambda: source.find_records(run_hooks.num_batches),
        )
        explained = failures.explain_training(error, step, config.output_dir, finder)
        if explained is None:
            raise
        raise explained from error
    end = run_hooks.last_step(start)
    if cluster is not None and not cluster.is_chief:
        wait_for_chief(cluster, lambda: _saved_step(config.output_dir), end)
    if end < config.num_train_steps and not stop.asked:
        raise UserError(
            f"training ended at step {end} of {config.num_train_steps}: the input "
            f"gives no further batch of {config.train_batch_size} examples"
        )
    return end
