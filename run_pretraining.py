"""Pretrain an ALBERT model on records, or go on pretraining one.

Example:
    python3 run_pretraining.py --input_file='data/tf*.tfrecord' --output_dir=model \
      --do_train=True --do_eval=True --bert_config_file=albert_config_tiny.json
"""

from __future__ import annotations

import os

from albert.base import cli
from albert.evaluation.config import HeldOutConfig
from albert.tasks.pretraining.config import PretrainingConfig, PretrainingFiles
from albert.tasks.pretraining.run import make_run
from albert.tasks.pretraining_experiment import run_experiment
from albert.training.cluster_config import VARIABLE, parse_cluster
from albert.training.config import ReplicaConfig, TrainingConfig

cli.define_flags(PretrainingFiles)
cli.define_flags(PretrainingConfig)
cli.define_flags(TrainingConfig)
cli.define_flags(HeldOutConfig)
cli.define_flags(ReplicaConfig)


def main(words: list[str]) -> None:
    """Turn flags into configs and run."""
    config = cli.read_flags(PretrainingConfig)
    names = cli.read_flags(PretrainingFiles, words)
    held_out = cli.read_flags(HeldOutConfig)
    every = held_out.eval_every_steps
    training = cli.read_flags(TrainingConfig, eval_every_steps=every)
    cluster = parse_cluster(os.environ.get(VARIABLE))
    replicas = cli.read_flags(ReplicaConfig, cluster=cluster)
    parts = (config, names, training, held_out, replicas)
    stopped = run_experiment(lambda: make_run(*parts), *parts)
    if stopped is not None:
        cli.end_stopped(stopped.reason, stopped.describe(cli.command_line()))


if __name__ == "__main__":
    cli.run_main(main)
