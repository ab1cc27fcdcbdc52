"""Pretraining: read and check all, train, evaluate."""

from __future__ import annotations

import functools
import os
from typing import Optional

from absl import logging

from albert import checkpoint as checkpoints
from albert import model_dir
from albert.config.model import AlbertConfig, load_albert_config
from albert.config.pretraining import (
    STAND_IN_EVAL_STEPS,
    HeldOutConfig,
    PretrainingConfig,
    PretrainingFiles,
)
from albert.config.training import ReplicaConfig, TrainingConfig
from albert.data.damage import find_readable
from albert.data.input_share import InputShare, deal_files
from albert.data.inspection import ExpectedRecords, Inspection, check_records
from albert.distribution import join_machines
from albert.evaluation import BEST_FOLDER, CheckpointEvaluator, write_results
from albert.evaluator import follow_training
from albert.held_out import HeldOutEvaluation, read_history, stop_without_gain
from albert.interruption import Stopped, StopRequest, run_until_signal
from albert.model_dir import VocabularyId
from albert.modeling.encoder import EncoderBuilder, make_encoder_builder
from albert.run_hooks import OnCheckpoint
from albert.tasks.pretraining import PretrainingTask
from albert.tokenization import load_vocabulary
from albert.training import check_start, train


def inspect_records(
    config: PretrainingConfig, files: PretrainingFiles, model: AlbertConfig
) -> tuple[Inspection, dict]:
    """Compare all records with the flags; return what they are, and readable ones.

    Raises:
        UserError: a file, the vocabulary or a length does not fit.
    """
    given = None
    if files.vocab_file:
        given = model_dir.identify(load_vocabulary(files.vocab_file))
        model_dir.check_vocabulary_size(given, model)
    names = list(dict.fromkeys([*files.train_files, *files.eval_files]))
    readable = find_readable(names) if config.skip_corrupt_records else {}
    expected = ExpectedRecords(
        config.max_seq_length, config.max_predictions_per_seq, model.vocab_size, given
    )
    found = check_records(names, expected, readable)
    model_dir.check_length(found.max_seq_length, model)
    return found, readable


def _vocabulary_file(
    given: Optional[str], vocabulary: Optional[VocabularyId]
) -> Optional[str]:
    """Return a file with the vocabulary of the records, if one can be found."""
    if given or vocabulary is None or not os.path.exists(vocabulary.path):
        return given
    same = load_vocabulary(vocabulary.path).sha256 == vocabulary.sha256
    return vocabulary.path if same else None


def _watch_held_out(
    task: PretrainingTask,
    build_encoder: EncoderBuilder,
    config: PretrainingConfig,
    held_out: HeldOutConfig,
    training: TrainingConfig,
    replicas: ReplicaConfig,
    stop: StopRequest,
) -> Optional[OnCheckpoint]:
    """Return what this machine does with a checkpoint, None for nothing.

    Where another one evaluates, it looks whether that one has seen no gain for long.
    All machines look at the start, so that none waits for one that does not train.
    """
    if held_out.eval_every_steps is None:
        return None
    if replicas.cluster is None or replicas.cluster.evaluates:
        return HeldOutEvaluation(
            lambda: CheckpointEvaluator(
                task,
                build_encoder,
                config.eval_batch_size,
                max_batches=config.max_eval_steps,
                replicas=replicas,
            ),
            held_out,
            training.output_dir,
            training.num_train_steps,
            stop,
        ).after_checkpoint

    def look(*_) -> None:
        best = os.path.join(training.output_dir, BEST_FOLDER)
        history = read_history(training.output_dir)
        stop_without_gain(history, held_out.early_stopping_patience, best, stop)

    look()
    return look


