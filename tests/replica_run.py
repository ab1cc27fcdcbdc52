"""Trains a recorded model in a process of its own.

`replica_run.py MODEL REPLICAS OUT BATCH [ACCUMULATION [XLA]]`

Logical CPU devices are made once a process, so each number of replicas needs its own.
"""

from __future__ import annotations

import pathlib
import sys
from typing import Callable, NamedTuple

import numpy as np
import tensorflow as tf

from albert.tasks.electra.source import EXAMPLE_NUMBER
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import train
from albert.training.task import TRAIN, DataSource, Task
from tests.electra_kit import Recorded
from tests.golden import Golden

TESTDATA = pathlib.Path(__file__).parent / "testdata"
STEPS = 10


class Model(NamedTuple):
    """What is trained, and on which examples; all arrays are [examples, ...]."""

    task: Task
    build_encoder: Callable
    checkpoint: str
    examples: dict[str, np.ndarray]


def uneven_examples(golden: Golden) -> dict[str, np.ndarray]:
    """The 18 recorded examples with 1 to 6 masks, few in some and many in others."""
    batches = [golden.batch(index) for index in range(3)]
    data = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    for row in range(18):
        masks = (1, 1, 1, 6, 6, 5)[row % 6]
        data["masked_lm_weights"][row] = np.arange(6) < masks
    return data


def postln() -> Model:
    """Masked LM and sentence order."""
    golden = Golden(TESTDATA / "modeling/postln")
    examples = uneven_examples(golden)
    return Model(golden.task, golden.build_encoder, golden.checkpoint, examples)


def electra() -> Model:
    """Replaced tokens: what is drawn for an example depends on its number."""
    case = Recorded(TESTDATA / "electra/pretraining/base")
    batches = [case.group(f"batch{index}/input/") for index in range(3)]
    examples = {n: np.concatenate([b[n] for b in batches]) for n in batches[0]}
    task = case.task(make_draws=None)
    return Model(task, case.build_encoder(), case.checkpoint, examples)


MODELS = {"postln": postln, "electra": electra}


class FixedOrder(DataSource):
    """Reads the same examples in the same order, whatever the number of replicas."""

    def __init__(self, model: Model):
        self._examples = model.examples
        self._is_numbered = EXAMPLE_NUMBER in model.task.features(TRAIN)

    def _finish(self, number, example):
        """A function, as in the real reader: TensorFlow then fixes its devices."""
        return {**example, EXAMPLE_NUMBER: number} if self._is_numbered else example

    def read(self, mode, batch_size):
        dataset = tf.data.Dataset.from_tensor_slices(self._examples)
        dataset = dataset.repeat().enumerate().map(self._finish)
        return dataset.batch(batch_size, drop_remainder=True)


def make_config(
    model: Model, output_dir: str, batch_size: int, **changes
) -> TrainingConfig:
    return TrainingConfig(
        output_dir=output_dir,
        learning_rate=0.00176,
        num_train_steps=STEPS,
        num_warmup_steps=2,
        train_batch_size=batch_size,
        init_checkpoint=model.checkpoint,
        **changes,
    )


def run(
    name: str,
    num_replicas: int,
    output_dir: str,
    batch_size: int,
    parts: int = 1,
    xla: int = 0,
) -> None:
    model = MODELS[name]()
    config = make_config(
        model,
        output_dir,
        batch_size,
        save_checkpoints_steps=STEPS,
        gradient_accumulation_steps=parts,
    )
    replicas = ReplicaConfig(num_cpu_replicas=num_replicas, xla=bool(xla))
    train(model.task, FixedOrder(model), model.build_encoder, config, replicas)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
