"""Which devices a run uses, and the means that span them."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional

import tensorflow as tf
from absl import logging

from albert.config.training import ReplicaConfig
from albert.errors import UserError
from albert.tasks.task import LossTerm

v1 = tf.compat.v1


class Devices(NamedTuple):
    """The strategy and session settings of a run.

    Attributes:
        strategy: a MirroredStrategy over several devices, None for one.
        session_config: for every session of the run.
        num_replicas: how many copies of the model train together.
    """

    strategy: Optional[tf.distribute.Strategy]
    session_config: v1.ConfigProto
    num_replicas: int


def _session_config(num_cpus: int) -> v1.ConfigProto:
    config = v1.ConfigProto(allow_soft_placement=True, device_count={"CPU": num_cpus})
    config.gpu_options.allow_growth = True
    return config


def _make_logical_cpus(count: int) -> None:
    """Divide the CPU into `count` logical devices; once a process."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    existing = tf.config.get_logical_device_configuration(cpu) or [None]
    if len(existing) >= count:
        return
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError as error:
        raise UserError(
            f"num_cpu_replicas {count}: TensorFlow already runs with {len(existing)} "
            "logical CPU devices in this process"
        ) from error


def make_devices(config: ReplicaConfig) -> Devices:
    """Choose the devices of a run and log the choice.

    Raises:
        UserError: more GPUs are asked for than are visible.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if config.num_cpu_replicas is not None:
        count, kind = config.num_cpu_replicas, "cpu"
        _make_logical_cpus(count)
    else:
        count = len(gpus) if config.num_gpus is None else config.num_gpus
        kind = "gpu"
        if count > len(gpus):
            raise UserError(
                f"num_gpus is {count}, but TensorFlow sees {len(gpus)} GPU(s); "
                "check CUDA_VISIBLE_DEVICES, the driver and the installed extra 'gpu'"
            )
        if count == 0:
            count, kind = 1, "cpu"
    logging.info("Training on %d %s replica(s)", count, kind.upper())
    session_config = _session_config(count if kind == "cpu" else 1)
    if kind == "cpu" and gpus:
        session_config.device_count["GPU"] = 0
    if count == 1:
        return Devices(None, session_config, 1)
    devices = [f"/{kind}:{index}" for index in range(count)]
    return Devices(tf.distribute.MirroredStrategy(devices), session_config, count)


def replica_batch_size(global_batch_size: int, num_replicas: int) -> int:
    """Return the examples of one replica; UserError unless they divide evenly."""
    if global_batch_size % num_replicas:
        lower = global_batch_size - global_batch_size % num_replicas
        choices = [str(b) for b in (lower, lower + num_replicas) if b]
        raise UserError(
            f"train_batch_size is global and must be a multiple of the {num_replicas} "
            f"replicas, got {global_batch_size}; use {' or '.join(choices)}"
        )
    return global_batch_size // num_replicas


class GlobalLosses(NamedTuple):
    """Losses of a batch that lies on several replicas.

    Attributes:
        share: this replica's part of the total loss; its gradient, summed over
            replicas, is the gradient of the global mean.
        means: name -> the global mean of each loss, equal on every replica.
    """

    share: tf.Tensor
    means: Mapping[str, tf.Tensor]


def global_losses(terms: Mapping[str, LossTerm]) -> GlobalLosses:
    """Divide each loss by its weight over all replicas; called in replica context.

    A replica whose examples hold few masked positions thus counts by its positions,
    which averaging the replicas' means would not do.
    """
    replica = tf.distribute.get_replica_context()
    totals = tf.stack([term.total for term in terms.values()])
    weights = tf.stack([term.weight for term in terms.values()])
    sums = tf.stop_gradient(tf.stack([totals, weights]))
    if replica.num_replicas_in_sync > 1:
        sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, sums)
    epsilons = tf.constant([term.epsilon for term in terms.values()], tf.float32)
    denominators = sums[1] + epsilons
    means = tf.unstack(sums[0] / denominators)
    return GlobalLosses(tf.reduce_sum(totals / denominators), dict(zip(terms, means)))
