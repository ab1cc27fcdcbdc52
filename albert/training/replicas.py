"""Which devices a run uses, and the means that span them."""

from __future__ import annotations

import re
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import tensorflow as tf
from absl import logging
from tensorflow.python import pywrap_tfe

from albert.base.errors import UserError
from albert.training import cluster
from albert.training.config import ReplicaConfig
from albert.training.task import LossTerm

v1 = tf.compat.v1


class Devices(NamedTuple):
    """The strategy and session settings of a run.

    Attributes:
        strategy: over several devices, of this machine or of several; None for one.
        session_config: for every session of the run.
        num_replicas: how many copies of the model train together.
        num_local: how many of them are on this machine and share its input.
    """

    strategy: Optional[tf.distribute.Strategy]
    session_config: v1.ConfigProto
    num_replicas: int
    num_local: int


def _session_config(kind: str, count: int, xla: bool) -> v1.ConfigProto:
    """Return session settings for `count` devices of a kind, and no further GPU."""
    device_count = {"CPU": 1, "GPU": 0, kind.upper(): count}
    config = v1.ConfigProto(allow_soft_placement=True, device_count=device_count)
    config.gpu_options.allow_growth = True
    if xla:
        level = v1.OptimizerOptions.ON_1
        config.graph_options.optimizer_options.global_jit_level = level
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


def _prepare_gpus(count: int) -> None:
    """Show TensorFlow the first `count` GPUs, and let it take memory as needed.

    The option of a session comes too late where TensorFlow's eager context makes the
    allocators of the process, as a dataset with functions has it do.
    """
    gpus = tf.config.list_physical_devices("GPU")
    try:
        tf.config.set_visible_devices(gpus[:count], "GPU")
        for gpu in gpus[:count]:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        logging.warning("The GPUs are used as this process has set them up: %s", error)


def choose_devices(config: ReplicaConfig) -> tuple[str, int]:
    """Return the kind of device of a run, "gpu" or "cpu", and how many it uses.

    Raises:
        UserError: more GPUs are asked for than are visible.
    """
    if config.num_cpu_replicas is not None:
        return "cpu", config.num_cpu_replicas
    visible = len(tf.config.list_physical_devices("GPU"))
    count = visible if config.num_gpus is None else config.num_gpus
    if count > visible:
        raise UserError(
            f"num_gpus is {count}, but TensorFlow sees {visible} GPU(s); check "
            "CUDA_VISIBLE_DEVICES, the driver and the installed extra 'gpu'"
        )
    return ("gpu", count) if count else ("cpu", 1)


def one_device_config(config: ReplicaConfig) -> v1.ConfigProto:
    """Return session settings for work that runs on the first device alone."""
    kind, _ = choose_devices(config)
    return _session_config(kind, 1, config.xla)


def set_up_devices(config: ReplicaConfig, join: bool = True) -> None:
    """Make the devices of a run, and wait for the other machines that train with this.

    To be called first: TensorFlow fixes its devices when it first computes or builds a
    dataset with a function. Calling it again changes nothing.

    Args:
        join: whether this process trains; evaluation needs no other machine.

    Raises:
        UserError: more GPUs are asked for than are visible, or TensorFlow already runs
            in this process with too few logical CPUs.
    """
    kind, count = choose_devices(config)
    if config.num_cpu_replicas is not None:
        _make_logical_cpus(count)
    _prepare_gpus(count if kind == "gpu" else 0)
    if kind == "cpu" and config.xla:
        pywrap_tfe.TF_SetTfXlaCpuGlobalJit(True)  # else XLA leaves CPUs alone
    if config.num_machines == 1 or config.cluster.is_evaluator:
        cluster.leave()
    elif join:
        cluster.join(config.cluster)


def make_devices(config: ReplicaConfig) -> Devices:
    """Return the devices of a training run, set up if need be; log the choice.

    Raises:
        UserError: see `set_up_devices`.
    """
    set_up_devices(config)
    kind, count = choose_devices(config)
    total = count * config.num_machines
    logging.info("Training on %d %s replica(s)", total, kind.upper())
    session_config = _session_config(kind, count, config.xla)
    if config.num_machines > 1:
        strategy = cluster.join(config.cluster).strategy
        return Devices(strategy, session_config, total, count)
    if count == 1:
        return Devices(None, session_config, 1, 1)
    devices = [f"/{kind}:{index}" for index in range(count)]
    strategy = tf.distribute.MirroredStrategy(devices)
    return Devices(strategy, session_config, count, count)


def micro_batch_size(
    global_batch_size: int, num_replicas: int, accumulation_steps: int = 1
) -> int:
    """Return the examples that one replica computes at once.

    Raises:
        UserError: the global batch does not divide evenly.
    """
    parts = num_replicas * accumulation_steps
    if global_batch_size % parts:
        lower = global_batch_size - global_batch_size % parts
        choices = [str(b) for b in (lower, lower + parts) if b]
        times = f" times {accumulation_steps} gradient_accumulation_steps"
        raise UserError(
            f"train_batch_size is global and must be a multiple of the {num_replicas} "
            f"replicas{times if accumulation_steps > 1 else ''}, got "
            f"{global_batch_size}; use {' or '.join(choices)}"
        )
    return global_batch_size // parts


def variable_name(variable: tf.Variable) -> str:
    """Return a variable's name, the same on every replica.

    TensorFlow adds `/replica_1` to the name of a second replica's copy, and so on.
    """
    return re.sub(r"/replica_\d+$", "", variable.op.name)


def sum_over_replicas(x: Any) -> Any:
    """Return the sums over all replicas of a tensor, or of a list; in replica context.

    Every replica must run the result, else the others wait for it forever.
    """
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return x
    # With one replica a machine tensors have no device, which the sum asks for.
    devices = replica.strategy.extended.worker_devices  # of this machine
    index = tf.get_static_value(replica.replica_id_in_sync_group) % len(devices)
    with tf.device(devices[index]):
        x = tf.nest.map_structure(tf.identity, x)
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, x)


def global_denominators(terms: Mapping[str, LossTerm]) -> tf.Tensor:
    """Return what each loss is divided by: its weight over all replicas.

    A replica whose examples hold few masked positions thus counts by its positions,
    which averaging the replicas' means would not do. Called in replica context.

    Returns:
        float32, [number of terms].
    """
    weights = sum_over_replicas(tf.stack([term.weight for term in terms.values()]))
    return weights + [term.epsilon for term in terms.values()]


def global_means(
    totals: tf.Tensor, weights: tf.Tensor, epsilons: Sequence[float]
) -> tf.Tensor:
    """Return means over all replicas of what each has summed; in replica context.

    Args:
        totals, weights: float32, [N], of this replica.
        epsilons: added to the weights over all replicas.
    """
    sums = sum_over_replicas(tf.stack([totals, weights]))
    return sums[0] / (sums[1] + tf.constant(epsilons, tf.float32))
