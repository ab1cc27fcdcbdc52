"""Fine-tune an ALBERT model to label named entities, score it, label text with it.

Example:
    python3 run_ner.py --data_dir=examples/ner --output_dir=ner_model \
      --bert_config_file=albert_config/albert_config_tiny.json \
      --vocab_file=albert_config/vocab.txt --init_checkpoint=model/model.ckpt-1000 \
      --do_train=True --do_eval=True --do_predict=True

Writes to the model directory: `eval_results.txt` (of test, or of val where there is no
test; `eval_f` and its like are strict entity scores, `eval_f_default` the ones that
conlleval gives), `entity_scores.txt` (a table by type), the same with `_val`, and
`predictions_test.conll` and `.jsonl`. Test and predictions use the best checkpoint on
val, kept in `best/`.
"""

from __future__ import annotations

import os

from albert.base import cli
from albert.tasks.finetuning import run_finetuning
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.task import NerTask
from albert.training.cluster_config import VARIABLE, refuse_cluster
from albert.training.config import ReplicaConfig

cli.define_flags(FineTuningRun)
cli.define_flags(FineTuningConfig)
cli.define_flags(NerConfig, leave_out=["dropout_prob"])
cli.define_flags(ReplicaConfig, leave_out=["xla"])


def main(words: list[str]) -> None:
    """Turn flags into configs and run."""
    run = cli.read_flags(FineTuningRun, words)
    # Without training, the default of a setting of the model is what it was trained
    # with.
    given = cli.given_flags(NerConfig)
    tuning = cli.read_flags(FineTuningConfig)
    refuse_cluster(os.environ.get(VARIABLE), "run_ner.py")
    replicas = cli.read_flags(ReplicaConfig)
    stopped = run_finetuning(NerTask, run, given, tuning, replicas)
    if stopped is not None:
        cli.end_stopped(stopped.reason, stopped.describe(cli.command_line()))


if __name__ == "__main__":
    cli.run_main(main)
