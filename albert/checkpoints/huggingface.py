"""Models of Hugging Face's BERT, ALBERT and ELECTRA: weights and folders, both ways."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from albert.base import files
from albert.base.errors import UserError
from albert.base.optional import extra
from albert.checkpoints.huggingface_names import (
    MASKED_LM_HEADS,
    PROJECTION,
    REDUNDANT,
    WORDS,
    Row,
    decoder_name,
    list_rows,
    model_type,
    words_name,
)
from albert.modeling.config import AlbertConfig, EncoderConfig
from albert.modeling.huggingface_config import from_huggingface, to_huggingface

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
TORCH_NAME = "pytorch_model.bin"
TRANSITIONS_NAME = "crf_transitions.json"
TRANSITIONS = "crf/transitions"

# Relative to the largest value: what counts as equal among copies of one layer, and as
# a word table of low rank. float32 has 7 digits.
_ROUNDING = 1e-5

Arrays = Mapping[str, np.ndarray]


class Tensors(NamedTuple):
    """Weights by their names, and what of the model they do not hold."""

    values: dict[str, np.ndarray]
    left_out: list[str]


def is_folder(path: str) -> bool:
    """Whether a folder is of Hugging Face's form: its `config.json` names a type."""
    config = os.path.join(path, CONFIG_NAME)
    if not os.path.isfile(config):
        return False
    values = files.read_json(config)
    return isinstance(values, dict) and "model_type" in values


def to_tensors(config: EncoderConfig, variables: Arrays) -> Tensors:
    """Return a model's weights as Hugging Face's classes name them.

    Shared layers are repeated, and the factors of the word table multiplied. Heads that
    the checkpoint lacks are left out.

    Args:
        config: of the model.
        variables: name -> value, of a checkpoint without training state.

    Raises:
        UserError: a variable of the encoder is missing, or their classes have none.
    """
    to_huggingface(config)  # says what cannot be converted
    values: dict[str, np.ndarray] = {}
    used = {WORDS, PROJECTION}
    prefix = f"{model_type(config)}."
    rows = list_rows(config, variables)
    for row in rows:
        if row.ours in variables:
            used.add(row.ours)
            value = variables[row.ours]
            values[row.theirs] = np.ascontiguousarray(
                value.T if row.transposed else value
            )
        elif row.theirs.startswith(prefix) and "/pooler/" not in row.ours:
            raise UserError(f"the checkpoint lacks {row.ours}: is it of this config?")
    if isinstance(config, AlbertConfig):
        factors = [variables[name].astype(np.float64) for name in (WORDS, PROJECTION)]
        values[words_name(config)] = np.matmul(*factors).astype(np.float32)
    return Tensors(values, sorted(set(variables) - used))


def _clean(tensors: Arrays) -> dict[str, np.ndarray]:
    """Return tensors by their present names: early ones had gamma and beta."""
    renamed = {}
    for name, value in tensors.items():
        for old, new in (("LayerNorm.gamma", "weight"), ("LayerNorm.beta", "bias")):
            if name.endswith(old):
                name = f"{name[: -len(old)]}LayerNorm.{new}"
        renamed[name] = value
    return renamed


