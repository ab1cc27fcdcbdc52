"""The training loop: one model_fn for every task, run by an Estimator."""

from __future__ import annotations

import dataclasses
from typing import Callable, Optional

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints import restoring, storage
from albert.modeling.encoder import EncoderBuilder
from albert.training import failures
from albert.training.cluster import compare, exchange, join, wait_for_chief
from albert.training.cluster_config import ClusterConfig
from albert.training.config import ReplicaConfig, TrainingConfig, advise_on_rate
from albert.training.hooks import OnCheckpoint, RunHooks
from albert.training.input import TrainingInput
from albert.training.replicas import (
    Devices,
    choose_devices,
    make_devices,
    micro_batch_size,
    set_up_devices,
)
from albert.training.start import Start, check_start, has_ended, log_start
from albert.training.step import build_train_step
from albert.training.stopping import PEER_STOPS, StopRequest
from albert.training.task import DataSource, Features, Task

v1 = tf.compat.v1

ModelFn = Callable[[Features, str], tf.estimator.EstimatorSpec]


def _make_model_fn(
    task: Task,
    build_encoder: EncoderBuilder,
    config: TrainingConfig,
    plan: Optional[restoring.InitialisationPlan],
    run_hooks: RunHooks,
) -> ModelFn:
    """Return the model_fn of training; it runs once in each replica."""

    # No graph is made of Python's loops here; in the threads of replicas TensorFlow
    # would look for them in all code below, for seconds.
    @tf.autograph.experimental.do_not_convert
    def build(features: Features, mode: str) -> tf.estimator.EstimatorSpec:
        stop_vote = run_hooks.make_stop_vote()
        summed = stop_vote.summed if stop_vote is not None else {}
        step = build_train_step(task, build_encoder, features, config, summed)
        if plan is not None:
            restoring.initialise(plan)
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

    def model_fn(features: Features, mode: str) -> tf.estimator.EstimatorSpec:
        return build(features, mode)  # an Estimator asks for the arguments' names

    return model_fn


def _run_config(config: TrainingConfig, devices: Devices) -> tf.estimator.RunConfig:
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
    _, devices = choose_devices(replicas)
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
    kind, _ = choose_devices(replicas)
    if config.precision == "float16" and kind == "cpu":
        logging.warning(
            "precision float16 on a CPU: TensorFlow has no fast products for it, and a "
            "step can take minutes; bfloat16 is for CPUs"
        )


def _make_input(
    data: DataSource,
    config: TrainingConfig,
    devices: Devices,
    start: int,
) -> TrainingInput:
    """Return what this machine reads from step `start` on."""
    batch_size = micro_batch_size(
        config.train_batch_size,
        devices.num_replicas,
        config.gradient_accumulation_steps,
    )
    return TrainingInput(data, config, batch_size, devices.num_local, start)


def _fit(
    model_fn: ModelFn,
    source: TrainingInput,
    config: TrainingConfig,
    devices: Devices,
    cluster: Optional[ClusterConfig],
) -> None:
    """Train up to the last step, alone or as one of several machines."""
    last = config.num_train_steps
    estimator = tf.estimator.Estimator(model_fn, config=_run_config(config, devices))
    if cluster is None or cluster.is_chief:
        storage.remove_unfinished(config.output_dir)
    if cluster is None:
        estimator.train(source.read, max_steps=last)
        return
    tf.estimator.train_and_evaluate(
        estimator,
        tf.estimator.TrainSpec(source.read, max_steps=last),
        tf.estimator.EvalSpec(source.read),  # asked for, and used by evaluators only
    )


def _check_end(
    end: int,
    config: TrainingConfig,
    cluster: Optional[ClusterConfig],
    stop: StopRequest,
) -> None:
    """See that training has gone as far as asked; all machines end together."""
    if cluster is not None and not cluster.is_chief:
        wait_for_chief(cluster, lambda: _saved_step(config.output_dir), end)
    if end < config.num_train_steps and not stop.asked:
        raise UserError(
            f"training ended at step {end} of {config.num_train_steps}: the input "
            f"gives no further batch of {config.train_batch_size} examples"
        )


def train(
    task: Task,
    data: DataSource,
    build_encoder: EncoderBuilder,
    config: TrainingConfig,
    replicas: ReplicaConfig,
    on_checkpoint: Optional[OnCheckpoint] = None,
    stop: Optional[StopRequest] = None,
    start: Optional[Start] = None,
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
        start: what `check_start` has returned; None to find out here.

    Returns:
        The global step at the end.

    Raises:
        UserError: the devices or the checkpoint to start from do not fit; a loss
            or gradient is not finite (no variable takes it up); a file cannot be
            written or read; a record is damaged. The checkpoints written before stay.
    """
    stop = StopRequest() if stop is None else stop
    if not has_ended(config):
        set_up_devices(replicas)
    start = start or check_start(task, build_encoder, config, replicas)
    log_start(start, config)
    if start.step >= config.num_train_steps:
        return start.step
    cluster = replicas.cluster if replicas.num_machines > 1 else None
    watch = None if cluster is None else join(cluster).watch
    if cluster is not None:
        _agree_on_start(cluster, config, replicas, start.step, stop)
    if stop.asked:
        if watch is not None:
            watch.stop()  # the others stop as well
        return start.step
    _advise(config, replicas)
    devices = make_devices(replicas)
    source = _make_input(data, config, devices, start.step)
    run_hooks = RunHooks(config, stop, on_checkpoint, cluster, watch)
    model_fn = _make_model_fn(task, build_encoder, config, start.plan, run_hooks)
    try:
        _fit(model_fn, source, config, devices, cluster)
    except Exception as error:
        if watch is not None:
            watch.stop()  # what ends this machine has its own explanation
        step = run_hooks.last_step(start.step) + 1
        explained = failures.explain_training(
            error, step, config.output_dir, data.find_bad_input, stop
        )
        if explained is None:
            raise
        raise explained from error
    end = run_hooks.last_step(start.step)
    _check_end(end, config, cluster, stop)
    return end
