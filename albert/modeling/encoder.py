"""Encoders: the table of architectures, and their configurations in files."""

from __future__ import annotations

import functools
from typing import Any, Callable, Mapping, NamedTuple, Optional

from albert.base import files
from albert.base.errors import UserError
from albert.modeling.albert_zh import build_albert_zh
from albert.modeling.bert import build_bert
from albert.modeling.bilstm import build_bilstm
from albert.modeling.config import DEFAULT_ARCHITECTURE, AlbertConfig, EncoderConfig
from albert.modeling.conv import build_conv
from albert.modeling.electra import build_electra
from albert.modeling.google_albert import build_google_albert
from albert.modeling.huggingface_config import MODEL_TYPE, from_huggingface
from albert.modeling.local_config import (
    BilstmConfig,
    ConvConfig,
    EmbeddingsConfig,
    TextCnnConfig,
)
from albert.modeling.output import EncoderOutput
from albert.modeling.published_config import (
    BertConfig,
    ElectraConfig,
    GoogleAlbertConfig,
)
from albert.modeling.textcnn import build_textcnn
from albert.modeling.vectors import build_embeddings

# What builds an encoder's graph:
#
#     build(input_ids, input_mask, segment_ids, training=False, positions=None, *,
#           config, dtype=tf.float32, scope=<the class's>, embeddings_scope=None)
#
# input_ids, input_mask (1 for tokens, 0 for padding) and segment_ids: int32, [B, T].
# training: whether dropout is on.
# positions: int32, [B, P], the positions whose output is read; `sequence` then holds
#     these alone, with the same values.
# config: of the architecture's class; a task gets a builder with it filled in.
# dtype: the type of matrix products; variables and outputs are float32.
# scope: where the variables lie, within the current scope.
# embeddings_scope: a scope whose embeddings are used in place of its own; they are made
#     where they are not there yet. So two encoders of one graph share them. Their
#     shapes must be equal.
EncoderBuilder = Callable[..., EncoderOutput]


class Architecture(NamedTuple):
    """A row of the table.

    Attributes:
        config_class: its fields, defaults and checks; names the row.
        build: see `EncoderBuilder`.
    """

    config_class: type[EncoderConfig]
    build: EncoderBuilder


ARCHITECTURES = {
    row.config_class.architecture: row
    for row in (
        Architecture(AlbertConfig, build_albert_zh),
        Architecture(GoogleAlbertConfig, build_google_albert),
        Architecture(BertConfig, build_bert),
        Architecture(ElectraConfig, build_electra),
        Architecture(ConvConfig, build_conv),
        Architecture(TextCnnConfig, build_textcnn),
        Architecture(BilstmConfig, build_bilstm),
        Architecture(EmbeddingsConfig, build_embeddings),
    )
}


def make_encoder_builder(config: EncoderConfig) -> EncoderBuilder:
    """Return the builder of the config's architecture with `config` filled in."""
    return functools.partial(ARCHITECTURES[config.architecture].build, config=config)


def parse_encoder_config(values: Mapping[str, Any], where: str) -> EncoderConfig:
    """Return the configuration that a JSON object holds.

    Args:
        values: the object; of Hugging Face's where it has the key `model_type`. Else
            its key `architecture` names the row; where that is absent, the row is meant
            whose `marks` the object has, or else "albert_zh".
        where: the file's name, for messages.

    Raises:
        UserError: an unknown architecture or key, a missing key, a value out of range.
    """
    if MODEL_TYPE in values:
        return from_huggingface(values, where)
    marked = [
        n
        for n, row in ARCHITECTURES.items()
        if set(row.config_class.marks) & set(values)
    ]
    name = values.get("architecture", (*marked, DEFAULT_ARCHITECTURE)[0])
    if not isinstance(name, str) or name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UserError(f"{where}: architecture must be one of {known}; got {name!r}")
    return ARCHITECTURES[name].config_class.from_dict(values, where)


def load_encoder_config(path: str, flag: Optional[str] = None) -> EncoderConfig:
    """Read a model's configuration from a JSON file; UserError names what is wrong."""
    try:
        values = files.read_json(path)
    except OSError as error:
        prefix = f"--{flag}: " if flag else ""
        raise UserError(f"{prefix}{path}: {error.strerror}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: not a JSON object")
    return parse_encoder_config(values, path)