def _factorise(words: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return [V, E] and [E, H] whose product is `words` [V, H]; UserError if none."""
    wide = words.astype(np.float64)
    # The eigenvectors of [H, H]: its size does not grow with the vocabulary.
    _, vectors = np.linalg.eigh(wide.T @ wide)
    projection = vectors[:, ::-1][:, :width].T  # [E, H], the largest first
    narrow = wide @ projection.T
    error = np.abs(narrow @ projection - wide).max() / np.abs(wide).max()
    if error > _ROUNDING:
        raise UserError(
            f"the word embeddings are no product of a table of embedding_size {width}: "
            f"the best one differs by {error:.1g} of the largest value"
        )
    return narrow.astype(np.float32), projection.astype(np.float32)


def _collect(rows: Sequence[Row], tensors: Arrays) -> dict[str, np.ndarray]:
    """Return our variables; UserError where copies of a shared one differ."""
    variables: dict[str, np.ndarray] = {}
    for row in rows:
        if row.theirs not in tensors:
            continue
        value = tensors[row.theirs]
        value = np.ascontiguousarray(value.T if row.transposed else value)
        first = variables.setdefault(row.ours, value)
        if first is not value and (
            first.shape != value.shape
            or np.abs(first - value).max() > _ROUNDING * np.abs(first).max()
        ):
            raise UserError(
                f"{row.theirs} differs from the layers before it: the model shares no "
                "layers; convert it with --format=bert"
            )
    return variables


def from_tensors(config: EncoderConfig, tensors: Arrays, where: str) -> Tensors:
    """Return the variables of a model whose weights have Hugging Face's names.

    Args:
        config: of our model; an albert_zh one takes the weights of a BERT whose layers
            are copies and whose word table is a product, as `to_tensors` makes it.
        tensors: name -> value, with or without the prefix of the encoder.
        where: the folder, for messages.

    Raises:
        UserError: a weight of the encoder is missing or does not fit the config.
    """
    tensors = _clean(tensors)
    prefix = f"{model_type(config)}."
    if not any(name.startswith(prefix) for name in tensors):  # of the bare encoder
        tensors = {prefix + name: value for name, value in tensors.items()}
    rows = list_rows(config)
    words = words_name(config)
    needed = [words, *(r.theirs for r in rows if r.theirs.startswith(prefix))]
    missing = [n for n in needed if n not in tensors and ".pooler." not in n]
    if missing:
        raise UserError(f"{where}: the weights lack {missing[0]}")
    if list(tensors[words].shape)[0] != config.vocab_size:
        raise UserError(
            f"{where}: the word embeddings have {tensors[words].shape[0]} rows, the "
            f"config's vocab_size is {config.vocab_size}"
        )
    decoder = tensors.get(decoder_name(config))
    untied = decoder is not None and not np.array_equal(decoder, tensors[words])
    if untied:
        rows = [row for row in rows if not row.ours.startswith(MASKED_LM_HEADS)]
    variables = _collect(rows, tensors)
    if isinstance(config, AlbertConfig):
        factors = _factorise(tensors[words], config.embedding_size)
        variables[WORDS], variables[PROJECTION] = factors
    known = {row.theirs for row in rows} | {words}
    if not untied:
        known.add(decoder_name(config))
    left_out = {n for n in set(tensors) - known if not n.endswith(REDUNDANT)}
    return Tensors(variables, sorted(left_out))


def read_config(folder: str, form: Optional[str] = None) -> EncoderConfig:
    """Return our configuration of the model in a folder of Hugging Face's.

    Args:
        form: see `from_huggingface`.
    """
    path = os.path.join(folder, CONFIG_NAME)
    return from_huggingface(files.read_json(path), path, form)


def read_labels(folder: str) -> Optional[list[str]]:
    """Return the labels of a model of token classification, by id; None for others.

    Raises:
        UserError: its `id2label` does not number them from 0.
    """
    path = os.path.join(folder, CONFIG_NAME)
    values = files.read_json(path)
    named = "".join(values.get("architectures") or ())
    if "TokenClassification" not in named:
        return None
    labels = {str(key): name for key, name in (values.get("id2label") or {}).items()}
    if set(labels) != set(map(str, range(len(labels)))):
        raise UserError(f"{path}: id2label does not number its labels from 0")
    return [labels[str(index)] for index in range(len(labels))]


def read_weights(folder: str) -> dict[str, np.ndarray]:
    """Return name -> float32 value of the weights in a folder, whole or in shards.

    Raises:
        UserError: the folder has none, or a file of them is damaged.
    """
    index = os.path.join(folder, INDEX_NAME)
    if os.path.exists(os.path.join(folder, WEIGHTS_NAME)):
        names = [WEIGHTS_NAME]
    elif os.path.exists(index):
        names = sorted(set(files.read_json(index)["weight_map"].values()))
    elif os.path.exists(os.path.join(folder, TORCH_NAME)):
        return _read_torch(os.path.join(folder, TORCH_NAME))
    else:
        raise UserError(
            f"{folder} holds no weights: neither {WEIGHTS_NAME} nor {TORCH_NAME}"
        )
    weights: dict[str, np.ndarray] = {}
    for name in names:
        weights.update(_read_safetensors(os.path.join(folder, name)))
    return weights


def _read_safetensors(path: str) -> dict[str, np.ndarray]:
    with extra("convert"):
        import safetensors
        from safetensors.numpy import load_file
    try:
        found = load_file(path)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from error
    return {name: value.astype(np.float32) for name, value in found.items()}


def _read_torch(path: str) -> dict[str, np.ndarray]:
    with extra("convert"):
        import torch
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch each raise their own
        raise UserError(f"{path} is damaged or cut short: {error}") from error
    return {name: value.float().numpy() for name, value in found.items()}


def choose_class(config: EncoderConfig, tensors: Arrays, labelled: bool) -> str:
    """Return the class of Hugging Face's that holds these weights."""
    stem = model_type(config).title()
    if labelled:
        return f"{stem}ForTokenClassification"
    if any(n.startswith("generator_") for n in tensors):
        return f"{stem}ForMaskedLM"
    starts = ("cls.", "predictions.", "discriminator_predictions.")
    heads = any(n.startswith(starts) for n in tensors)
    return f"{stem}ForPreTraining" if heads else f"{stem}Model"


def describe(
    config: EncoderConfig, tensors: Arrays, labels: Optional[Sequence[str]]
) -> dict[str, Any]:
    """Return the `config.json` of a model.

    Args:
        labels: of a model that labels tokens, by id; None for others.
    """
    value = {
        "architectures": [choose_class(config, tensors, labels is not None)],
        **to_huggingface(config),
        "dtype": "float32",
        "torch_dtype": "float32",  # as releases before 4.56 call it
    }
    if labels is not None:
        value["id2label"] = {str(i): label for i, label in enumerate(labels)}
        value["label2id"] = {label: i for i, label in enumerate(labels)}
    return value


def write_weights(path: str, tensors: Arrays) -> None:
    """Write a safetensors file that `transformers` loads."""
    with extra("convert"):
        from safetensors.numpy import save_file
    save_file(dict(tensors), path, metadata={"format": "pt"})


def write_json(folder: str, name: str, value: Any) -> None:
    """Write a JSON file of a folder that is being made."""
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
        file.write("\n")
