"""Going on with the pretraining of an encoder, on masked tokens alone."""

from __future__ import annotations

from typing import Optional

from albert.evaluation.config import HeldOutConfig
from albert.tasks.pretraining.config import PretrainingConfig, PretrainingFiles
from albert.tasks.pretraining.run import make_run
from albert.tasks.pretraining_experiment import run_experiment
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.stopping import Stopped


def pretrain_on(
    records: str,
    config_file: str,
    vocab_file: str,
    training: TrainingConfig,
    replicas: ReplicaConfig,
) -> Optional[Stopped]:
    """Pretrain on a file of records, with fresh masks; see `run_experiment`."""
    config = PretrainingConfig(
        do_train=True, objectives="masked_lm:1", dynamic_masking=True
    )
    files = PretrainingFiles(
        config_file=config_file, train_files=(records,), vocab_file=vocab_file
    )
    parts = (config, files, training, HeldOutConfig(), replicas)
    return run_experiment(lambda: make_run(*parts), *parts)
