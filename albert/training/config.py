"""How to train: steps, optimizer, checkpoints; and on which devices."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple, Optional

from albert.base.errors import UserError
from albert.base.settings import (
    ANY_PATH,
    REQUIRED,
    Settings,
    above,
    at_least,
    in_range,
    is_seed,
    setting,
)
from albert.training.cluster_config import ClusterConfig
from albert.training.rates import RateRule, check_rules

OPTIMIZERS = ("lamb", "adamw")
PUBLISHED_RATE, PUBLISHED_BATCH = 0.00176, 4096
_HIGH_RATE, _SMALL_BATCH = 0.001, 512  # where `advise_on_rate` has something to say
PRECISIONS = ("float32", "bfloat16", "float16")


class Schedule(NamedTuple):
    """How the learning rate goes from step to step; the defaults are BERT's.

    Attributes:
        power: of the decay; 1 is linear.
        warmup_multiplies: whether the warm-up is a factor of the decayed rate, as in
            ELECTRA; else it stands in its place.
        counts_from_0: whether the first update has the rate of step 0 (with warm-up
            none, so that only its moments change), as ELECTRA is written; else that of
            step 1, as its runs mostly had it, and BERT's.
    """

    power: float = 1.0
    warmup_multiplies: bool = False
    counts_from_0: bool = False


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Settings):
    """One training run."""

    output_dir: str = setting(
        REQUIRED,
        "The model directory: checkpoints, event files for TensorBoard, results.",
        path=ANY_PATH,
    )
    learning_rate: float = setting(
        5e-5,
        "The peak of the learning rate, reached at the end of the warm-up.",
        check=in_range(low=0, low_open=True, high=1),
    )
    num_train_steps: int = setting(
        100_000,
        "Optimizer steps in all, those before a resume included.",
        check=at_least(1),
    )
    num_warmup_steps: int = setting(
        10_000,
        "Steps over which the learning rate rises from 0.",
        check=at_least(0),
    )
    train_batch_size: int = setting(
        32, "Examples of an optimizer step, over all devices.", check=at_least(1)
    )
    save_checkpoints_steps: int = setting(
        1000, "Steps between checkpoints.", check=at_least(1)
    )
    optimizer: str = setting(
        "lamb",
        "The optimizer: lamb (large batches) or adamw.",
        choices=OPTIMIZERS,
    )
    init_checkpoint: Optional[str] = setting(
        None,
        "A checkpoint to take the initial variables from, or a folder, of which the "
        "newest is meant.",
        path=ANY_PATH,
    )
    random_seed: int = setting(
        12345, "Seed of initial variables, dropout and shuffling.", check=is_seed()
    )
    keep_checkpoint_max: int = setting(
        5, "Checkpoints kept, the newest ones.", check=at_least(1)
    )
    log_every_steps: int = setting(
        100, "Steps between lines of the log.", check=at_least(1)
    )
    # Evaluations, each of a checkpoint that is written for it; see HeldOutConfig.
    eval_every_steps: Optional[int] = None
    precision: str = setting(
        "float32",
        "The type of matrix products in training: bfloat16 for CPUs and GPUs that have "
        "it, float16 (with loss scaling) for older GPUs. Variables, updates, norms and "
        "losses are float32 always.",
        choices=PRECISIONS,
    )
    gradient_accumulation_steps: int = setting(
        1,
        "Parts that each device's share of the batch is computed in, one after the "
        "other, where the whole does not fit its memory. The update is that of the "
        "whole batch.",
        check=at_least(1),
    )
    beta1: float = setting(
        0.9,
        "Decay of the optimizer's mean of gradients.",
        check=in_range(low=0, high=1, high_open=True),
        flag="adam_beta1",
    )
    beta2: float = setting(
        0.999,
        "Decay of the optimizer's mean of squared gradients.",
        check=in_range(low=0, high=1, high_open=True),
        flag="adam_beta2",
    )
    epsilon: float = setting(
        1e-6,
        "Added to the root of the mean of squared gradients.",
        check=above(0),
        flag="adam_epsilon",
    )
    weight_decay: float = setting(
        0.01,
        "Weight decay, of all variables but biases and layer normalisations.",
        check=at_least(0),
    )
    clip_norm: float = setting(
        1.0,
        "The gradient is clipped to this global norm.",
        check=above(0),
    )
    # Size of the perturbation of the word embeddings in adversarial training (FGM), and
    # decay of the average of the variables; 0 for none.
    fgm_epsilon: float = 0.0
    average_decay: float = 0.0
    # The first that matches a variable's name gives the factor of its learning rate.
    rate_rules: tuple[RateRule, ...] = ()
    schedule: Schedule = Schedule()
    # See `OptimizerSettings`; for one device without accumulation.
    clip_by_unsummed_rows: bool = False

    def validate(self) -> None:
        """Check the rules of rates, and the warm-up against the run."""
        check_rules(self.rate_rules)
        if self.clip_by_unsummed_rows and (
            self.gradient_accumulation_steps > 1 or self.fgm_epsilon
        ):
            raise UserError(
                "clip_by_unsummed_rows goes neither with gradient_accumulation_steps "
                "nor with fgm_epsilon: they sum gradients of several parts"
            )
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
class ReplicaConfig(Settings):
    """The devices to train on; every device holds one replica of the model."""

    num_gpus: Optional[int] = setting(
        None,
        "GPUs to train on, 0 for none. Default: all that are visible.",
        check=at_least(0),
    )
    num_cpu_replicas: Optional[int] = setting(
        None,
        "Logical CPU devices to train on, in place of GPUs; each computes a share of "
        "the batch.",
        check=at_least(1),
    )
    xla: bool = setting(False, "Compile the graph with XLA where it can.")
    # The machines that train together; each has as many devices.
    cluster: Optional[ClusterConfig] = None

    @property
    def num_machines(self) -> int:
        """How many machines train together."""
        return self.cluster.size if self.cluster else 1

    def validate(self) -> None:
        """Check that the devices go together."""
        if self.num_cpu_replicas is None:
            return
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
