"""Trains small models, every encoder under all heads at once: `run.py FOLDER`.

Each encoder trains in FOLDER/whole/ARCHITECTURE for 4 steps on one replica; then, in
FOLDER/resumed/ARCHITECTURE, from its step 2 on with two, as another process goes on.
Logical CPU devices are made once a process, so both are processes of their own; they
are forked from this one, which has imported TensorFlow. Graphs run as they were built,
as in `tests.forked`.
"""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import pathlib
import shutil
import sys

import tensorflow as tf

from albert.modeling.encoder import ARCHITECTURES, make_encoder_builder
from albert.tasks.multitask import in_own_scope
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import train
from albert.training.rates import RateRule, layerwise_rules
from albert.training.replicas import set_up_devices
from albert.training.task import TRAIN, Task, TaskOutput
from tests.conformance.heads import HEADS
from tests.conformance.kit import FixedExamples, make_examples, small_config
from tests.forked import run_graphs_as_built

v1 = tf.compat.v1

STEPS, RESUMED_FROM = 4, 2
FROZEN = "embeddings/word_embeddings$"


# Variants with variables of their own; they are trained with the smallest encoder.
VARIANTS = (
    *("labels_bilstm", "labels_transformer", "labels_ngrams", "labels_weighted"),
    *("labels_beside", "classes_windows"),
)


def heads_of(architecture: str) -> list[str]:
    """The heads that an encoder is trained with."""
    return [
        name
        for name, head in HEADS.items()
        if (head.encoders is None or architecture in head.encoders)
        and (not head.variant or (architecture == "embeddings" and name in VARIANTS))
    ]


class AllHeads(Task):
    """The sum of the losses of several heads, each over the same encoder.

    A head's variables lie in a scope of its name, the encoder's in the outermost.
    """

    def __init__(self, tasks: dict[str, Task]):
        self._tasks = tasks

    def features(self, mode):
        return {
            f"{head}/{name}": spec
            for head, task in self._tasks.items()
            for name, spec in task.features(mode).items()
        }

    def build(self, features, mode, build_encoder):
        v1.train.get_or_create_global_step()  # not within a head's scope
        losses = {}
        for head, task in self._tasks.items():
            own = {
                name[len(head) + 1 :]: value
                for name, value in features.items()
                if name.startswith(f"{head}/")
            }
            output = in_own_scope(head, task, own, mode, build_encoder)
            for name, term in output.losses.items():
                losses[f"{head}/{name}"] = term
        return TaskOutput(losses, {})

    def score(self, batches, data):
        raise NotImplementedError


def train_one(folder: str, architecture: str, replicas: ReplicaConfig) -> None:
    """Train, or go on, with a rate of its own for every layer and one table frozen."""
    # One layer: what layers share is in the recorded steps.
    config = small_config(architecture, num_hidden_layers=1)
    rows = {head: HEADS[head] for head in heads_of(architecture)}
    task = AllHeads({head: row.task(config) for head, row in rows.items()})
    wanted = task.features(TRAIN)
    examples = {
        f"{head}/{name}": value
        for head, row in rows.items()
        for name, value in make_examples(row).items()
        if f"{head}/{name}" in wanted
    }
    settings = TrainingConfig(
        output_dir=folder,
        learning_rate=1e-3,
        optimizer="adamw",
        num_train_steps=STEPS,
        save_checkpoints_steps=RESUMED_FROM,
        num_warmup_steps=0,
        train_batch_size=6,
        rate_rules=(RateRule(FROZEN, 0.0), *layerwise_rules(config, 0.8, 2.0)),
    )
    build_encoder = make_encoder_builder(config)
    train(task, FixedExamples(examples), build_encoder, settings, replicas)


def train_all(folder: str, num_replicas: int) -> None:
    """Train every encoder, in a process without devices yet."""
    replicas = ReplicaConfig(num_cpu_replicas=num_replicas)
    set_up_devices(replicas)
    for architecture in ARCHITECTURES:
        train_one(os.path.join(folder, architecture), architecture, replicas)


def copy_beginning(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a run as it was when it had made RESUMED_FROM steps."""
    target.mkdir(parents=True)
    name = f"model.ckpt-{RESUMED_FROM}"
    for path in source.glob(f"{name}.*"):
        shutil.copy(path, target)
    (target / "checkpoint").write_text(f'model_checkpoint_path: "{name}"\n')


def in_a_fork(function, *arguments) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=functools.partial(function, *arguments)
    )
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


def main(folder: str) -> None:
    run_graphs_as_built()
    gc.collect()
    gc.freeze()
    whole, resumed = pathlib.Path(folder, "whole"), pathlib.Path(folder, "resumed")
    in_a_fork(train_all, str(whole), 1)
    for architecture in ARCHITECTURES:
        copy_beginning(whole / architecture, resumed / architecture)
    in_a_fork(train_all, str(resumed), 2)


if __name__ == "__main__":
    main(sys.argv[1])
