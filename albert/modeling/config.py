"""The configuration of an encoder, as the published JSON files hold it.

Each architecture has a class of its own here; `albert.modeling.encoder` holds the table
and reads files.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Mapping, Optional

from albert.base.checks import check_choice, check_range
from albert.base.errors import UserError, prefix_errors

ACTIVATIONS = ("gelu", "gelu_erf", "relu", "tanh", "linear")
LAYER_NORM_PLACES = ("postln", "preln")
LAYER_SHARING = ("all", "attention", "none")
DEFAULT_ARCHITECTURE = "albert_zh"

# Keys of published files that no part of an encoder reads.
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
_TYPES = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "Optional[int]": (int, type(None)),
    "Optional[float]": (int, float, type(None)),
}


def number_layers(count: int) -> tuple[str, ...]:
    """Return the scopes of layers as BERT names them."""
    return tuple(f"layer_{index}" for index in range(count))


def extension(default: Any) -> Any:
    """Return a field whose key published files lack.

    `to_dict` leaves it out at its default, so that other tools, and earlier versions of
    this one, read what they can use.
    """
    return dataclasses.field(default=default, metadata={"extension": True})


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """What heads, tasks and checks ask of every architecture's configuration.

    Attributes:
        vocab_size: number of tokens, V.
        hidden_size: width of the encoder's output, H.
        hidden_act: "gelu" (tanh approximation), "gelu_erf" (exact), "relu", "tanh" or
            "linear".
        hidden_dropout_prob: in [0, 1).
        max_position_embeddings: longest input in tokens, P.
        type_vocab_size: number of segment ids.
        initializer_range: standard deviation of the truncated normal initialiser.
    """

    architecture: ClassVar[str]  # the row of `encoder.ARCHITECTURES`
    scope: ClassVar[str] = "bert"  # of the variables, as published
    required_keys: ClassVar[tuple[str, ...]] = ("vocab_size", "hidden_size")
    # Keys that the published files of this architecture alone have: with one of them,
    # a file need not name it.
    marks: ClassVar[tuple[str, ...]] = ()

    vocab_size: int
    hidden_size: int = 768
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            is_bool = isinstance(value, bool)
            if not isinstance(value, _TYPES[field.type]) or (
                is_bool and field.type != "bool"
            ):
                raise UserError(f"{field.name} must be {field.type}, got {value!r}")
            if field.type == "int":
                check_range(field.name, value, low=field.metadata.get("low", 1))
        check_choice("hidden_act", self.hidden_act, ACTIVATIONS)
        check_range(
            "hidden_dropout_prob", self.hidden_dropout_prob, 0, 1, high_open=True
        )
        check_range("initializer_range", self.initializer_range, low=0, low_open=True)
        self.validate()

    def validate(self) -> None:
        """Raise UserError where the architecture's own values are wrong."""

    @property
    def word_embedding_size(self) -> int:
        """Columns of the table of word embeddings."""
        return self.hidden_size

    @property
    def layer_scopes(self) -> tuple[str, ...]:
        """Scopes of layers below `encoder/`, the lowest first.

        Layers that share all their variables have one scope together.
        """
        return ()

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as the JSON files hold it.

        `architecture` is left out where it is DEFAULT_ARCHITECTURE, and an extension
        at its default, see `extension`.
        """
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if not field.metadata.get("extension")
            or getattr(self, field.name) != field.default
        }
        if self.architecture != DEFAULT_ARCHITECTURE:
            values = {"architecture": self.architecture, **values}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> EncoderConfig:
        """Return the configuration that a JSON object holds.

        Args:
            values: the object; legacy keys are known and ignored.
            where: the file's name, for messages.

        Raises:
            UserError: an unknown key, a missing required one, or a value out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known - _LEGACY_KEYS - {"architecture"})
        if unknown:
            raise UserError(f"{where}: unknown key {unknown[0]!r}")
        missing = [key for key in cls.required_keys if key not in values]
        if missing:
            raise UserError(f"{where}: {missing[0]} is missing")
        with prefix_errors(where):
            return cls(**{key: value for key, value in values.items() if key in known})


