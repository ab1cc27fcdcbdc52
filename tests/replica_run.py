"""Trains a recorded model in a process of its own.

`replica_run.py REPLICAS OUT BATCH [ACCUMULATION [XLA]]`

Logical CPU devices are made once a process, so each number of replicas needs its own.
"""

from __future__ import annotations

import pathlib
import sys

import numpy as np
import tensorflow as tf

from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import train
from albert.training.task import DataSource
from tests.golden import Golden

POSTLN = pathlib.Path(__file__).parent / "testdata/modeling/postln"
STEPS = 10


def uneven_examples(golden: Golden) -> dict[str, np.ndarray]:
    """The 18 recorded examples with 1 to 6 masks, few in some and many in others."""
    batches = [golden.batch(index) for index in range(3)]
    data = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    for row in range(18):
        masks = (1, 1, 1, 6, 6, 5)[row % 6]
        data["masked_lm_weights"][row] = np.arange(6) < masks
    return data


class FixedOrder(DataSource):
    """Reads the same examples in the same order, whatever the number of replicas."""

    def __init__(self, golden: Golden):
        self._examples = uneven_examples(golden)

    def read(self, mode, batch_size):
        dataset = tf.data.Dataset.from_tensor_slices(self._examples)
        dataset = dataset.repeat().batch(batch_size, drop_remainder=True)
        # A function in it, as in the real reader: TensorFlow then fixes its devices.
        return dataset.map(dict)


def run(
    num_replicas: int, output_dir: str, batch_size: int, parts: int = 1, xla: int = 0
) -> None:
    golden = Golden(POSTLN)
    config = TrainingConfig(
        output_dir=output_dir,
        learning_rate=0.00176,
        num_train_steps=STEPS,
        num_warmup_steps=2,
        train_batch_size=batch_size,
        save_checkpoints_steps=STEPS,
        init_checkpoint=golden.checkpoint,
        gradient_accumulation_steps=parts,
    )
    replicas = ReplicaConfig(num_cpu_replicas=num_replicas, xla=bool(xla))
    train(golden.task, FixedOrder(golden), golden.build_encoder, config, replicas)


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
