"""What lies beside checkpoints: the model's config, its vocabulary, and their guard.

A vocabulary and a checkpoint belong together, and nothing in a checkpoint says which.
So a model directory holds `model.json` with the hash of its vocabulary; published
checkpoints have `vocab.txt` beside them. Either is compared before a run.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Mapping, Optional, Sequence

from absl import logging

from albert import __version__, files
from albert.config.model import AlbertConfig, load_albert_config
from albert.errors import UserError
from albert.tokenization import Vocabulary, load_vocabulary

METADATA_FILE = "model.json"
CONFIG_FILE = "albert_config.json"
VOCABULARY_FILE = "vocab.txt"
COMPANIONS = (METADATA_FILE, CONFIG_FILE, VOCABULARY_FILE)


@dataclasses.dataclass(frozen=True)
class VocabularyId:
    """Names a vocabulary.

    Attributes:
        sha256: hex digest of the file's bytes.
        size: number of tokens.
        path: where it was read from, for messages.
    """

    sha256: str
    size: int
    path: str


def identify(vocabulary: Vocabulary) -> VocabularyId:
    """Return the name of a loaded vocabulary."""
    return VocabularyId(vocabulary.sha256, len(vocabulary), vocabulary.path)


def vocabularies_beside(checkpoint: str) -> list[VocabularyId]:
    """Return the vocabularies that the folder of a checkpoint names."""
    folder = os.path.dirname(checkpoint)
    found = []
    vocabulary_file = os.path.join(folder, VOCABULARY_FILE)
    if os.path.exists(vocabulary_file):
        found.append(identify(load_vocabulary(vocabulary_file)))
    metadata = _read_metadata(folder)
    if metadata and metadata.get("vocabulary"):
        named = metadata["vocabulary"]
        source = os.path.join(folder, METADATA_FILE)
        found.append(VocabularyId(named["sha256"], named["size"], source))
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
        if found.sha256 != given.sha256:
            raise UserError(
                f"vocabulary and checkpoint do not belong together: {given.path} has "
                f"{given.size} tokens, sha256 {given.sha256[:12]}; {found.path}, "
                f"beside {os.path.basename(checkpoint)}, names one of {found.size} "
                f"tokens, sha256 {found.sha256[:12]}"
            )


def check_vocabulary_size(vocabulary: VocabularyId, config: AlbertConfig) -> None:
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
    shapes: Mapping[str, Sequence[int]],
) -> None:
    """Stop unless a config, a vocabulary and a checkpoint are of one model.

    Args:
        shapes: name -> shape of the checkpoint's variables.

    Raises:
        UserError: the vocabulary has another size than the config, is not the one named
            beside the checkpoint, or the word embeddings have another shape.
    """
    config = load_albert_config(config_file)
    vocabulary = identify(load_vocabulary(vocabulary_file))
    check_vocabulary_size(vocabulary, config)
    check_vocabulary_pair(vocabulary, checkpoint)
    name = "bert/embeddings/word_embeddings"
    wanted = [config.vocab_size, config.embedding_size]
    if name in shapes and list(shapes[name]) != wanted:
        raise UserError(
            f"checkpoint {checkpoint}: {name} has shape {list(shapes[name])}, but "
            f"{config_file} asks for {wanted}"
        )


def _read_metadata(folder: str) -> Optional[dict[str, Any]]:
    path = os.path.join(folder, METADATA_FILE)
    return files.read_json(path) if os.path.exists(path) else None


def _check_same_model(
    folder: str, config: AlbertConfig, vocabulary: Optional[VocabularyId]
) -> None:
    """Stop when `folder` was begun with another config or vocabulary."""
    metadata = _read_metadata(folder)
    if metadata is None:
        return
    path = os.path.join(folder, METADATA_FILE)
    for name, wanted in config.to_dict().items():
        found = metadata["config"].get(name)
        if found != wanted:
            raise UserError(
                f"{folder} holds another model: {path} has {name} {found}, the config "
                f"given has {wanted}; give another output_dir or the same config"
            )
    named = metadata.get("vocabulary")
    if named and vocabulary and named["sha256"] != vocabulary.sha256:
        raise UserError(
            f"{folder} holds a model with another vocabulary: {path} names sha256 "
            f"{named['sha256'][:12]}, {vocabulary.path} has {vocabulary.sha256[:12]}"
        )


def prepare(
    output_dir: str,
    config: AlbertConfig,
    vocabulary: Optional[VocabularyId] = None,
    vocabulary_file: Optional[str] = None,
    flag: str = "output_dir",
) -> None:
    """Make a model directory, or check that an existing one is of the same model.

    Writes `model.json` and `albert_config.json`, and `vocab.txt` where the file is
    known, so that the folder can serve as `init_checkpoint` later.

    Args:
        vocabulary: names the vocabulary, None where nothing names it.
        vocabulary_file: a file to copy, which must be that vocabulary.

    Raises:
        UserError: the folder cannot be made or written, or holds another model.
    """
    try:
        os.makedirs(output_dir, exist_ok=True)
    except OSError as error:
        raise UserError(f"--{flag}: {output_dir}: {error.strerror}") from error
    if not os.access(output_dir, os.W_OK | os.X_OK):
        raise UserError(f"--{flag}: the folder {output_dir} is not writable")
    _check_same_model(output_dir, config, vocabulary)
    if vocabulary is not None:
        named = {"sha256": vocabulary.sha256, "size": vocabulary.size}
    else:  # a resumed run keeps the name that an earlier one found
        named = (_read_metadata(output_dir) or {}).get("vocabulary")
    files.write_json(os.path.join(output_dir, CONFIG_FILE), config.to_dict())
    if vocabulary_file is not None:
        with open(vocabulary_file, encoding="utf-8", newline="") as file:
            files.write_text(os.path.join(output_dir, VOCABULARY_FILE), file.read())
    metadata = {"version": __version__, "config": config.to_dict(), "vocabulary": named}
    files.write_json(os.path.join(output_dir, METADATA_FILE), metadata)
    if named is None:
        logging.warning(
            "Nothing names the vocabulary of these records; %s cannot guard it",
            os.path.join(output_dir, METADATA_FILE),
        )