@dataclasses.dataclass(frozen=True)
class TransformerConfig(EncoderConfig):
    """Sizes of a stack of Transformer layers.

    Attributes:
        num_hidden_layers: how many layers are applied.
        num_attention_heads: attention heads of a layer; they divide hidden_size.
        intermediate_size: width of the feed-forward part.
        attention_probs_dropout_prob: in [0, 1).
    """

    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    attention_probs_dropout_prob: float = 0.0

    @property
    def layer_scopes(self) -> tuple[str, ...]:
        """See `EncoderConfig.layer_scopes`."""
        return number_layers(self.num_hidden_layers)

    def validate(self) -> None:
        """See `EncoderConfig.validate`."""
        name = "attention_probs_dropout_prob"
        check_range(name, getattr(self, name), low=0, high=1, high_open=True)
        if self.hidden_size % self.num_attention_heads:
            raise UserError(
                f"hidden_size must be a multiple of num_attention_heads, got "
                f"{self.hidden_size} and {self.num_attention_heads}"
            )


@dataclasses.dataclass(frozen=True)
class AlbertConfig(TransformerConfig):
    """ALBERT in the albert_zh layout.

    Attributes:
        embedding_size: width of the factorised word embeddings, E.
        ln_type: "postln" (the BERT layer) or "preln".
        layer_sharing: what all layers share: "all" of their variables, "attention"
            alone, or "none". What is not shared lies under `layer_0`, `layer_1`, ...
        final_layer_norm: whether the output of the last pre-LN layer is normalised.
        projection_initializer_range: standard deviation of the initialiser of the
            projection E -> H of the word embeddings; None for initializer_range.
            1 / sqrt(E) keeps their scale.
    """

    architecture: ClassVar[str] = DEFAULT_ARCHITECTURE
    required_keys: ClassVar[tuple[str, ...]] = (
        *EncoderConfig.required_keys,
        "embedding_size",
    )

    embedding_size: int = 128
    ln_type: str = "postln"
    layer_sharing: str = extension("all")
    final_layer_norm: bool = extension(False)
    projection_initializer_range: Optional[float] = extension(None)

    @property
    def word_embedding_size(self) -> int:
        """See `EncoderConfig.word_embedding_size`."""
        return self.embedding_size

    @property
    def layer_scopes(self) -> tuple[str, ...]:
        """See `EncoderConfig.layer_scopes`."""
        shared = self.layer_sharing == "all"
        return ("layer_shared",) if shared else super().layer_scopes

    def validate(self) -> None:
        """See `EncoderConfig.validate`."""
        super().validate()
        check_choice("ln_type", self.ln_type, LAYER_NORM_PLACES)
        check_choice("layer_sharing", self.layer_sharing, LAYER_SHARING)
        if self.final_layer_norm and self.ln_type != "preln":
            raise UserError(
                "final_layer_norm is for ln_type preln: a postln layer ends with one"
            )
        if self.projection_initializer_range is not None:
            value = self.projection_initializer_range
            check_range("projection_initializer_range", value, low=0, low_open=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> AlbertConfig:
        """See `EncoderConfig.from_dict`; an `ln_type` of null means "postln"."""
        if "vocab_size" in values and "embedding_size" not in values:
            raise UserError(
                f"{where}: embedding_size is missing; an ALBERT config has it (128 in "
                'the published ones), a BERT config needs "architecture": "bert"'
            )
        if values.get("ln_type", "") is None:
            values = {key: value for key, value in values.items() if key != "ln_type"}
        return super().from_dict(values, where)


def check_segments(config: EncoderConfig, count: int) -> None:
    """Raise UserError unless a model knows `count` segments of an input."""
    if config.type_vocab_size < count:
        raise UserError(
            f"the config's type_vocab_size is {config.type_vocab_size}, but the input "
            f"has {count} segments"
        )
