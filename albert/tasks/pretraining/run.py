"""All that a pretraining run is made of, read and checked before it starts."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional, Sequence

from absl import logging

from albert.base.errors import UserError
from albert.checkpoints import guard
from albert.checkpoints.initial import resolve_init
from albert.evaluation.config import HeldOutConfig
from albert.evaluation.evaluator import CheckpointEvaluator
from albert.modeling.config import EncoderConfig, check_segments
from albert.modeling.encoder import (
    EncoderBuilder,
    load_encoder_config,
    make_encoder_builder,
)
from albert.records.damage import find_readable
from albert.records.expected import ExpectedRecords
from albert.records.inspection import Inspection, check_records
from albert.tasks.input_shard import InputShard, assign_files
from albert.tasks.pretraining.baselines import labels_are_plain
from albert.tasks.pretraining.config import (
    PretrainingConfig,
    PretrainingFiles,
)
from albert.tasks.pretraining.dynamic_masking import DynamicMasking, plan_masking
from albert.tasks.pretraining.objectives import (
    check_pairs,
    parse_objectives,
    parse_schedule,
)
from albert.tasks.pretraining.source import RecordSource
from albert.tasks.pretraining.task import PretrainingTask
from albert.text.vocabulary import VocabularyId, identify, load_vocabulary
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.replicas import choose_devices, set_up_devices
from albert.training.start import has_ended


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


def find_vocabulary_file(
    given: Optional[str], vocabulary: Optional[VocabularyId]
) -> Optional[str]:
    """Return a file with the vocabulary of the records, if one can be found."""
    if given or vocabulary is None or not os.path.exists(vocabulary.path):
        return given
    same = identify(load_vocabulary(vocabulary.path)).has_tokens_of(vocabulary)
    return vocabulary.path if same else None


class Run(NamedTuple):
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
        RecordSource(names, expected, readable=readable, dynamic_masking=masking)
        for names in (eval_files, *([name] for name in files.train_files))
    ]
    return train_data, eval_data, samples


def warn_of_other_labels(files: PretrainingFiles) -> None:
    """Say so where held-out records ask for other labels than training records."""
    kinds = [
        set(map(labels_are_plain, names)) - {None}
        for names in (files.train_files, files.eval_files)
    ]
    if all(kinds) and kinds[0] != kinds[1]:
        logging.warning(
            "Training and held-out records differ in --continuation_labels: inside "
            "words one has labels as ##X where the other has X, so held-out scores say "
            "little. --dynamic_masking gives both the plain labels"
        )


def _plan_masking(
    config: PretrainingConfig,
    files: PretrainingFiles,
    training: TrainingConfig,
    replicas: ReplicaConfig,
    found: Inspection,
) -> Optional[DynamicMasking]:
    """Return how to draw masks while training; None to keep those of the records.

    An evaluation alone needs it too: for the labels that were trained for.
    """
    if not config.dynamic_masking:
        warn_of_other_labels(files)
        return None
    path = find_vocabulary_file(files.vocab_file, found.vocabulary)
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


def make_run(
    config: PretrainingConfig,
    files: PretrainingFiles,
    training: TrainingConfig,
    held_out: HeldOutConfig,
    replicas: ReplicaConfig,
) -> Run:
    """Make the devices, look at all inputs, and return what the run is made of."""
    model = load_encoder_config(files.config_file, "bert_config_file")
    set_up_devices(replicas, join=config.do_train and not has_ended(training))
    trains = config.do_train and not (
        replicas.cluster and replicas.cluster.is_evaluator
    )
    training = resolve_init(training, trains)
    found, readable = inspect_records(config, files, model)
    objectives = parse_objectives(config.objectives)
    check_pairs(objectives, (*files.train_files, *files.eval_files))
    lengths = (found.max_seq_length, found.max_predictions_per_seq)
    expected = ExpectedRecords(*lengths, model.vocab_size)
    masking = _plan_masking(config, files, training, replicas, found)
    return Run(
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
