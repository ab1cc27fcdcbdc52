"""The configuration of a model, as the published JSON files hold it."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Optional

from albert.base import files
from albert.base.checks import check_choice, check_range
from albert.base.errors import UserError

ACTIVATIONS = ("gelu", "relu", "tanh", "linear")
LAYER_NORM_PLACES = ("postln", "preln")

# Keys of published files that no part of this model reads.
_LEGACY_KEYS = frozenset(
    {
        "directionality",
        "pooler_fc_size",
        "pooler_num_attention_heads",
        "pooler_num_fc_layers",
        "pooler_size_per_head",
        "pooler_type",
    }
)
# Keys that mark the layout of google-research/albert, whose variables differ.
_GOOGLE_KEYS = frozenset(
    {"num_hidden_groups", "inner_group_num", "net_structure_type", "gap_size"}
)


@dataclasses.dataclass(frozen=True)
class AlbertConfig:
    """Sizes and switches of an ALBERT model in the albert_zh layout.

    Attributes:
        vocab_size: number of tokens, V.
        hidden_size: width of the encoder, H; a multiple of num_attention_heads.
        embedding_size: width of the factorised word embeddings, E.
        num_hidden_layers: how often the shared layer is applied.
        num_attention_heads: attention heads of the layer.
        intermediate_size: width of the feed-forward part.
        hidden_act: "gelu" (tanh approximation), "relu", "tanh" or "linear".
        hidden_dropout_prob, attention_probs_dropout_prob: in [0, 1).
        max_position_embeddings: longest input in tokens, P.
        type_vocab_size: number of segment ids.
        initializer_range: standard deviation of the truncated normal initialiser.
        ln_type: "postln" (the BERT layer) or "preln".
    """

    vocab_size: int
    hidden_size: int = 768
    embedding_size: int = 128
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    ln_type: str = "postln"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            wanted = {"int": (int,), "float": (int, float), "str": (str,)}[field.type]
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise UserError(f"{field.name} must be {field.type}, got {value!r}")
            if field.type == "int":
                check_range(field.name, value, low=1)
        check_choice("hidden_act", self.hidden_act, ACTIVATIONS)
        check_choice("ln_type", self.ln_type, LAYER_NORM_PLACES)
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            check_range(name, getattr(self, name), low=0, high=1, high_open=True)
        check_range("initializer_range", self.initializer_range, low=0, low_open=True)
        if self.hidden_size % self.num_attention_heads:
            raise UserError(
                f"hidden_size must be a multiple of num_attention_heads, got "
                f"{self.hidden_size} and {self.num_attention_heads}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as the JSON files hold it."""
        return dataclasses.asdict(self)


def parse_albert_config(values: Mapping[str, Any], where: str) -> AlbertConfig:
    """Return the configuration that a JSON object holds.

    Args:
        values: the object; legacy keys are known and passed over, and an `ln_type`
            of null means "postln".
        where: the file's name, for messages.

    Raises:
        UserError: an unknown key, a missing vocab_size, or a value out of range.
    """
    known = {field.name for field in dataclasses.fields(AlbertConfig)}
    if _GOOGLE_KEYS & set(values):
        key = sorted(_GOOGLE_KEYS & set(values))[0]
        raise UserError(
            f"{where}: key {key!r} belongs to the layout of google-research/albert, "
            "which is not supported; use a config in the albert_zh layout"
        )
    unknown = sorted(set(values) - known - _LEGACY_KEYS)
    if unknown:
        raise UserError(f"{where}: unknown key {unknown[0]!r}")
    if "vocab_size" not in values:
        raise UserError(f"{where}: vocab_size is missing")
    if "embedding_size" not in values:
        raise UserError(
            f"{where}: embedding_size is missing; an ALBERT config has it (128 in the "
            "published ones), a BERT config cannot be used"
        )
    kept = {key: value for key, value in values.items() if key in known}
    if kept.get("ln_type", "") is None:
        del kept["ln_type"]
    try:
        return AlbertConfig(**kept)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def load_albert_config(path: str, flag: Optional[str] = None) -> AlbertConfig:
    """Read a model configuration from a JSON file; UserError names what is wrong."""
    try:
        values = files.read_json(path)
    except OSError as error:
        prefix = f"--{flag}: " if flag else ""
        raise UserError(f"{prefix}{path}: {error.strerror}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: not a JSON object")
    return parse_albert_config(values, path)
