"""How to train: steps, optimizer, checkpoints; and on which devices."""

from __future__ import annotations

import dataclasses
import math
from typing import Optional

from albert.base.checks import check_choice, check_range
from albert.base.errors import UserError
from albert.training.cluster_config import ClusterConfig

OPTIMIZERS = ("lamb", "adamw")
PUBLISHED_RATE, PUBLISHED_BATCH = 0.00176, 4096
_HIGH_RATE, _SMALL_BATCH = 0.001, 512  # where `advise_on_rate` has something to say
PRECISIONS = ("float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Attributes:
        output_dir: the model directory: checkpoints, event files, results.
        learning_rate: the peak of the schedule.
        num_train_steps: updates in all, those before a resume included.
        num_warmup_steps: updates over which the rate rises from 0.
        train_batch_size: examples an update sees, over all replicas.
        save_checkpoints_steps: updates between checkpoints.
        optimizer: "lamb" (pretraining) or "adamw" (fine-tuning).
        init_checkpoint: a checkpoint to start from, or None.
        random_seed: seeds the initialiser and dropout.
        keep_checkpoint_max: how many checkpoints are kept, the newest ones.
        log_every_steps: updates between lines of the log.
        eval_every_steps: updates between evaluations, each of a checkpoint that is
            written for it; None for no evaluation during training.
        precision: the type of matrix products, see PRECISIONS; variables, updates,
            norms and losses are float32. With "float16" the loss is scaled and a step
            that overflows is skipped.
        gradient_accumulation_steps: the parts that a replica's share of the batch is
            computed in, one after the other; the update is that of the whole batch.
    """

    output_dir: str
    learning_rate: float
    num_train_steps: int
    num_warmup_steps: int
    train_batch_size: int
    save_checkpoints_steps: int = 1000
    optimizer: str = "lamb"
    init_checkpoint: Optional[str] = None
    random_seed: int = 12345
    keep_checkpoint_max: int = 5
    log_every_steps: int = 100
    eval_every_steps: Optional[int] = None
    precision: str = "float32"
    gradient_accumulation_steps: int = 1

    def __post_init__(self) -> None:
        if not self.output_dir:
            raise UserError("output_dir must be given")
        check_range("learning_rate", self.learning_rate, low=0, low_open=True, high=1)
        check_range("num_train_steps", self.num_train_steps, low=1)
        check_range("num_warmup_steps", self.num_warmup_steps, low=0)
        check_range("train_batch_size", self.train_batch_size, low=1)
        check_range("save_checkpoints_steps", self.save_checkpoints_steps, low=1)
        check_range("keep_checkpoint_max", self.keep_checkpoint_max, low=1)
        check_range("log_every_steps", self.log_every_steps, low=1)
        if self.eval_every_steps is not None:
            check_range("eval_every_steps", self.eval_every_steps, low=1)
        check_range(
            "gradient_accumulation_steps", self.gradient_accumulation_steps, low=1
        )
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("precision", self.precision, PRECISIONS)
        if self.num_warmup_steps > self.num_train_steps:
            raise UserError(
                "num_warmup_steps must be at most num_train_steps "
                f"{self.num_train_steps}, got {self.num_warmup_steps}"
            )


def advise_on_rate(config: TrainingConfig) -> Optional[str]:
    """Return a warning where a learning rate was made for a much larger batch.

    You et al. (2020), section 4: the rate of LAMB goes with the square root of the
    batch. ALBERT's 0.00176 belongs to a batch of 4,096 (Lan et al. 2020, section 4.1).
    """
    rate, batch = config.learning_rate, config.train_batch_size
    if config.optimizer != "lamb" or rate < _HIGH_RATE or batch >= _SMALL_BATCH:
        return None
    scaled = PUBLISHED_RATE * math.sqrt(batch / PUBLISHED_BATCH)
    return (
        f"learning_rate {rate:g} with train_batch_size {batch}: the published rate "
        f"{PUBLISHED_RATE} belongs to a batch of {PUBLISHED_BATCH:,}; scaled with the "
        f"square root of the batch it is {scaled:.2g} here. Watch the loss: a rate "
        "that is too high makes it rise or stay"
    )


@dataclasses.dataclass(frozen=True)
class ReplicaConfig:
    """The devices to train on; every device holds one replica of the model.

    Attributes:
        num_gpus: GPUs to use; None for all that are visible, 0 for none.
        num_cpu_replicas: logical CPU devices to use in place of GPUs, or None.
        xla: whether XLA compiles what it can of the graph.
        cluster: the machines that train together, or None; each has as many devices.
    """

    num_gpus: Optional[int] = None
    num_cpu_replicas: Optional[int] = None
    xla: bool = False
    cluster: Optional[ClusterConfig] = None

    @property
    def num_machines(self) -> int:
        """How many machines train together."""
        return self.cluster.size if self.cluster else 1

    def __post_init__(self) -> None:
        if self.num_gpus is not None:
            check_range("num_gpus", self.num_gpus, low=0)
        if self.num_cpu_replicas is not None:
            check_range("num_cpu_replicas", self.num_cpu_replicas, low=1)
            if self.num_machines > 1 and self.num_cpu_replicas > 1:
                raise UserError(
                    "num_cpu_replicas divides the CPU of one machine; each of "
                    f"{self.num_machines} machines trains one replica on its CPU, with "
                    "num_gpus 0"
                )
            if self.num_gpus:
                raise UserError(
                    "num_cpu_replicas is for machines without GPUs; "
                    f"num_gpus is {self.num_gpus}, give one of the two"
                )
