"""Pretraining by masked LM and pairs of segments: what its run is made of."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Mapping, Optional, Sequence

import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints import guard
from albert.evaluation.config import HeldOutConfig
from albert.modeling.encoder import load_encoder_config, make_encoder_builder
from albert.records.damage import Readable
from albert.records.expected import ExpectedRecords
from albert.records.inspection import Inspection
from albert.tasks.linear_schedule import parse_schedule
from albert.tasks.pretraining.baselines import (
    compare_with_counting,
    labels_are_plain,
    labels_are_tokens,
)
from albert.tasks.pretraining.config import (
    PretrainingConfig,
    PretrainingFiles,
)
from albert.tasks.pretraining.dynamic_masking import DynamicMasking, plan_masking
from albert.tasks.pretraining.objectives import (
    check_pairs,
    parse_objectives,
)
from albert.tasks.pretraining.source import RecordSource
from albert.tasks.pretraining.task import PretrainingTask
from albert.tasks.pretraining.vector_start import write_start
from albert.tasks.pretraining_run import (
    Run,
    find_shard,
    find_vocabulary_file,
    inspect_records,
    set_up,
)
from albert.text.vectors import read_vectors
from albert.text.vocabulary import load_vocabulary
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.replicas import choose_devices
from albert.training.start import Start, check_start, outline_model


@dataclasses.dataclass(frozen=True)
class PretrainingRun(Run):
    """What a run is made of, the training files one by one included, in order."""

    samples: Sequence[RecordSource] = ()

    @property
    def needs_scratch(self) -> bool:
        """Whether training starts from the vectors that the flags name, if any."""
        resumes = tf.train.latest_checkpoint(self.training.output_dir) is not None
        return self.files.init_vectors is not None and not resumes

    def find_start(self, scratch: Optional[str]) -> Start:
        """See `Run.find_start`; from vectors, where the flags name them."""
        if scratch is None:
            return super().find_start(scratch)
        if self.training.init_checkpoint:
            raise UserError("give one of --init_vectors and --init_checkpoint")
        vocabulary = find_vocabulary_file(self.files.vocab_file, self.vocabulary)
        if vocabulary is None:
            raise UserError("init_vectors needs the records' vocabulary: --vocab_file")
        parts = (self.task, self.build_encoder)
        path, prefix = self.files.init_vectors, os.path.join(scratch, "vectors.ckpt")
        write_start(
            prefix,
            read_vectors(path, load_vocabulary(vocabulary)),
            outline_model(*parts).shapes,
            self.model.initializer_range,
            self.training.random_seed,
            path,
        )
        training = dataclasses.replace(self.training, init_checkpoint=prefix)
        return check_start(*parts, training, self.replicas)

    @property
    def trained_with(self) -> Mapping[str, Any]:
        """See `Run.trained_with`."""
        return {"dynamic_masking": self.config.dynamic_masking}

    def warn_of_labels(self, checkpoint: str) -> None:
        """See `Run.warn_of_labels`; where records have plain labels, all agree."""
        given = self.config.dynamic_masking
        trained = guard.read_training_flags(checkpoint).get("dynamic_masking", given)
        names = self.files.eval_files or self.files.train_files
        if trained != given and not all(map(labels_are_plain, names)):
            logging.warning(
                "%s was trained with --dynamic_masking=%s and is scored with %s: in "
                "words one has labels as ##X where the other has X, so the scores say "
                "little",
                checkpoint,
                trained,
                given,
            )

    def explain(
        self, results: Mapping[str, float], max_records: Optional[int]
    ) -> Mapping[str, float | str]:
        """See `Run.explain`: what counting reaches on the same masks."""
        return compare_with_counting(
            results.get("masked_lm_accuracy"),
            self.samples,
            self.eval_data,
            self.model.vocab_size,
            self.config.dynamic_masking or labels_are_tokens(self.files.train_files),
            max_records,
        )


def _make_sources(
    files: PretrainingFiles,
    expected: ExpectedRecords,
    readable: Readable,
    config: PretrainingConfig,
    training: TrainingConfig,
    replicas: ReplicaConfig,
    masking: Optional[DynamicMasking],
) -> tuple[RecordSource, RecordSource, list[RecordSource]]:
    """Return what this machine trains on, what is evaluated on, and each file."""
    shard = find_shard(files, replicas)
    train_data = RecordSource(
        shard.files,
        expected,
        config.shuffle_buffer,
        training.random_seed,
        readable,
        config.length_buckets,
        (shard.index, shard.num_shards),
        dynamic_masking=masking,
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
    readable: Readable,
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
        readable,
    )


def make_run(
    config: PretrainingConfig,
    files: PretrainingFiles,
    training: TrainingConfig,
    held_out: HeldOutConfig,
    replicas: ReplicaConfig,
) -> PretrainingRun:
    """Make the devices, look at all inputs, and return what the run is made of."""
    model = load_encoder_config(files.config_file, "bert_config_file")
    training = set_up(config, training, replicas)
    found, readable = inspect_records(config, files, model)
    objectives = parse_objectives(config.objectives)
    check_pairs(objectives, (*files.train_files, *files.eval_files))
    lengths = (found.max_seq_length, found.max_predictions_per_seq)
    expected = ExpectedRecords(*lengths, model.vocab_size)
    masking = _plan_masking(config, files, training, replicas, found, readable)
    train_data, eval_data, samples = _make_sources(
        files, expected, readable, config, training, replicas, masking
    )
    return PretrainingRun(
        PretrainingTask(
            model,
            *lengths,
            config.length_buckets,
            objectives,
            training.num_train_steps,
        ),
        train_data,
        eval_data,
        make_encoder_builder(model),
        model,
        found.vocabulary,
        files,
        config,
        training,
        held_out,
        replicas,
        samples,
    )
