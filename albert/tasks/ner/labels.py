"""A labelling model in its folder: `labels.json`, and what must fit together.

The folder holds, beside what training writes there, the labels and settings of the
model, so that it can label text by itself.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Mapping, NamedTuple, Optional

import tensorflow as tf

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import guard as model_dir
from albert.modeling.config import EncoderConfig
from albert.modeling.encoder import load_encoder_config
from albert.tasks.ner.config import NerConfig, NerRunConfig
from albert.tasks.ner.conll import ConllFile
from albert.tasks.ner.tag_schemes import (
    LabelSet,
    collect_labels,
    detect_scheme,
    find_scheme,
)
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import identify, load_vocabulary

LABELS_FILE = "labels.json"

# Settings that a trained model cannot change.
_FIXED_SETTINGS = ("head", "do_lower_case")


class NerModel(NamedTuple):
    """What labelling needs beside a checkpoint."""

    encoder: EncoderConfig
    config: NerConfig
    label_set: LabelSet
    tokenizer: Tokenizer


def save_labels(output_dir: str, label_set: LabelSet, config: NerConfig) -> None:
    """Write the labels and settings of a model to its folder."""
    value = {
        "scheme": label_set.scheme.name,
        "types": list(label_set.types),
        "labels": label_set.labels,
        "config": dataclasses.asdict(config),
    }
    files.write_json(os.path.join(output_dir, LABELS_FILE), value)


def load_labels(output_dir: str) -> Optional[tuple[LabelSet, NerConfig]]:
    """Return what `save_labels` wrote, None where there is nothing."""
    path = os.path.join(output_dir, LABELS_FILE)
    if not os.path.exists(path):
        return None
    value = files.read_json(path)
    try:
        label_set = LabelSet(find_scheme(value["scheme"]), tuple(value["types"]))
        return label_set, NerConfig(**value["config"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} does not hold a model's labels: {error}") from error


def _check_same(
    output_dir: str,
    stored: tuple[LabelSet, NerConfig],
    label_set: LabelSet,
    config: NerConfig,
) -> None:
    """Stop when a model directory was trained for other labels or otherwise."""
    trained, settings = stored
    pairs = [("scheme", trained.scheme.name, label_set.scheme.name)]
    pairs.append(("types", ", ".join(trained.types), ", ".join(label_set.types)))
    pairs += [(n, getattr(settings, n), getattr(config, n)) for n in _FIXED_SETTINGS]
    for name, before, now in pairs:
        if before != now:
            raise UserError(
                f"{output_dir} holds a model with {name} {before}, this run has "
                f"{now}; give another output_dir or the same {name}"
            )


def choose_labels(
    output_dir: str, given: Mapping[str, Any], train_file: Optional[ConllFile]
) -> tuple[LabelSet, NerConfig]:
    """Return labels and settings: of the training data, or of the trained model.

    Args:
        output_dir: the model's folder.
        given: settings of `NerConfig` that the user named.
        train_file: the data, None where the trained model is to be used.

    Raises:
        UserError: there is no model to use, or one that was trained otherwise.
    """
    has_model = tf.train.latest_checkpoint(output_dir) is not None
    stored = load_labels(output_dir) if has_model else None
    if train_file is not None:
        tags = {tag for sentence in train_file.sentences for tag in sentence.tags or ()}
        label_set = collect_labels(tags, detect_scheme(tags))
        config = NerConfig(**given)
        if not label_set.types:
            raise UserError(f"{train_file.path} holds no entity: every tag is O")
    elif stored is not None:
        label_set = stored[0]
        config = dataclasses.replace(stored[1], **given)
    else:
        raise UserError(
            f"--output_dir: {output_dir} holds no trained model; give --do_train, or "
            "the folder of one"
        )
    if stored is not None:
        _check_same(output_dir, stored, label_set, config)
    return label_set, config


def load_model(run: NerRunConfig, label_set: LabelSet, config: NerConfig) -> NerModel:
    """Read the encoder's config and the vocabulary; check that all fits together.

    Raises:
        UserError: a file is missing or wrong, or the vocabulary is not the one that
            lies beside the checkpoint.
    """
    folder = run.output_dir
    config_file = run.config_file or os.path.join(folder, model_dir.CONFIG_FILE)
    vocab_file = run.vocab_file or os.path.join(folder, model_dir.VOCABULARY_FILE)
    encoder = load_encoder_config(config_file, "bert_config_file")
    vocabulary = load_vocabulary(vocab_file)
    model_dir.check_vocabulary_size(identify(vocabulary), encoder)
    for checkpoint in (tf.train.latest_checkpoint(folder), run.init_checkpoint):
        if checkpoint:
            model_dir.check_pair(encoder, vocabulary, checkpoint)
    model_dir.check_length(config.max_seq_length, encoder)
    tokenizer = Tokenizer(vocabulary, config.do_lower_case)
    return NerModel(encoder, config, label_set, tokenizer)