def train_model(
    task: PretrainingTask,
    build_encoder: EncoderBuilder,
    config: PretrainingConfig,
    held_out: HeldOutConfig,
    training: TrainingConfig,
    replicas: ReplicaConfig,
) -> Optional[Stopped]:
    """Train, or evaluate what others train, as TF_CONFIG says.

    Returns:
        How a signal ended it, None where it went as far as it should.
    """
    stop = StopRequest()
    on_checkpoint = _watch_held_out(
        task, build_encoder, config, held_out, training, replicas, stop
    )
    run = functools.partial(train, task, build_encoder, training, replicas)
    if replicas.cluster is not None and replicas.cluster.is_evaluator:
        run = functools.partial(
            follow_training, training.output_dir, training.num_train_steps
        )
    return run_until_signal(
        lambda stop: run(on_checkpoint, stop),
        stop,
        training.num_train_steps,
        training.output_dir,
    )


def evaluate_model(
    task: PretrainingTask,
    build_encoder: EncoderBuilder,
    config: PretrainingConfig,
    checkpoint: str,
    output_dir: str,
    on_training_files: bool,
    replicas: ReplicaConfig,
) -> None:
    """Evaluate a checkpoint, log the results and write `eval_results.txt`."""
    max_batches = config.max_eval_steps
    if on_training_files:
        max_batches = max_batches or STAND_IN_EVAL_STEPS
        logging.warning(
            "No --eval_input_file: evaluating on %d batches at most of the training "
            "files, which says nothing about unseen text",
            max_batches,
        )
    evaluator = CheckpointEvaluator(
        task,
        build_encoder,
        config.eval_batch_size,
        max_batches=max_batches,
        replicas=replicas,
    )
    results = evaluator.evaluate(checkpoint)
    path = os.path.join(output_dir, "eval_results.txt")
    write_results(path, results)
    logging.info("***** Eval results of %s *****", checkpoint)
    for name in sorted(results):
        logging.info("  %s = %s", name, results[name])
    logging.info("Written to %s", path)


def run_experiment(
    config: PretrainingConfig,
    files: PretrainingFiles,
    training: TrainingConfig,
    held_out: HeldOutConfig,
    replicas: ReplicaConfig,
) -> Optional[Stopped]:
    """Train and evaluate as asked; all is checked before anything is written.

    Returns:
        How a signal ended training early, else None.

    Raises:
        UserError: a file, a flag, a device or a checkpoint is wrong or does not fit.
    """
    model = load_albert_config(files.config_file, "bert_config_file")
    if config.do_train:
        join_machines(replicas)
    found, readable = inspect_records(config, files, model)
    cluster = replicas.cluster
    share = InputShare(files.train_files)
    if cluster is not None and not cluster.is_evaluator:
        share = deal_files(files.train_files, cluster.index, cluster.size)
    task = PretrainingTask(
        model,
        found.max_seq_length,
        found.max_predictions_per_seq,
        share.files,
        files.eval_files or files.train_files,
        config.shuffle_buffer,
        training.random_seed,
        readable,
        config.length_buckets,
        (share.index, share.count),
    )
    build_encoder = make_encoder_builder(model)
    output_dir = training.output_dir
    if config.do_train:
        if training.init_checkpoint:
            model_dir.check_pair(model, found.vocabulary, training.init_checkpoint)
        model_dir.check_output_dir(output_dir)
        model_dir.check_same_model(output_dir, model, found.vocabulary)
        if cluster is None or not cluster.is_evaluator:
            check_start(task, build_encoder, training, replicas)
        if cluster is None or cluster.is_chief:
            vocabulary_file = _vocabulary_file(files.vocab_file, found.vocabulary)
            model_dir.prepare(output_dir, model, found.vocabulary, vocabulary_file)
        stopped = train_model(task, build_encoder, config, held_out, training, replicas)
        if stopped is not None:
            return stopped
    if config.do_eval and cluster is not None and not cluster.evaluates:
        logging.info("Evaluation is left to another machine")
    elif config.do_eval:
        # Not before training, which may make it: the best, the newest.
        checkpoint = checkpoints.resolve(
            files.eval_checkpoint or output_dir,
            "eval_checkpoint" if files.eval_checkpoint else "output_dir",
        )
        model_dir.check_pair(model, found.vocabulary, checkpoint)
        model_dir.make_output_dir(output_dir)
        evaluate_model(
            task,
            build_encoder,
            config,
            checkpoint,
            output_dir,
            not files.eval_files,
            replicas,
        )
    return None
