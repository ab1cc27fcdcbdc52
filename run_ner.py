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

from absl import flags

from albert.base import cli
from albert.checkpoints import variables as checkpoints
from albert.tasks.ner.config import HEADS, FineTuningConfig, NerConfig, NerRunConfig
from albert.tasks.ner.experiment import run_experiment
from albert.training.cluster_config import VARIABLE, refuse_cluster
from albert.training.config import ReplicaConfig

FLAGS = flags.FLAGS

_MODEL = NerConfig()
_TUNING = FineTuningConfig()

flags.DEFINE_string(
    "data_dir", None, "The folder of the train, val (or dev) and test files."
)
flags.DEFINE_string(
    "output_dir", None, "The model directory: checkpoints, log, results."
)
flags.DEFINE_bool("do_train", False, "Whether to train on the train file.")
flags.DEFINE_bool("do_eval", False, "Whether to score the val and test files.")
flags.DEFINE_bool(
    "do_predict", False, "Whether to label the test file, or --predict_file."
)
flags.DEFINE_string(
    "predict_file", None, "A file to label, with a character a line or more columns."
)
flags.DEFINE_string(
    "bert_config_file",
    None,
    "The model's config, a JSON file. Default without training: the one in output_dir.",
)
flags.DEFINE_string(
    "vocab_file",
    None,
    "The vocabulary. Default without training: the one in output_dir.",
)
flags.DEFINE_string("init_checkpoint", None, "A checkpoint to start from.")
flags.DEFINE_float(
    "learning_rate", _TUNING.learning_rate, "The peak of the learning rate."
)
flags.DEFINE_float(
    "num_train_epochs", _TUNING.num_train_epochs, "Passes over the training sentences."
)
flags.DEFINE_integer(
    "train_batch_size",
    _TUNING.train_batch_size,
    "Sentences of a step, over all replicas.",
)
flags.DEFINE_integer(
    "eval_batch_size",
    _TUNING.eval_batch_size,
    "Sentences of a batch in evaluation and prediction.",
)
flags.DEFINE_float(
    "warmup_proportion",
    _TUNING.warmup_proportion,
    "Share of the steps over which the rate rises.",
)
flags.DEFINE_integer(
    "random_seed", _TUNING.random_seed, "Seeds initial variables, dropout, shuffling."
)
flags.DEFINE_integer("num_gpus", None, "GPUs to train on. Default: all visible.")
flags.DEFINE_integer(
    "num_cpu_replicas", None, "Logical CPU devices to train on, in place of GPUs."
)

# Settings of the model; without training, their default is what it was trained with.
_SETTINGS = ("head", "max_seq_length", "do_lower_case")
flags.DEFINE_enum(
    "head", _MODEL.head, HEADS, "Legal sequences of labels, or each by itself."
)
flags.DEFINE_integer(
    "max_seq_length",
    _MODEL.max_seq_length,
    "Tokens seen at once; longer sentences are seen through several windows.",
)
flags.DEFINE_bool("do_lower_case", _MODEL.do_lower_case, "Whether to lower-case text.")


def main(extra_arguments: list[str]) -> None:
    """Turn flags into configs and run."""
    cli.refuse_extra_arguments(extra_arguments)
    run = NerRunConfig(
        output_dir=FLAGS.output_dir,
        data_dir=FLAGS.data_dir,
        predict_file=FLAGS.predict_file,
        do_train=FLAGS.do_train,
        do_eval=FLAGS.do_eval,
        do_predict=FLAGS.do_predict,
        config_file=FLAGS.bert_config_file,
        vocab_file=FLAGS.vocab_file,
        init_checkpoint=FLAGS.init_checkpoint
        and checkpoints.resolve(FLAGS.init_checkpoint, "init_checkpoint"),
    )
    given = {name: FLAGS[name].value for name in _SETTINGS if FLAGS[name].present}
    tuning = FineTuningConfig(
        learning_rate=FLAGS.learning_rate,
        num_train_epochs=FLAGS.num_train_epochs,
        train_batch_size=FLAGS.train_batch_size,
        eval_batch_size=FLAGS.eval_batch_size,
        warmup_proportion=FLAGS.warmup_proportion,
        random_seed=FLAGS.random_seed,
    )
    refuse_cluster(os.environ.get(VARIABLE), "run_ner.py")
    replicas = ReplicaConfig(FLAGS.num_gpus, FLAGS.num_cpu_replicas)
    stopped = run_experiment(run, given, tuning, replicas)
    if stopped is not None:
        print(stopped.describe(cli.command_line()))


if __name__ == "__main__":
    cli.run_main(main)
