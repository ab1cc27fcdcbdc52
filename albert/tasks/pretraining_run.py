"""All that a pretraining run is made of, read and checked before it starts."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Mapping, Optional

from albert.base.settings import Settings, list_settings
from albert.checkpoints import guard
from albert.checkpoints.initial import resolve_init
from albert.evaluation.config import HeldOutConfig
from albert.evaluation.evaluator import CheckpointEvaluator
from albert.modeling.config import EncoderConfig, check_segments
from albert.modeling.encoder import EncoderBuilder
from albert.records.damage import Readable, find_readable
from albert.records.expected import ExpectedRecords
from albert.records.features import MASKED_LM
from albert.records.inspection import Inspection, check_records
from albert.tasks.input_shard import InputShard, assign_files
from albert.tasks.pretraining_config import RunConfig, RunFiles
from albert.tasks.record_files import RecordFiles
from albert.text.vocabulary import VocabularyId, identify, load_vocabulary
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.replicas import set_up_devices
from albert.training.start import Start, check_start, has_ended
from albert.training.task import Task


def without_paths(settings: Settings) -> dict[str, Any]:
    """Return the values of settings by their flags; a file may have several names."""
    declared = [each for each in list_settings(type(settings)) if each.path is None]
    return {each.flag: getattr(settings, each.name) for each in declared}


@dataclasses.dataclass(frozen=True)
class Run:
    """All that a run is made of, once it has been checked.

    What a kind of pretraining adds to it is said by its subclass.
    """

    task: Task
    train_data: RecordFiles
    eval_data: RecordFiles
    build_encoder: EncoderBuilder
    model: EncoderConfig
    vocabulary: Optional[VocabularyId]
    files: RunFiles
    config: RunConfig
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

    @property
    def flags_in_common(self) -> dict[str, Any]:
        """The flags that several machines must have alike, beside `TrainingConfig`."""
        return {**without_paths(self.config), **without_paths(self.held_out)}

    @property
    def needs_scratch(self) -> bool:
        """Whether `find_start` writes files."""
        return False

    def find_start(self, scratch: Optional[str]) -> Start:
        """Return where training starts.

        Args:
            scratch: a folder that stays until training has ended, where one is needed.
        """
        del scratch
        return check_start(self.task, self.build_encoder, self.training, self.replicas)

    @property
    def trained_with(self) -> Mapping[str, Any]:
        """The flags to keep with the model, for those who evaluate it."""
        return {}

    def warn_of_labels(self, checkpoint: str) -> None:
        """Say so where a checkpoint was trained for other labels than are scored."""
        del checkpoint

    def explain(
        self, results: Mapping[str, float], max_records: Optional[int]
    ) -> Mapping[str, float | str]:
        """Return what says what the scores on held-out records are worth.

        Args:
            results: of an evaluation.
            max_records: that were evaluated at most, None for all.
        """
        del results, max_records
        return {}

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


def set_up(
    config: RunConfig, training: TrainingConfig, replicas: ReplicaConfig
) -> TrainingConfig:
    """Make the devices; return the config with the checkpoint to start from found."""
    set_up_devices(replicas, join=config.do_train and not has_ended(training))
    trains = config.do_train and not (
        replicas.cluster and replicas.cluster.is_evaluator
    )
    return resolve_init(training, trains)


def inspect_records(
    config: RunConfig,
    files: RunFiles,
    model: EncoderConfig,
    objective: str = MASKED_LM,
) -> tuple[Inspection, Readable]:
    """Compare all records with the flags; return what they are, and readable ones.

    Args:
        objective: what they must be made for, see `albert.records.features`.

    Raises:
        UserError: a file, the vocabulary or a length does not fit.
    """
    given = None
    if files.vocab_file:
        given = identify(load_vocabulary(files.vocab_file))
        guard.check_vocabulary_size(given, model)
    names = list(dict.fromkeys([*files.train_files, *files.eval_files]))
    readable = find_readable(names) if config.skip_corrupt_records else {}
    most = config.max_predictions_per_seq if objective == MASKED_LM else None
    expected = ExpectedRecords(
        config.max_seq_length, most, model.vocab_size, given, objective
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


def find_shard(files: RunFiles, replicas: ReplicaConfig) -> InputShard:
    """Return what this machine trains on."""
    cluster = replicas.cluster
    if cluster is None or cluster.is_evaluator:
        return InputShard(files.train_files)
    return assign_files(files.train_files, cluster.index, cluster.size)
