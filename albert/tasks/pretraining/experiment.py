"""Pretraining: read and check all, train, evaluate."""

from __future__ import annotations

import contextlib
import os
from typing import ContextManager, NamedTuple, Optional, Sequence

from absl import logging

from albert.base.errors import UserError
from albert.base.lock import hold_folder
from albert.checkpoints import guard
from albert.checkpoints import variables as checkpoints
from albert.checkpoints.best import BEST_FOLDER
from albert.evaluation.config import HeldOutConfig
from albert.evaluation.evaluator import CheckpointEvaluator, write_results
from albert.evaluation.follow import follow_training
from albert.evaluation.held_out import (
    HeldOutEvaluation,
    read_history,
    stop_without_gain,
)
from albert.modeling.config import EncoderConfig, check_segments
from albert.modeling.encoder import (
    EncoderBuilder,
    load_encoder_config,
    make_encoder_builder,
)
from albert.records.damage import find_readable
from albert.records.inspection import ExpectedRecords, Inspection, check_records
from albert.tasks.pretraining.baselines import (
    compare_with_counting,
    labels_are_tokens,
)
from albert.tasks.pretraining.config import (
    STAND_IN_EVAL_STEPS,
    PretrainingConfig,
    PretrainingFiles,
)
from albert.tasks.pretraining.dynamic_masking import DynamicMasking, plan_masking
from albert.tasks.pretraining.input_shard import InputShard, assign_files
from albert.tasks.pretraining.objectives import (
    check_pairs,
    parse_objectives,
    parse_schedule,
)
from albert.tasks.pretraining.source import RecordSource
from albert.tasks.pretraining.task import PretrainingTask
from albert.text.vocabulary import VocabularyId, identify, load_vocabulary
from albert.training.cluster import compare
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import train
from albert.training.replicas import choose_devices, set_up_devices
from albert.training.start import Start, check_start, has_ended
from albert.training.stopping import Stopped, StopRequest, run_until_signal


def inspect_records(
    config: PretrainingConfig, files: PretrainingFiles, model: EncoderConfig
) -> tuple[Inspection, dict]:
    """Compare all records with the flags; return what they are, and readable ones.

    Raises:
        UserError: a file, the vocabulary or a length does not fit.
    """
    given = None
    if files.vocab_file:
        given = identify(load_vocabulary(files.vocab_file))
        guard.check_vocabulary_size(given, model)
    names = list(dict.fromkeys([*files.train_files, *files.eval_files]))
    readable = find_readable(names) if config.skip_corrupt_records else {}
    expected = ExpectedRecords(
        config.max_seq_length, config.max_predictions_per_seq, model.vocab_size, given
    )
    found = check_records(names, expected, readable, config.skip_corrupt_records)
    guard.check_length(found.max_seq_length, model)
    check_segments(model, 2)  # of a sentence pair
    return found, readable


def _vocabulary_file(
    given: Optional[str], vocabulary: Optional[VocabularyId]
) -> Optional[str]:
    """Return a file with the vocabulary of the records, if one can be found."""
    if given or vocabulary is None or not os.path.exists(vocabulary.path):
        return given
    same = identify(load_vocabulary(vocabulary.path)).has_tokens_of(vocabulary)
    return vocabulary.path if same else None


class _Run(NamedTuple):
    """All that a run is made of, once it has been checked."""

    task: PretrainingTask
    train_data: RecordSource
    eval_data: RecordSource
    samples: Sequence[RecordSource]  # each training file, in order
    build_encoder: EncoderBuilder
    model: EncoderConfig
    vocabulary: Optional[VocabularyId]
    files: PretrainingFiles
    config: PretrainingConfig
    training: TrainingConfig
    held_out: HeldOutConfig
    replicas: ReplicaConfig

    @property
    def evaluates(self) -> bool:
        """Whether evaluation is this machine's work."""
        return self.replicas.cluster is None or self.replicas.cluster.evaluates

    @property
    def is_evaluator(self) -> bool:
        """Whether this machine only evaluates what others train."""
        return self.replicas.cluster is not None and self.replicas.cluster.is_evaluator

    def make_evaluator(self, max_batches: Optional[int]) -> CheckpointEvaluator:
        """Return what evaluates checkpoints of the run."""
        return CheckpointEvaluator(
            self.task,
            self.eval_data,
            self.build_encoder,
            self.config.eval_batch_size,
            max_batches=max_batches,
            replicas=self.replicas,
        )


