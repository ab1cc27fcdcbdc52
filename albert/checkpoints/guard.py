"""What lies beside checkpoints: the model's config, its vocabulary, and their guard.

A vocabulary and a checkpoint belong together, and nothing in a checkpoint says which.
So a model directory holds `model.json` with the hash of its vocabulary; published
checkpoints have `vocab.txt` beside them. Either is compared before a run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
import types
from typing import Any, Mapping, Optional

from absl import logging

from albert import __version__
from albert.base import files
from albert.base.compare import Difference, first_difference
from albert.base.errors import UserError
from albert.checkpoints.storage import check_name
from albert.checkpoints.training_id import (
    METADATA_FILE,
    TRAINING_ID,
    begin_or_continue,
)
from albert.modeling.config import DEFAULT_ARCHITECTURE, EncoderConfig
from albert.modeling.encoder import load_encoder_config
from albert.text.vocabulary import (
    Vocabulary,
    VocabularyId,
    identify,
    load_vocabulary,
    parse_vocabulary,
)

CONFIG_FILE = "albert_config.json"
CONFIG_PATTERN = "albert_config*.json"  # published ones are albert_config_tiny.json
VOCABULARY_FILE = "vocab.txt"
TRAINED_WITH = "trained_with"
COMPANIONS = (METADATA_FILE, CONFIG_FILE, VOCABULARY_FILE)


def vocabularies_beside(checkpoint: str) -> list[VocabularyId]:
    """Return the vocabularies that the folder of a checkpoint names."""
    folder = os.path.dirname(checkpoint)
    found = []
    vocabulary_file = os.path.join(folder, VOCABULARY_FILE)
    if os.path.exists(vocabulary_file):
        found.append(identify(load_vocabulary(vocabulary_file)))
    metadata = _read_metadata(folder)
    if metadata and metadata.get("vocabulary"):
        source = os.path.join(folder, METADATA_FILE)
        found.append(parse_vocabulary(metadata["vocabulary"], source, source))
    return found


def check_vocabulary_pair(
    vocabulary: Vocabulary | VocabularyId, checkpoint: str
) -> None:
    """Stop unless `vocabulary` is the one that lies beside `checkpoint`.

    Passes when nothing beside the checkpoint names a vocabulary.

    Raises:
        UserError: another vocabulary is named.
    """
    given = identify(vocabulary) if isinstance(vocabulary, Vocabulary) else vocabulary
    for found in vocabularies_beside(checkpoint):
        if not found.has_tokens_of(given):
            raise UserError(
                f"vocabulary and checkpoint do not belong together: {given.path} has "
                f"{given.size} tokens, sha256 {given.sha256[:12]}; {found.path}, "
                f"beside {os.path.basename(checkpoint)}, names one of {found.size} "
                f"tokens, sha256 {found.sha256[:12]}"
            )


def check_config_pair(config: EncoderConfig, checkpoint: str) -> None:
    """Stop unless `config` is of the model that lies beside `checkpoint`.

    Layers share their variables, so the number of layers and heads, the activation and
    the place of the norms leave no trace in a checkpoint. Dropout may differ.

    Raises:
        UserError: the config beside the checkpoint is of another model.
    """
    folder = os.path.dirname(checkpoint)
    metadata = _read_metadata(folder)
    beside = {}
    if metadata:
        beside[os.path.join(folder, METADATA_FILE)] = metadata["config"]
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), CONFIG_PATTERN))):
        with contextlib.suppress(UserError):  # of another layout: not this model's
            beside[path] = load_encoder_config(path).to_dict()
    mismatches = [_find_difference(config, found) for found in beside.values()]
    if mismatches and all(mismatches):
        name, found, given = mismatches[0]
        raise UserError(
            f"config and checkpoint do not belong together: {name} is {given}, but "
            f"{found} in {next(iter(beside))}, beside {os.path.basename(checkpoint)}"
        )


def check_pair(
    config: EncoderConfig, vocabulary: Vocabulary | VocabularyId | None, checkpoint: str
) -> None:
    """Stop unless config and vocabulary (where known) are those of `checkpoint`."""
    check_config_pair(config, checkpoint)
    if vocabulary is not None:
        check_vocabulary_pair(vocabulary, checkpoint)


def check_length(max_seq_length: int, config: EncoderConfig) -> None:
    """Stop when an input is longer than the model has positions."""
    if max_seq_length > config.max_position_embeddings:
        raise UserError(
            f"max_seq_length {max_seq_length} is more than the config's "
            f"max_position_embeddings {config.max_position_embeddings}"
        )


def check_vocabulary_size(vocabulary: VocabularyId, config: EncoderConfig) -> None:
    """Stop unless the model has as many word embeddings as there are tokens."""
    if vocabulary.size != config.vocab_size:
        raise UserError(
            f"the config's vocab_size is {config.vocab_size}, but {vocabulary.path} "
            f"has {vocabulary.size} tokens"
        )


def check_companions(
    config_file: str,
    vocabulary_file: str,
    checkpoint: str,
    shapes: Mapping[str, list[int]],
) -> None:
    """Stop unless a config, a vocabulary and a checkpoint are of one model.

    Args:
        shapes: name -> shape of the checkpoint's variables.

    Raises:
        UserError: the vocabulary has another size than the config, is not the one named
            beside the checkpoint, or the word embeddings have another shape.
    """
    config = load_encoder_config(config_file)
    vocabulary = identify(load_vocabulary(vocabulary_file))
    check_vocabulary_size(vocabulary, config)
    check_pair(config, vocabulary, checkpoint)
    wanted = [config.vocab_size, config.word_embedding_size]
    for name in shapes:
        if name.startswith("generator/"):  # embeddings of another width, in ELECTRA
            continue
        if name.endswith("embeddings/word_embeddings") and shapes[name] != wanted:
            raise UserError(
                f"checkpoint {checkpoint}: {name} has shape {shapes[name]}, but "
                f"{config_file} asks for {wanted}"
            )


def _read_metadata(folder: str) -> Optional[dict[str, Any]]:
    path = os.path.join(folder, METADATA_FILE)
    if not os.path.exists(path):
        return None
    metadata = files.read_json(path)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("config"), dict):
        raise UserError(f"{path} is not the metadata of a model: it names no config")
    return metadata


def read_training_flags(checkpoint: str) -> Mapping[str, Any]:
    """Return the flags that a checkpoint's folder keeps; earlier versions kept none."""
    return (_read_metadata(os.path.dirname(checkpoint)) or {}).get(TRAINED_WITH, {})


