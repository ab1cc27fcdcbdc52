"""Pretrain an ALBERT model on records, or go on pretraining one.

Example:
    python3 run_pretraining.py --input_file='data/tf*.tfrecord' --output_dir=model \
      --do_train=True --do_eval=True --bert_config_file=albert_config_tiny.json
"""

from __future__ import annotations

import os

from absl import flags

from albert.base import cli, files
from albert.base.errors import UserError
from albert.checkpoints import variables as checkpoints
from albert.evaluation.config import HeldOutConfig
from albert.tasks.pretraining.config import (
    STAND_IN_EVAL_STEPS,
    PretrainingConfig,
    PretrainingFiles,
)
from albert.tasks.pretraining.experiment import run_experiment
from albert.training.cluster_config import VARIABLE, parse_cluster
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.stopping import Terminated, sigterm_raises

FLAGS = flags.FLAGS

cli.define_flags(TrainingConfig)
cli.define_flags(ReplicaConfig)

# Flags of the original.
flags.DEFINE_string("bert_config_file", None, "The model's config, a JSON file.")
flags.DEFINE_string(
    "input_file", None, "TFRecord files: names and globs, separated by commas."
)
flags.DEFINE_integer(
    "max_seq_length", None, "Tokens of a record. Default: what the records hold."
)
flags.DEFINE_integer(
    "max_predictions_per_seq",
    None,
    "Masked positions of a record. Default: what the records hold.",
)
flags.DEFINE_bool("do_train", False, "Whether to train.")
flags.DEFINE_bool(
    "do_eval", False, "Whether to evaluate --eval_checkpoint after any training."
)
flags.DEFINE_integer("eval_batch_size", 8, "Examples of an evaluation batch.")
flags.DEFINE_integer("iterations_per_loop", 1000, "Accepted, without effect (TPUs).")
flags.DEFINE_integer(
    "max_eval_steps",
    None,
    "Evaluation batches at most. Default: all of --eval_input_file; "
    f"{STAND_IN_EVAL_STEPS} where the training files stand in for it.",
)
flags.DEFINE_bool("use_tpu", False, "Accepted when false.")

# New ones.
flags.DEFINE_string(
    "eval_input_file", None, "Held-out TFRecord files. Default: the training files."
)
flags.DEFINE_bool(
    "length_buckets",
    True,
    "Whether training batches hold examples of like length, without the padding that "
    "none of them needs. Losses are the same.",
)
flags.DEFINE_string(
    "vocab_file",
    None,
    "The records' vocabulary, to be checked and kept with the model.",
)
flags.DEFINE_integer("shuffle_buffer", 10000, "Training records to shuffle among.")
flags.DEFINE_bool(
    "skip_corrupt_records",
    False,
    "Whether to do without records that are damaged, counting them. All files are "
    "read through first.",
)
flags.DEFINE_string(
    "eval_checkpoint",
    None,
    "What --do_eval evaluates: a checkpoint, or a folder, of which the newest is "
    "meant. Default: --output_dir.",
)
flags.DEFINE_integer(
    "eval_every_steps",
    None,
    "Steps between evaluations on --eval_input_file while training. Default: none.",
)
flags.DEFINE_integer(
    "keep_best_checkpoints",
    1,
    "Checkpoints with the lowest loss on --eval_input_file kept in <output_dir>/best, "
    "where --eval_every_steps is given.",
)
flags.DEFINE_integer(
    "early_stopping_patience",
    None,
    "Evaluations without a lower loss after which training ends. Default: never.",
)


def _name_files(extra_arguments: list[str]) -> PretrainingFiles:
    for name in ("bert_config_file", "input_file", "output_dir"):
        if not FLAGS[name].value:
            raise UserError(f"--{name} must be given")
    held_out = []
    if FLAGS.eval_input_file:
        held_out = files.expand_globs(FLAGS.eval_input_file, "eval_input_file")
    elif FLAGS.eval_every_steps is not None:
        raise UserError("eval_every_steps needs held-out records: --eval_input_file")
    # A shell that expands --input_file=a*.tfrecord leaves the further names over.
    records = files.expand_globs([FLAGS.input_file, *extra_arguments], "input_file")
    return PretrainingFiles(
        FLAGS.bert_config_file,
        tuple(records),
        tuple(held_out),
        FLAGS.vocab_file,
        FLAGS.eval_checkpoint,
    )


def main(extra_arguments: list[str]) -> None:
    """Turn flags into configs and run."""
    config = PretrainingConfig(
        do_train=FLAGS.do_train,
        do_eval=FLAGS.do_eval,
        max_seq_length=FLAGS.max_seq_length,
        max_predictions_per_seq=FLAGS.max_predictions_per_seq,
        eval_batch_size=FLAGS.eval_batch_size,
        max_eval_steps=FLAGS.max_eval_steps,
        shuffle_buffer=FLAGS.shuffle_buffer,
        length_buckets=FLAGS.length_buckets,
        skip_corrupt_records=FLAGS.skip_corrupt_records,
        use_tpu=FLAGS.use_tpu,
    )
    held_out = HeldOutConfig(
        eval_every_steps=FLAGS.eval_every_steps,
        keep_best_checkpoints=FLAGS.keep_best_checkpoints,
        early_stopping_patience=FLAGS.early_stopping_patience,
    )
    names = _name_files(extra_arguments)
    init_checkpoint = FLAGS.init_checkpoint and checkpoints.resolve(
        os.path.expanduser(FLAGS.init_checkpoint), "init_checkpoint"
    )
    training = cli.read_flags(
        TrainingConfig,
        init_checkpoint=init_checkpoint or None,
        eval_every_steps=FLAGS.eval_every_steps,
    )
    cluster = parse_cluster(os.environ.get(VARIABLE))
    replicas = cli.read_flags(ReplicaConfig, cluster=cluster)
    try:
        with sigterm_raises():
            stopped = run_experiment(config, names, training, held_out, replicas)
    except Terminated:
        print(f"Stopped by SIGTERM. To go on: {cli.command_line()}")
        return
    if stopped is not None:
        print(stopped.describe(cli.command_line()))


if __name__ == "__main__":
    cli.run_main(main)
