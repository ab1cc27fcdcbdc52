"""From a checkpoint of ours to a folder of Hugging Face's, and back."""

from __future__ import annotations

import dataclasses
import os
import shutil
from typing import Any, Callable, NamedTuple, Optional, Sequence

import numpy as np

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import (
    guard,
    huggingface,
    huggingface_tokenizer,
    restoring,
    storage,
)
from albert.checkpoints.export import CHECKPOINT_NAME
from albert.modeling.config import AlbertConfig, EncoderConfig
from albert.modeling.encoder import load_encoder_config
from albert.modeling.published_config import BertConfig
from albert.text.vocabulary import Vocabulary, identify, load_vocabulary

HUGGINGFACE = "huggingface"
_LABELS_FILE = "labels.json"
_OUTPUT_WEIGHTS, _OUTPUT_BIAS = "output_weights", "output_bias"


class Labels(NamedTuple):
    """The labels of a model in our form.

    Attributes:
        order: the id there of each label here.
        description: what `labels.json` holds.
    """

    order: list[int]
    description: dict[str, Any]


# (labels by id, do_lower_case, longest input) -> ours; UserError where they fit none.
LabelArranger = Callable[[Sequence[str], bool, int], Labels]


@dataclasses.dataclass(frozen=True)
class Model:
    """A model on its way from one form to another.

    Attributes:
        config: of the encoder.
        variables: name -> value; encoder and heads.
        vocabulary: its tokens.
        do_lower_case: whether its text is lower-cased.
        labels: of a model that labels tokens, by id; None for others.
        description: what `labels.json` says of a fine-tuned model of ours.
        notes: what was lost on the way, a line each.
    """

    config: EncoderConfig
    variables: dict[str, np.ndarray]
    vocabulary: Vocabulary
    do_lower_case: bool
    labels: Optional[list[str]] = None
    description: Optional[dict[str, Any]] = None
    notes: tuple[str, ...] = ()


def _find(name: str, folders: Sequence[str], given: Optional[str], flag: str) -> str:
    for path in [given] if given else [os.path.join(f, name) for f in folders]:
        if os.path.exists(path):
            return path
    raise UserError(f"no {name} beside the checkpoint; give --{flag}")


def _read_description(
    names: Sequence[str], config: EncoderConfig, folders: Sequence[str]
) -> Optional[dict[str, Any]]:
    """Return what `labels.json` says of a model with a head of ours, by its names."""
    pretrained = (f"{config.scope}/", "generator/", *restoring.PRETRAINING_HEADS)
    if all(name.startswith(pretrained) for name in names):
        return None
    if _OUTPUT_WEIGHTS in names:
        return files.read_json(_find(_LABELS_FILE, folders, None, "from"))
    paths = [os.path.join(folder, _LABELS_FILE) for folder in folders]
    return next((files.read_json(p) for p in paths if os.path.exists(p)), None)


def read_tensorflow(
    checkpoint: str,
    config_file: Optional[str] = None,
    vocab_file: Optional[str] = None,
    do_lower_case: bool = True,
) -> Model:
    """Read a checkpoint of ours, or a published one.

    Args:
        checkpoint: its prefix.
        config_file, vocab_file: where they do not lie beside it, or one folder above.
        do_lower_case: of a model that does not say so itself.

    Raises:
        UserError: a file is missing or does not fit the others.
    """
    folder = os.path.dirname(checkpoint) or "."
    folders = [folder, os.path.dirname(os.path.abspath(folder))]
    config_file = _find(guard.CONFIG_FILE, folders, config_file, "bert_config_file")
    vocab_file = _find(guard.VOCABULARY_FILE, folders, vocab_file, "vocab_file")
    names = restoring.slim_names(checkpoint)
    shapes = storage.read_shapes(checkpoint)
    guard.check_companions(config_file, vocab_file, checkpoint, shapes)
    config = load_encoder_config(config_file)
    description = _read_description(names, config, folders)
    if description is not None:
        do_lower_case = description["config"]["do_lower_case"]
    labels = list(description["labels"]) if _OUTPUT_WEIGHTS in names else None
    return Model(
        config,
        restoring.read_model(checkpoint, names),
        load_vocabulary(vocab_file),
        do_lower_case,
        labels,
        description,
    )


def read_huggingface(folder: str, form: Optional[str] = None) -> Model:
    """Read a folder of Hugging Face's.

    Args:
        form: the architecture that it is wanted in. A BERT that was an albert_zh model
            is read as that unless this is "bert": once fine-tuned elsewhere, its layers
            are no copies any more.

    Raises:
        UserError: weights, configuration or vocabulary are missing, damaged, unknown or
            do not fit each other.
    """
    config = huggingface.read_config(folder, form)
    path = os.path.join(folder, huggingface_tokenizer.VOCABULARY_NAME)
    vocabulary = Vocabulary(huggingface_tokenizer.read_tokens(folder), path=path)
    guard.check_vocabulary_size(identify(vocabulary), config)
    weights = huggingface.read_weights(folder)
    found = huggingface.from_tensors(config, weights, folder)
    notes = [f"left out: {name}" for name in found.left_out]
    return Model(
        config,
        found.values,
        vocabulary,
        huggingface_tokenizer.find_lower_case(folder),
        huggingface.read_labels(folder),
        notes=tuple(notes),
    )


