"""Fine-tune an ALBERT model to answer questions from a passage, score it, ask it.

Example:
    python3 run_mrc.py --data_dir=data/cmrc2018 --output_dir=mrc_model \
      --bert_config_file=albert_config/albert_config_tiny.json \
      --vocab_file=albert_config/vocab.txt --init_checkpoint=model/model.ckpt-1000 \
      --do_train=True --do_eval=True --do_predict=True

Data are JSON files in the layout of SQuAD, named train, dev and test. Writes to the
model directory: `eval_results.txt` (of test, or of dev where there is no test; EM and
F1 by the official rules of CMRC 2018 and DRCD), `answer_scores.txt`, the same with
`_val`, and `predictions_test.json`. Test and predictions use the best checkpoint on
dev, kept in `best/`.
"""

from __future__ import annotations

import os

from albert.base import cli
from albert.tasks.finetuning import run_finetuning
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.mrc.config import MrcConfig
from albert.tasks.mrc.task import MrcTask
from albert.training.cluster_config import VARIABLE, refuse_cluster
from albert.training.config import ReplicaConfig

cli.define_flags(FineTuningRun)
cli.define_flags(FineTuningConfig, defaults={"num_train_epochs": 3.0})
cli.define_flags(MrcConfig, leave_out=["dropout_prob"])
cli.define_flags(ReplicaConfig, leave_out=["xla"])


def main(words: list[str]) -> None:
    """Turn flags into configs and run."""
    run = cli.read_flags(FineTuningRun, words)
    # Without training, the default of a setting of the model is what it was trained
    # with.
    given = cli.given_flags(MrcConfig)
    tuning = cli.read_flags(FineTuningConfig)
    refuse_cluster(os.environ.get(VARIABLE), "run_mrc.py")
    replicas = cli.read_flags(ReplicaConfig)
    stopped = run_finetuning(MrcTask, run, given, tuning, replicas)
    if stopped is not None:
        cli.end_stopped(stopped.reason, stopped.describe(cli.command_line()))


if __name__ == "__main__":
    cli.run_main(main)
