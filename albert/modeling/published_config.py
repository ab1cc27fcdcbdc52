"""Configurations of BERT, ELECTRA and Google's ALBERT, as published (no TensorFlow)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Optional

from albert.base.checks import check_range
from albert.base.errors import UserError
from albert.modeling.config import EncoderConfig, TransformerConfig

# Keys of Google's experiments, which no published model sets otherwise.
_UNPUBLISHED = (
    "inner_group_num",
    "net_structure_type",
    "gap_size",
    "num_memory_blocks",
    "down_scale_factor",
)


def _zero() -> Any:
    return dataclasses.field(default=0, metadata={"low": 0})


@dataclasses.dataclass(frozen=True)
class BertConfig(TransformerConfig):
    """BERT: each layer has variables of its own, embeddings have the layers' width.

    The file `bert_config.json` of a published model, with `"architecture": "bert"`.
    """

    architecture: ClassVar[str] = "bert"
    # What `transformer.transformer_layers` asks.
    ln_type: ClassVar[str] = "postln"
    layer_sharing: ClassVar[str] = "none"
    final_layer_norm: ClassVar[bool] = False


@dataclasses.dataclass(frozen=True)
class ElectraConfig(TransformerConfig):
    """ELECTRA: a BERT whose embeddings may have a width of their own.

    In the files of this architecture a `hidden_act` of "gelu" is the exact one, so it
    is kept as "gelu_erf".

    Attributes:
        embedding_size: width of the embeddings, E; None for hidden_size.
    """

    architecture: ClassVar[str] = "electra"
    scope: ClassVar[str] = "electra"
    # What `transformer.transformer_layers` asks.
    ln_type: ClassVar[str] = "postln"
    layer_sharing: ClassVar[str] = "none"
    final_layer_norm: ClassVar[bool] = False

    hidden_act: str = "gelu_erf"
    embedding_size: Optional[int] = None

    def __post_init__(self) -> None:
        if self.hidden_act == "gelu":
            object.__setattr__(self, "hidden_act", "gelu_erf")
        if self.embedding_size is None:
            object.__setattr__(self, "embedding_size", self.hidden_size)
        super().__post_init__()

    @property
    def word_embedding_size(self) -> int:
        """See `EncoderConfig.word_embedding_size`."""
        return self.embedding_size

    def validate(self) -> None:
        """See `EncoderConfig.validate`."""
        super().validate()
        check_range("embedding_size", self.embedding_size, low=1)


@dataclasses.dataclass(frozen=True)
class GoogleAlbertConfig(TransformerConfig):
    """ALBERT in the layout of google-research/albert.

    Attributes:
        embedding_size: width of the embeddings, E.
        num_hidden_groups: groups of consecutive layers; those of a group share all.
        inner_group_num, net_structure_type, gap_size, num_memory_blocks,
            down_scale_factor: of experiments that were not published; as given here.
    """

    architecture: ClassVar[str] = "albert"
    marks: ClassVar[tuple[str, ...]] = ("num_hidden_groups", "inner_group_num")
    required_keys: ClassVar[tuple[str, ...]] = (
        *EncoderConfig.required_keys,
        "embedding_size",
    )

    embedding_size: int = 128
    num_hidden_groups: int = 1
    inner_group_num: int = 1
    net_structure_type: int = _zero()
    gap_size: int = _zero()
    num_memory_blocks: int = _zero()
    down_scale_factor: int = 1

    @property
    def word_embedding_size(self) -> int:
        """See `EncoderConfig.word_embedding_size`."""
        return self.embedding_size

    @property
    def layer_scopes(self) -> tuple[str, ...]:
        """See `EncoderConfig.layer_scopes`; a group's layers are one."""
        return tuple(
            f"transformer/group_{group}" for group in range(self.num_hidden_groups)
        )

    def validate(self) -> None:
        """See `EncoderConfig.validate`."""
        super().validate()
        for name in _UNPUBLISHED:
            value, published = getattr(self, name), getattr(type(self), name)
            if value != published:
                raise UserError(
                    f"{name} must be {published}, as in every published model; got "
                    f"{value}"
                )
        if self.num_hidden_groups > self.num_hidden_layers:
            raise UserError(
                f"num_hidden_groups must be at most num_hidden_layers, got "
                f"{self.num_hidden_groups} and {self.num_hidden_layers}; "
                "configurations of albert_zh's modeling_google_fast.py, which divides "
                "the feed-forward part into 16 groups, are not supported"
            )