def _make_sources(
    files: PretrainingFiles,
    expected: ExpectedRecords,
    readable: dict,
    config: PretrainingConfig,
    training: TrainingConfig,
    replicas: ReplicaConfig,
    masking: Optional[DynamicMasking],
) -> tuple[RecordSource, RecordSource, list[RecordSource]]:
    """Return what this machine trains on, what is evaluated on, and each file."""
    shard = InputShard(files.train_files)
    cluster = replicas.cluster
    if cluster is not None and not cluster.is_evaluator:
        shard = assign_files(files.train_files, cluster.index, cluster.size)
    train_data = RecordSource(
        shard.files,
        expected,
        config.shuffle_buffer,
        training.random_seed,
        readable,
        config.length_buckets,
        (shard.index, shard.num_shards),
        masking,
    )
    eval_files = files.eval_files or files.train_files
    eval_data, *samples = [
        RecordSource(names, expected, readable=readable)
        for names in (eval_files, *([name] for name in files.train_files))
    ]
    return train_data, eval_data, samples


def _plan_masking(
    config: PretrainingConfig,
    files: PretrainingFiles,
    training: TrainingConfig,
    replicas: ReplicaConfig,
    found: Inspection,
) -> Optional[DynamicMasking]:
    """Return how to draw masks while training; None to keep those of the records."""
    if not (config.dynamic_masking and config.do_train):
        return None
    path = _vocabulary_file(files.vocab_file, found.vocabulary)
    if path is None:
        raise UserError("dynamic_masking needs the records' vocabulary: --vocab_file")
    _, devices = choose_devices(replicas)
    return plan_masking(
        load_vocabulary(path),
        files.train_files,
        (found.max_seq_length, found.max_predictions_per_seq),
        config.masked_lm_prob,
        parse_schedule(config.whole_word_share, "whole_word_share"),
        training.num_train_steps * training.gradient_accumulation_steps * devices,
        training.random_seed,
    )


def _prepare_training(run: _Run) -> Optional[Start]:
    """Check all that training needs, and make the model directory.

    Returns:
        Where training starts, None for an evaluator.

    Raises:
        UserError: training cannot start, or another machine sees other files.
    """
    output_dir, cluster = run.training.output_dir, run.replicas.cluster
    if run.training.init_checkpoint:
        checkpoint = run.training.init_checkpoint
        guard.check_pair(run.model, run.vocabulary, checkpoint)
    guard.check_output_dir(output_dir)
    guard.check_same_model(output_dir, run.model, run.vocabulary)
    if run.is_evaluator:
        return None
    start = check_start(run.task, run.build_encoder, run.training, run.replicas)
    if cluster is None or cluster.is_chief:
        vocabulary_file = _vocabulary_file(run.files.vocab_file, run.vocabulary)
        guard.prepare(output_dir, run.model, run.vocabulary, vocabulary_file)
    if run.replicas.num_machines > 1 and not has_ended(run.training):
        names = run.files.train_files
        sizes = {os.path.basename(name): os.path.getsize(name) for name in names}
        compare(cluster, "the bytes of input files", sizes)
        metadata = os.path.join(output_dir, guard.METADATA_FILE)
        if not os.path.exists(metadata):
            raise UserError(
                f"the chief has made its output_dir, but {metadata} is not there: "
                "every machine must see the same output_dir"
            )
    return start


def _watch_held_out(run: _Run, stop: StopRequest) -> Optional[HeldOutEvaluation]:
    """Return what evaluates while training runs, None where nobody here does."""
    if run.held_out.eval_every_steps is None or not run.evaluates:
        return None
    return HeldOutEvaluation(
        lambda: run.make_evaluator(run.config.max_eval_steps),
        run.held_out,
        run.training.output_dir,
        run.training.num_train_steps,
        stop,
        run.task.best_metric,
    )