def change_architecture(
    model: Model, architecture: str, embedding_size: int = 128
) -> Model:
    """Return the same function as a model of another architecture.

    An albert_zh model is a BERT whose layers are copies and whose word table is a
    product; a BERT is an albert_zh model where it is such a one.

    Args:
        architecture: "bert" or "albert_zh"; any other must be the model's own.
        embedding_size: of the albert_zh model.

    Raises:
        UserError: the model is none of that architecture.
    """
    config = model.config
    if architecture == config.architecture:
        return model
    shared = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(BertConfig)
        if hasattr(config, field.name)
    }
    if architecture == "bert" and isinstance(config, AlbertConfig):
        target: EncoderConfig = BertConfig(**shared)
    elif architecture == "albert_zh" and isinstance(config, BertConfig):
        target = AlbertConfig(**shared, embedding_size=embedding_size)
    else:
        raise UserError(
            f"a model of the architecture {config.architecture} is none of "
            f"{architecture}"
        )
    tensors = huggingface.to_tensors(config, model.variables)
    found = huggingface.from_tensors(target, tensors.values, "the model")
    return dataclasses.replace(
        model,
        config=target,
        variables={
            **found.values,
            **{name: model.variables[name] for name in tensors.left_out},
        },
    )


def write_vocabulary(model: Model, folder: str) -> None:
    """Write the vocabulary, and files that give our tokens with `transformers`."""
    tokens = "".join(f"{token}\n" for token in model.vocabulary.tokens)
    files.write_text(os.path.join(folder, guard.VOCABULARY_FILE), tokens)
    tokenizer = huggingface_tokenizer.describe_tokenizer(
        model.vocabulary, model.do_lower_case
    )
    huggingface.write_json(folder, huggingface_tokenizer.TOKENIZER_NAME, tokenizer)
    config = huggingface_tokenizer.describe_tokenizer_config(
        model.do_lower_case, model.config.max_position_embeddings
    )
    name = huggingface_tokenizer.TOKENIZER_CONFIG_NAME
    huggingface.write_json(folder, name, config)


def write_huggingface(model: Model, folder: str) -> list[str]:
    """Write weights, config, vocabulary and tokeniser to an empty folder.

    Transition scores of a CRF go into a file beside the weights.

    Returns:
        What was written, and what has no place there, a line each.
    """
    tensors = huggingface.to_tensors(model.config, model.variables)
    labels = model.labels
    described = huggingface.describe(model.config, tensors.values, labels)
    weights = os.path.join(folder, huggingface.WEIGHTS_NAME)
    huggingface.write_weights(weights, tensors.values)
    huggingface.write_json(folder, huggingface.CONFIG_NAME, described)
    write_vocabulary(model, folder)
    notes = [f"{described['architectures'][0]}: {len(tensors.values)} tensors"]
    for name in tensors.left_out:
        if name == huggingface.TRANSITIONS:
            scores = model.variables[name].tolist()
            value = {"labels": labels, "transitions": scores}
            huggingface.write_json(folder, huggingface.TRANSITIONS_NAME, value)
            notes.append(
                f"not converted: the transition scores of the CRF, which "
                f"{described['architectures'][0]} has no place for; they lie in "
                f"{huggingface.TRANSITIONS_NAME}"
            )
        else:
            notes.append(f"left out: {name}")
    return notes


def write_tensorflow(
    model: Model, folder: str, arrange_labels: Optional[LabelArranger] = None
) -> list[str]:
    """Write checkpoint, config and vocabulary to an empty folder, in our form.

    A fine-tuned model of ours keeps its `labels.json`, and labels as before.

    Args:
        arrange_labels: turns the labels of another tool's model into ours; None to
            leave its head out.

    Returns:
        What was written, a line each.
    """
    variables = dict(model.variables)
    if model.description is not None:
        files.write_json(os.path.join(folder, _LABELS_FILE), model.description)
    elif model.labels is not None and arrange_labels is None:
        variables.pop(_OUTPUT_WEIGHTS, None)
        variables.pop(_OUTPUT_BIAS, None)
    elif model.labels is not None:
        labels = arrange_labels(
            model.labels, model.do_lower_case, model.config.max_position_embeddings
        )
        for name in (_OUTPUT_WEIGHTS, _OUTPUT_BIAS):
            variables[name] = variables[name][labels.order]
        files.write_json(os.path.join(folder, _LABELS_FILE), labels.description)
    storage.write_variables(os.path.join(folder, CHECKPOINT_NAME), variables)
    storage.write_state(folder, CHECKPOINT_NAME)
    files.write_json(os.path.join(folder, guard.CONFIG_FILE), model.config.to_dict())
    tokens = "".join(f"{token}\n" for token in model.vocabulary.tokens)
    files.write_text(os.path.join(folder, guard.VOCABULARY_FILE), tokens)
    return [f"{model.config.architecture}: {len(variables)} variables"]


def write_whole(folder: str, write: Callable[[str], list[str]]) -> list[str]:
    """Call `write` with a new folder, which gets the name `folder` when it is done.

    Raises:
        UserError: something stands there already.
    """
    folder = os.path.normpath(folder)
    if os.path.lexists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise UserError(f"{folder} exists; give a folder that does not")
    temporary = f"{folder}.tmp-{os.getpid()}"
    try:
        os.makedirs(temporary)
        notes = write(temporary)
        files.replace_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return notes
