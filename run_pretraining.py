"""Pretrain an ALBERT model on records, or go on pretraining one.

Example:
    python3 run_pretraining.py --input_file='data/tf*.tfrecord' --output_dir=model \
      --do_train=True --do_eval=True --bert_config_file=albert_config_tiny.json
"""

from __future__ import annotations

import os

from absl import flags, logging

from albert import checkpoint as checkpoints
from albert import cli, files, model_dir
from albert.config.model import load_albert_config
from albert.config.pretraining import (
    STAND_IN_EVAL_STEPS,
    HeldOutConfig,
    PretrainingConfig,
)
from albert.config.training import (
    OPTIMIZERS,
    PRECISIONS,
    ReplicaConfig,
    TrainingConfig,
)
from albert.data.damage import find_readable
from albert.data.inspection import ExpectedRecords, check_records
from albert.errors import UserError
from albert.evaluation import CheckpointEvaluator, write_results
from albert.held_out import HeldOutEvaluation
from albert.interruption import SIGNAL_NAMES, StopRequest, signals_ask
from albert.modeling.encoder import make_encoder_builder
from albert.tasks.pretraining import PretrainingTask
from albert.tokenization import load_vocabulary
from albert.training import train

FLAGS = flags.FLAGS

# Flags of the original.
flags.DEFINE_string("bert_config_file", None, "The model's config, a JSON file.")
flags.DEFINE_string(
    "input_file", None, "TFRecord files: names and globs, separated by commas."
)
flags.DEFINE_string(
    "output_dir", None, "The model directory: checkpoints, log, results."
)
flags.DEFINE_string("init_checkpoint", None, "A checkpoint to start from.")
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
flags.DEFINE_integer("train_batch_size", 32, "Examples of a step, over all replicas.")
flags.DEFINE_integer("eval_batch_size", 8, "Examples of an evaluation batch.")
flags.DEFINE_float("learning_rate", 5e-5, "The peak of the learning rate.")
flags.DEFINE_integer(
    "num_train_steps", 100000, "Steps, those before a resume included."
)
flags.DEFINE_integer("num_warmup_steps", 10000, "Steps over which the rate rises.")
flags.DEFINE_integer("save_checkpoints_steps", 1000, "Steps between checkpoints.")
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
flags.DEFINE_integer("num_gpus", None, "GPUs to train on. Default: all visible.")
flags.DEFINE_integer(
    "num_cpu_replicas", None, "Logical CPU devices to train on, in place of GPUs."
)
flags.DEFINE_enum("optimizer", "lamb", OPTIMIZERS, "The update rule.")
flags.DEFINE_enum(
    "precision",
    "float32",
    PRECISIONS,
    "The type of matrix products in training. bfloat16 for CPUs and GPUs that have it, "
    "float16 for older GPUs; variables and updates are float32 always.",
)
flags.DEFINE_bool("xla", False, "Whether XLA compiles what it can of the graph.")
flags.DEFINE_integer(
    "gradient_accumulation_steps",
    1,
    "Parts that each device's share of the batch is computed in, one after the other, "
    "where the whole does not fit its memory.",
)
flags.DEFINE_string(
    "vocab_file",
    None,
    "The records' vocabulary, to be checked and kept with the model.",
)
flags.DEFINE_integer("random_seed", 12345, "Seeds initial variables and shuffling.")
flags.DEFINE_integer("shuffle_buffer", 10000, "Training records to shuffle among.")
flags.DEFINE_integer("log_every_steps", 100, "Steps between lines of the log.")
flags.DEFINE_integer("keep_checkpoint_max", 5, "Checkpoints kept, the newest ones.")
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


def _vocabulary_file(vocabulary: model_dir.VocabularyId | None) -> str | None:
    """Return a file with the vocabulary of the records, if one can be found."""
    if FLAGS.vocab_file:
        return FLAGS.vocab_file
    if vocabulary is None or not os.path.exists(vocabulary.path):
        return None
    same = load_vocabulary(vocabulary.path).sha256 == vocabulary.sha256
    return vocabulary.path if same else None


def _train(task, build_encoder, config, held_out, training, replicas) -> bool:
    """Train; return whether training went on as far as it should.

    SIGTERM and SIGINT end it with a checkpoint and the command that resumes.
    """
    stop = StopRequest()
    on_checkpoint = None
    if held_out.eval_every_steps is not None:
        on_checkpoint = HeldOutEvaluation(
            lambda: CheckpointEvaluator(
                task,
                build_encoder,
                config.eval_batch_size,
                max_batches=config.max_eval_steps,
            ),
            held_out,
            training.output_dir,
            training.num_train_steps,
            stop,
        ).after_checkpoint
    with signals_ask(stop):
        step = train(task, build_encoder, training, replicas, on_checkpoint, stop)
    if stop.reason in SIGNAL_NAMES and step < training.num_train_steps:
        print(
            f"Stopped by {stop.reason} at step {step} of {training.num_train_steps}, "
            f"which {training.output_dir} holds. To go on: {cli.command_line()}"
        )
        return False
    if stop.asked:
        logging.info("Training ended at step %d: %s", step, stop.reason)
    return True


