"""Configurations of Hugging Face's BERT, ALBERT and ELECTRA, and ours."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Union

from albert.base.errors import UserError
from albert.modeling.config import AlbertConfig, EncoderConfig
from albert.modeling.published_config import (
    BertConfig,
    ElectraConfig,
    GoogleAlbertConfig,
)

MODEL_TYPE = "model_type"  # the key that marks their files
# Under this key, a file that we wrote holds the albert_zh model that was unrolled.
ORIGIN = "albert_zh"

_LAYER_NORM_EPSILON = 1e-12

# Our activation -> theirs. Their "gelu" is the exact one.
_ACTIVATIONS = {
    "gelu": "gelu_new",
    "gelu_erf": "gelu",
    "relu": "relu",
    "tanh": "tanh",
    "linear": "linear",
}
_OUR_ACTIVATIONS = {
    **{theirs: ours for ours, theirs in _ACTIVATIONS.items()},
    "gelu_pytorch_tanh": "gelu",
    "gelu_python": "gelu_erf",
}

# What a file means that lacks a key: their classes' defaults.
_DEFAULTS = {
    "bert": {
        "vocab_size": 30522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
    },
    "electra": {
        "vocab_size": 30522,
        "embedding_size": 128,
        "hidden_size": 256,
        "num_hidden_layers": 12,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
    },
    "albert": {
        "vocab_size": 30000,
        "embedding_size": 128,
        "hidden_size": 4096,
        "num_hidden_layers": 12,
        "num_hidden_groups": 1,
        "num_attention_heads": 64,
        "intermediate_size": 16384,
        "inner_group_num": 1,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
    },
}
_CLASSES = {
    "bert": BertConfig,
    "albert": GoogleAlbertConfig,
    "electra": ElectraConfig,
}
# What their models can do and ours cannot: key -> the value that ours stands for.
_FIXED = {
    "layer_norm_eps": _LAYER_NORM_EPSILON,
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}

Converted = Union[BertConfig, GoogleAlbertConfig, ElectraConfig, AlbertConfig]


def from_huggingface(
    values: Mapping[str, Any], where: str, form: Optional[str] = None
) -> Converted:
    """Return our configuration of the model that a `config.json` describes.

    Args:
        values: the JSON object, with `model_type`.
        where: the file's name, for messages.
        form: the architecture that is wanted, which matters for an albert_zh model
            that was unrolled: "bert" for the BERT that it is there.

    Raises:
        UserError: an unknown architecture, or a setting that ours lacks.
    """
    kind = values.get(MODEL_TYPE)
    if not isinstance(kind, str) or kind not in _CLASSES:
        raise UserError(
            f"{where}: unknown architecture: model_type is {kind!r}; known are "
            f"{', '.join(_CLASSES)}"
        )
    for key, fixed in _FIXED.items():
        if values.get(key, fixed) not in (fixed, None):
            raise UserError(
                f"{where}: {key} is {values[key]!r}; only {fixed!r} is known here"
            )
    if form != "bert" and isinstance(values.get(ORIGIN), dict):
        return AlbertConfig.from_dict(values[ORIGIN], where)
    found = {key: values.get(key, value) for key, value in _DEFAULTS[kind].items()}
    if found["hidden_act"] not in _OUR_ACTIVATIONS:
        raise UserError(
            f"{where}: hidden_act {found['hidden_act']!r} is not known here"
        )
    activation = _OUR_ACTIVATIONS[found["hidden_act"]]
    if kind == "electra" and activation == "gelu":  # which means the exact one there
        raise UserError(
            f"{where}: hidden_act {found['hidden_act']!r}, the approximate GELU, is "
            "not known of electra here"
        )
    found["hidden_act"] = activation
    return _CLASSES[kind].from_dict(found, where)


def to_huggingface(config: EncoderConfig) -> dict[str, Any]:
    """Return what a `config.json` says of a model, without `architectures`.

    An albert_zh model becomes a BERT whose layers are copies; its own configuration is
    kept under the key `ORIGIN`, which their readers pass over.

    Raises:
        UserError: their classes have no such model.
    """
    if isinstance(config, AlbertConfig):
        if config.ln_type != "postln":
            raise UserError(
                "a pre-LN model (ln_type preln) cannot be converted: BERT normalises "
                "after each sublayer"
            )
        kind, origin = "bert", {ORIGIN: config.to_dict()}
    elif isinstance(config, tuple(_CLASSES.values())):
        kind, origin = config.architecture, {}
    else:
        raise UserError(
            f"a model of the architecture {config.architecture} cannot be converted: "
            "other tools have none such"
        )
    values = {key: getattr(config, key) for key in _DEFAULTS[kind]}
    values["hidden_act"] = _ACTIVATIONS[config.hidden_act]
    return {
        MODEL_TYPE: kind,
        **values,
        "layer_norm_eps": _LAYER_NORM_EPSILON,
        "pad_token_id": 0,
        "tie_word_embeddings": True,
        **origin,
    }