# Values that may change between runs of one model.
_FREE_VALUES = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "projection_initializer_range",
)


def _find_difference(
    config: EncoderConfig, found: Mapping[str, Any]
) -> Optional[Difference]:
    """Return the first value that a config beside a checkpoint has otherwise.

    Args:
        found: as `EncoderConfig.to_dict` gives it; extensions may be absent.
    """
    given = {"architecture": config.architecture, **dataclasses.asdict(config)}
    absent = {
        field.name: field.default
        for field in dataclasses.fields(config)
        if field.metadata.get("extension")
    }
    found = {"architecture": DEFAULT_ARCHITECTURE, **absent, **found}
    for name in _FREE_VALUES:
        given.pop(name, None)
    return first_difference(found, given)


def check_same_model(
    folder: str, config: EncoderConfig, vocabulary: Optional[VocabularyId]
) -> None:
    """Stop when `folder` holds a checkpoint of another config or vocabulary.

    A folder that was prepared, but holds no checkpoint yet, binds to nothing.
    """
    metadata = _read_metadata(folder)
    if metadata is None or not glob.glob(
        os.path.join(glob.escape(folder), "*.ckpt*.index")
    ):
        return
    path = os.path.join(folder, METADATA_FILE)
    difference = _find_difference(config, metadata["config"])
    if difference:
        raise UserError(
            f"{folder} holds another model: {path} has {difference.name} "
            f"{difference.found}, the config given has {difference.wanted}; give "
            "another output_dir or the same config"
        )
    if not (metadata.get("vocabulary") and vocabulary):
        return
    named = parse_vocabulary(metadata["vocabulary"], path)
    if not named.has_tokens_of(vocabulary):
        raise UserError(
            f"{folder} holds a model with another vocabulary: {path} names sha256 "
            f"{named.sha256[:12]}, {vocabulary.path} has {vocabulary.sha256[:12]}"
        )


def check_output_dir(output_dir: str, flag: str = "output_dir") -> None:
    """Stop unless files can be written to a folder, which need not exist yet."""
    check_name(output_dir, flag)
    folder = os.path.abspath(output_dir)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise UserError(f"--{flag}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"--{flag}: the folder {folder} is not writable")


def make_output_dir(output_dir: str, flag: str = "output_dir") -> None:
    """Make a folder, or check that an existing one can be written to."""
    check_output_dir(output_dir, flag)
    os.makedirs(output_dir, exist_ok=True)


def prepare(
    output_dir: str,
    config: EncoderConfig,
    vocabulary: Optional[VocabularyId] = None,
    vocabulary_file: Optional[str] = None,
    flag: str = "output_dir",
    trained_with: Mapping[str, Any] = types.MappingProxyType({}),
) -> None:
    """Make a model directory, or check that an existing one is of the same model.

    Writes `model.json` and `albert_config.json`, and `vocab.txt` where the file is
    known, so that the folder can serve as `init_checkpoint` later. What an earlier
    training left is moved aside where this one starts anew (see `training_id`).

    Args:
        vocabulary: names the vocabulary, None where nothing names it.
        vocabulary_file: a file to copy, which must be that vocabulary.
        trained_with: flags that evaluation asks for, see `read_training_flags`.

    Raises:
        UserError: the folder cannot be made or written, or holds another model.
    """
    check_output_dir(output_dir, flag)
    check_same_model(output_dir, config, vocabulary)
    make_output_dir(output_dir, flag)
    if vocabulary is not None:
        named = {"sha256": vocabulary.sha256, "size": vocabulary.size}
    else:  # a resumed run keeps the name that an earlier one found
        named = (_read_metadata(output_dir) or {}).get("vocabulary")
    files.write_json(os.path.join(output_dir, CONFIG_FILE), config.to_dict())
    if vocabulary_file is not None:
        with open(vocabulary_file, encoding="utf-8", newline="") as file:
            files.write_text(os.path.join(output_dir, VOCABULARY_FILE), file.read())
    metadata = {
        "version": __version__,
        "config": config.to_dict(),
        "vocabulary": named,
        TRAINING_ID: begin_or_continue(output_dir),
        **({TRAINED_WITH: dict(trained_with)} if trained_with else {}),
    }
    files.write_json(os.path.join(output_dir, METADATA_FILE), metadata)
    if named is None:
        path = os.path.join(output_dir, METADATA_FILE)
        message = "Nothing names the vocabulary of these records; %s cannot guard it"
        logging.warning(message, path)
