"""ELECTRA's pretraining: what its run is made of."""

from __future__ import annotations

import dataclasses
from typing import Any

from albert.base.errors import UserError
from albert.evaluation.config import HeldOutConfig
from albert.modeling.encoder import load_encoder_config, make_encoder_builder
from albert.modeling.published_config import ElectraConfig
from albert.records.expected import ExpectedRecords, check_objective
from albert.records.features import ELECTRA, metadata_path, read_metadata
from albert.tasks.electra.config import (
    ElectraFiles,
    ElectraRunConfig,
    ObjectiveConfig,
)
from albert.tasks.electra.masking import SpecialIds, count_slots
from albert.tasks.electra.presets import PRESETS
from albert.tasks.electra.source import NumberedRecords
from albert.tasks.electra.task import ElectraTask
from albert.tasks.pretraining_run import (
    Run,
    find_shard,
    find_vocabulary_file,
    inspect_records,
    set_up,
    without_paths,
)
from albert.text.vocabulary import (
    CLS,
    MASK,
    SEP,
    VocabularyId,
    load_vocabulary,
    parse_vocabulary,
)
from albert.training.config import ReplicaConfig, TrainingConfig


@dataclasses.dataclass(frozen=True)
class ElectraRun(Run):
    """What a run is made of, its networks and losses included."""

    objective: ObjectiveConfig

    @property
    def flags_in_common(self) -> dict[str, Any]:
        """See `Run.flags_in_common`."""
        return {**super().flags_in_common, **without_paths(self.objective)}


def _count_tokens(files: ElectraFiles) -> int:
    """Return the size of the vocabulary, of the flag or of the records' metadata."""
    if files.vocab_file:
        return len(load_vocabulary(files.vocab_file))
    first = files.train_files[0]
    metadata = read_metadata(first)
    check_objective(first, metadata, ELECTRA)
    if metadata is None:
        raise UserError(
            f"no metadata beside {first} name the vocabulary of its records; give "
            "--vocab_file"
        )
    return parse_vocabulary(metadata.get("vocabulary"), metadata_path(first)).size


def load_model(config: ElectraRunConfig, files: ElectraFiles) -> ElectraConfig:
    """Return the config of the discriminator, of a file or of a published size.

    Raises:
        UserError: neither is named, or the file is of another architecture.
    """
    if files.config_file is None:
        if config.model_size is None:
            known = ", ".join(PRESETS)
            raise UserError(f"give --bert_config_file, or --model_size: {known}")
        return PRESETS[config.model_size].make_config(_count_tokens(files))
    model = load_encoder_config(files.config_file, "bert_config_file")
    if not isinstance(model, ElectraConfig):
        raise UserError(
            f"{files.config_file}: architecture must be electra, got "
            f'{model.architecture}; add "architecture": "electra" to a published file'
        )
    return model


def _find_special_ids(files: ElectraFiles, named: VocabularyId | None) -> SpecialIds:
    """Return the ids of [CLS], [SEP] and [MASK] in the records' vocabulary."""
    path = find_vocabulary_file(files.vocab_file, named)
    if path is None:
        raise UserError("masking needs the records' vocabulary: give --vocab_file")
    ids = load_vocabulary(path).ids
    return SpecialIds(*(ids[token] for token in (CLS, SEP, MASK)))


def check_slots(
    config: ElectraRunConfig, objective: ObjectiveConfig, max_seq_length: int
) -> None:
    """Raise UserError unless the flag names the slots that there are."""
    slots = count_slots(objective.mask_prob, max_seq_length)
    given = config.max_predictions_per_seq
    made = f"mask_prob {objective.mask_prob:g} and records of {max_seq_length} tokens"
    if slots < 1:
        raise UserError(f"{made} leave nothing to mask; raise mask_prob")
    if given not in (None, slots):
        raise UserError(
            f"max_predictions_per_seq {given} does not follow from {made}, which make "
            f"it {slots}; leave it out"
        )


def make_run(
    config: ElectraRunConfig,
    objective: ObjectiveConfig,
    files: ElectraFiles,
    training: TrainingConfig,
    held_out: HeldOutConfig,
    replicas: ReplicaConfig,
) -> ElectraRun:
    """Make the devices, look at all inputs, and return what the run is made of."""
    model = load_model(config, files)
    training = set_up(config, training, replicas)
    found, readable = inspect_records(config, files, model, ELECTRA)
    check_slots(config, objective, found.max_seq_length)
    task = ElectraTask(
        model,
        objective,
        found.max_seq_length,
        _find_special_ids(files, found.vocabulary),
        training.random_seed,
        config.length_buckets,
    )
    expected = ExpectedRecords(
        found.max_seq_length, None, model.vocab_size, objective=ELECTRA
    )
    shard = find_shard(files, replicas)
    train_data = NumberedRecords(
        shard.files,
        expected,
        config.shuffle_buffer,
        training.random_seed,
        readable,
        config.length_buckets,
        (shard.index, shard.num_shards),
        machine=replicas.cluster.index if replicas.num_machines > 1 else 0,
    )
    eval_files = files.eval_files or files.train_files
    return ElectraRun(
        task,
        train_data,
        NumberedRecords(eval_files, expected, readable=readable),
        make_encoder_builder(model),
        model,
        found.vocabulary,
        files,
        config,
        training,
        held_out,
        replicas,
        objective,
    )
