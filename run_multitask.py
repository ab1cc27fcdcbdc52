"""Fine-tune one model for several tasks at once: a common encoder, a head each.

Example:
    python3 run_multitask.py --tasks=examples/multitask.json --output_dir=both \
      --init_checkpoint=model --bert_config_file=albert_config/albert_config_tiny.json \
      --vocab_file=albert_config/vocab.txt

Writes the common model to the model directory, its best checkpoint to `best/`, and to a
folder for each task its scores, its predictions and its own model, for predict.py and
serve.py.
"""

from __future__ import annotations

import os

from albert.base import cli
from albert.tasks.classification.config import ClassifierTuning
from albert.tasks.classification.task import ClassificationTask
from albert.tasks.mrc.task import MrcTask
from albert.tasks.multitask_config import MultiTaskRun
from albert.tasks.multitask_run import run_multitask
from albert.tasks.ner.task import NerTask
from albert.training.cluster_config import VARIABLE, refuse_cluster
from albert.training.config import ReplicaConfig

cli.define_flags(MultiTaskRun)
cli.define_flags(ClassifierTuning, leave_out=["num_folds", "encoder_training"])
cli.define_flags(ReplicaConfig, leave_out=["xla"])

CLASSES = (ClassificationTask, NerTask, MrcTask)


def main(words: list[str]) -> None:
    """Turn flags into configs and run."""
    cli.refuse_extra_arguments(words)
    run = cli.read_flags(MultiTaskRun)
    tuning = cli.read_flags(ClassifierTuning)
    refuse_cluster(os.environ.get(VARIABLE), "run_multitask.py")
    replicas = cli.read_flags(ReplicaConfig)
    stopped = run_multitask(run, CLASSES, tuning, replicas)
    if stopped is not None:
        cli.end_stopped(stopped.reason, stopped.describe(cli.command_line()))


if __name__ == "__main__":
    cli.run_main(main)
