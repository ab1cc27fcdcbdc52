"""Fine-tune a model to classify texts or pairs of texts, score it, label with it.

Example:
    python3 run_classifier.py --data_dir=lcqmc --task_name=lcqmc \
      --output_dir=lcqmc_model --init_checkpoint=model \
      --bert_config_file=albert_config/albert_config_tiny.json \
      --vocab_file=albert_config/vocab.txt --do_train=True --do_eval=True

Writes to the model directory: `eval_results.txt` (accuracy, macro scores and loss of
test, or of dev where there is no test), `class_scores.txt` (a table by label),
`confusion_matrix.txt` and `.png`, the same with `_val`, and `predictions_test.jsonl`.
Test and predictions use the best checkpoint on dev, kept in `best/`.
"""

from __future__ import annotations

import os

from albert.base import cli
from albert.tasks.classification.config import ClassificationConfig, ClassifierTuning
from albert.tasks.classification.task import ClassificationTask
from albert.tasks.finetuning_config import FineTuningRun
from albert.tasks.further_pretraining import fine_tune
from albert.tasks.further_pretraining_config import FurtherPretraining
from albert.tasks.pretraining.further import pretrain_on
from albert.training.cluster_config import VARIABLE, refuse_cluster
from albert.training.config import ReplicaConfig

cli.define_flags(FineTuningRun)
cli.define_flags(ClassifierTuning)
cli.define_flags(ClassificationConfig, leave_out=["dropout_prob"])
cli.define_flags(FurtherPretraining)
cli.define_flags(ReplicaConfig, leave_out=["xla"])


def main(words: list[str]) -> None:
    """Turn flags into configs and run."""
    run = cli.read_flags(FineTuningRun, words)
    # Without training, the default of a setting of the model is what it was trained
    # with.
    given = cli.given_flags(ClassificationConfig)
    tuning = cli.read_flags(ClassifierTuning)
    refuse_cluster(os.environ.get(VARIABLE), "run_classifier.py")
    replicas = cli.read_flags(ReplicaConfig)
    further = cli.read_flags(FurtherPretraining)
    what = (ClassificationTask, run, given, tuning, replicas)
    stopped = fine_tune(*what, further, pretrain_on, tuning.num_folds)
    if stopped is not None:
        cli.end_stopped(stopped.reason, stopped.describe(cli.command_line()))


if __name__ == "__main__":
    cli.run_main(main)