def _train(run: _Run, start: Optional[Start]) -> Optional[Stopped]:
    """Train, or evaluate what others train, as TF_CONFIG says.

    Returns:
        How a signal ended it, None where it went as far as it should.
    """
    stop = StopRequest()
    held_out = _watch_held_out(run, stop)
    output_dir, last_step = run.training.output_dir, run.training.num_train_steps

    def look_at_history(*_) -> None:
        """Stop where another machine has evaluated without gain for long."""
        patience = run.held_out.early_stopping_patience
        best = os.path.join(output_dir, BEST_FOLDER)
        history = read_history(output_dir)
        stop_without_gain(history, run.task.best_metric, patience, best, stop)

    def work(stop: StopRequest) -> int:
        if run.is_evaluator:
            return follow_training(output_dir, last_step, held_out, stop)
        look_at_history()
        after = look_at_history if held_out is None else held_out.after_checkpoint
        step = train(
            run.task,
            run.train_data,
            run.build_encoder,
            run.training,
            run.replicas,
            after,
            stop,
            start,
        )
        if held_out is not None:
            held_out.make_up()
        return step

    return run_until_signal(work, stop, last_step, output_dir)


def _evaluate(run: _Run) -> None:
    """Evaluate a checkpoint, log the results and write `eval_results.txt`."""
    files, output_dir = run.files, run.training.output_dir
    # Not before training, which may make it: the best, the newest.
    checkpoint = checkpoints.resolve(
        files.eval_checkpoint or output_dir,
        "eval_checkpoint" if files.eval_checkpoint else "output_dir",
    )
    guard.check_pair(run.model, run.vocabulary, checkpoint)
    guard.make_output_dir(output_dir)
    max_batches = run.config.max_eval_steps
    if not files.eval_files:
        max_batches = max_batches or STAND_IN_EVAL_STEPS
        logging.warning(
            "No --eval_input_file: evaluating on %d batches at most of the training "
            "files, which says nothing about unseen text",
            max_batches,
        )
    results = run.make_evaluator(max_batches).evaluate(checkpoint)
    if files.eval_files:
        limit = max_batches and max_batches * run.config.eval_batch_size
        results.update(
            compare_with_counting(
                results.get("masked_lm_accuracy"),
                run.samples,
                run.eval_data,
                run.model.vocab_size,
                labels_are_tokens(files.train_files),
                limit,
            )
        )
    path = os.path.join(output_dir, "eval_results.txt")
    write_results(path, results)
    logging.info("***** Eval results of %s *****", checkpoint)
    for name in sorted(results):
        logging.info("  %s = %s", name, results[name])
    logging.info("Written to %s", path)


def _make_run(
    config: PretrainingConfig,
    files: PretrainingFiles,
    training: TrainingConfig,
    held_out: HeldOutConfig,
    replicas: ReplicaConfig,
) -> _Run:
    """Make the devices, look at all inputs, and return what the run is made of."""
    training = checkpoints.resolve_init(training)
    model = load_encoder_config(files.config_file, "bert_config_file")
    set_up_devices(replicas, join=config.do_train and not has_ended(training))
    found, readable = inspect_records(config, files, model)
    objectives = parse_objectives(config.objectives)
    check_pairs(objectives, (*files.train_files, *files.eval_files))
    lengths = (found.max_seq_length, found.max_predictions_per_seq)
    expected = ExpectedRecords(*lengths, model.vocab_size)
    masking = _plan_masking(config, files, training, replicas, found)
    return _Run(
        PretrainingTask(
            model,
            *lengths,
            config.length_buckets,
            objectives,
            training.num_train_steps,
        ),
        *_make_sources(files, expected, readable, config, training, replicas, masking),
        make_encoder_builder(model),
        model,
        found.vocabulary,
        files,
        config,
        training,
        held_out,
        replicas,
    )


def _hold_output(
    config: PretrainingConfig, training: TrainingConfig, replicas: ReplicaConfig
) -> ContextManager[None]:
    """Keep other runs out of the model directory; the chief does it for all machines.

    An evaluation alone may run beside a training: it writes its results, nothing else.
    """
    cluster = replicas.cluster
    if not config.do_train or (cluster is not None and not cluster.is_chief):
        return contextlib.nullcontext()
    guard.check_output_dir(training.output_dir)
    return hold_folder(training.output_dir)


def _work(run: _Run) -> Optional[Stopped]:
    """Train and evaluate as asked; return how a signal ended training, else None."""
    if run.config.do_train:
        stopped = _train(run, _prepare_training(run))
        if stopped is not None:
            return stopped
    if run.config.do_eval and run.evaluates:
        _evaluate(run)
    elif run.config.do_eval:
        logging.info("Evaluation is left to another machine")
    return None


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
    if held_out.eval_every_steps is not None and not files.eval_files:
        raise UserError("eval_every_steps needs held-out records: --eval_input_file")
    with _hold_output(config, training, replicas):
        return _work(_make_run(config, files, training, held_out, replicas))