def _evaluate(task, build_encoder, config: PretrainingConfig, held_out: bool) -> None:
    """Evaluate a checkpoint and write eval_results.txt."""
    checkpoint = _checkpoint_to_evaluate()
    max_batches = config.max_eval_steps
    if not held_out:
        max_batches = max_batches or STAND_IN_EVAL_STEPS
        logging.warning(
            "No --eval_input_file: evaluating on %d batches at most of the training "
            "files, which says nothing about unseen text",
            max_batches,
        )
    evaluator = CheckpointEvaluator(
        task, build_encoder, config.eval_batch_size, max_batches=max_batches
    )
    results = evaluator.evaluate(checkpoint)
    path = os.path.join(FLAGS.output_dir, "eval_results.txt")
    write_results(path, results)
    logging.info("***** Eval results of %s *****", checkpoint)
    for name in sorted(results):
        logging.info("  %s = %s", name, results[name])
    logging.info("Written to %s", path)


def _checkpoint_to_evaluate() -> str:
    if FLAGS.eval_checkpoint:
        return checkpoints.resolve(FLAGS.eval_checkpoint, "eval_checkpoint")
    return checkpoints.resolve(FLAGS.output_dir, "output_dir")


def main(extra_arguments: list[str]) -> None:
    """Check everything, then train, then evaluate."""
    for name in ("bert_config_file", "input_file", "output_dir"):
        if not FLAGS[name].value:
            raise UserError(f"--{name} must be given")
    config = PretrainingConfig(
        do_train=FLAGS.do_train,
        do_eval=FLAGS.do_eval,
        max_seq_length=FLAGS.max_seq_length,
        max_predictions_per_seq=FLAGS.max_predictions_per_seq,
        eval_batch_size=FLAGS.eval_batch_size,
        max_eval_steps=FLAGS.max_eval_steps,
        shuffle_buffer=FLAGS.shuffle_buffer,
        use_tpu=FLAGS.use_tpu,
    )
    init_checkpoint = FLAGS.init_checkpoint and checkpoints.resolve(
        FLAGS.init_checkpoint, "init_checkpoint"
    )
    training = TrainingConfig(
        output_dir=FLAGS.output_dir,
        learning_rate=FLAGS.learning_rate,
        num_train_steps=FLAGS.num_train_steps,
        num_warmup_steps=FLAGS.num_warmup_steps,
        train_batch_size=FLAGS.train_batch_size,
        save_checkpoints_steps=FLAGS.save_checkpoints_steps,
        optimizer=FLAGS.optimizer,
        init_checkpoint=init_checkpoint or None,
        random_seed=FLAGS.random_seed,
        keep_checkpoint_max=FLAGS.keep_checkpoint_max,
        log_every_steps=FLAGS.log_every_steps,
        precision=FLAGS.precision,
        gradient_accumulation_steps=FLAGS.gradient_accumulation_steps,
        eval_every_steps=FLAGS.eval_every_steps,
    )
    held_out = HeldOutConfig(
        eval_every_steps=FLAGS.eval_every_steps,
        keep_best_checkpoints=FLAGS.keep_best_checkpoints,
        early_stopping_patience=FLAGS.early_stopping_patience,
    )
    if FLAGS.eval_every_steps is not None and not FLAGS.eval_input_file:
        raise UserError("eval_every_steps needs held-out records: --eval_input_file")
    replicas = ReplicaConfig(FLAGS.num_gpus, FLAGS.num_cpu_replicas, FLAGS.xla)
    model_config = load_albert_config(FLAGS.bert_config_file, "bert_config_file")

    # A shell that expands --input_file=a*.tfrecord leaves the further names over.
    train_files = files.expand_globs([FLAGS.input_file, *extra_arguments], "input_file")
    eval_files = train_files
    if FLAGS.eval_input_file:
        eval_files = files.expand_globs(FLAGS.eval_input_file, "eval_input_file")
    given = None
    if FLAGS.vocab_file:
        given = model_dir.identify(load_vocabulary(FLAGS.vocab_file))
        model_dir.check_vocabulary_size(given, model_config)
    all_files = list(dict.fromkeys([*train_files, *eval_files]))
    readable = {}
    if FLAGS.skip_corrupt_records:
        readable = find_readable(all_files)
    found = check_records(
        all_files,
        ExpectedRecords(
            config.max_seq_length,
            config.max_predictions_per_seq,
            model_config.vocab_size,
            given,
        ),
        readable,
    )
    if found.max_seq_length > model_config.max_position_embeddings:
        raise UserError(
            f"max_seq_length {found.max_seq_length} is more than the config's "
            f"max_position_embeddings {model_config.max_position_embeddings}"
        )
    if init_checkpoint and found.vocabulary:
        model_dir.check_vocabulary_pair(found.vocabulary, init_checkpoint)
    if config.do_train:
        model_dir.prepare(
            FLAGS.output_dir,
            model_config,
            found.vocabulary,
            _vocabulary_file(found.vocabulary),
        )
    elif found.vocabulary:
        model_dir.check_vocabulary_pair(found.vocabulary, _checkpoint_to_evaluate())

    task = PretrainingTask(
        model_config,
        found.max_seq_length,
        found.max_predictions_per_seq,
        train_files,
        eval_files,
        config.shuffle_buffer,
        FLAGS.random_seed,
        readable,
    )
    build_encoder = make_encoder_builder(model_config)
    done = True
    if config.do_train:
        done = _train(task, build_encoder, config, held_out, training, replicas)
    if config.do_eval and done:
        _evaluate(task, build_encoder, config, eval_files is not train_files)


if __name__ == "__main__":
    cli.run_main(main)
