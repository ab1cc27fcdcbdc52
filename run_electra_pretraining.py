"""Pretrain an ELECTRA model on records: a generator and a discriminator.

Example:
    python3 run_electra_pretraining.py --input_file='data/electra*.tfrecord' \
      --output_dir=model --do_train=True --model_size=small
"""

from __future__ import annotations

import os

from albert.base import cli
from albert.evaluation.config import HeldOutConfig
from albert.tasks.electra.config import (
    TRAINING_DEFAULTS,
    ElectraFiles,
    ElectraRunConfig,
    ObjectiveConfig,
    UpdateConfig,
)
from albert.tasks.electra.presets import with_preset
from albert.tasks.electra.run import make_run
from albert.tasks.pretraining_experiment import run_experiment
from albert.training.cluster_config import VARIABLE, parse_cluster
from albert.training.config import ReplicaConfig, TrainingConfig

cli.define_flags(ElectraFiles)
cli.define_flags(ElectraRunConfig)
cli.define_flags(ObjectiveConfig)
cli.define_flags(TrainingConfig, defaults=TRAINING_DEFAULTS)
cli.define_flags(UpdateConfig)
cli.define_flags(HeldOutConfig)
cli.define_flags(ReplicaConfig)


def main(words: list[str]) -> None:
    """Turn flags into configs and run."""
    config = cli.read_flags(ElectraRunConfig)
    names = cli.read_flags(ElectraFiles, words)
    held_out = cli.read_flags(HeldOutConfig)
    update = cli.read_flags(UpdateConfig)
    training = cli.read_flags(
        TrainingConfig,
        eval_every_steps=held_out.eval_every_steps,
        schedule=update.schedule,
        clip_by_unsummed_rows=update.clip_by_unsummed_rows,
    )
    objective, training = (
        with_preset(read, config.model_size, cli.given_flags(type(read)))
        for read in (cli.read_flags(ObjectiveConfig), training)
    )
    cluster = parse_cluster(os.environ.get(VARIABLE))
    replicas = cli.read_flags(ReplicaConfig, cluster=cluster)
    parts = (names, training, held_out, replicas)
    stopped = run_experiment(
        lambda: make_run(config, objective, *parts), config, *parts
    )
    if stopped is not None:
        cli.end_stopped(stopped.reason, stopped.describe(cli.command_line()))


if __name__ == "__main__":
    cli.run_main(main)
