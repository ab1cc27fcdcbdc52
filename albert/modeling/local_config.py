"""The configurations of encoders that see neighbours by construction.

Attention from random variables needs far more steps than a CPU has before it learns to
look at a token's neighbours; what sees them by construction learns at once.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from albert.base.checks import check_range
from albert.base.errors import UserError
from albert.modeling.config import EncoderConfig, number_layers


@dataclasses.dataclass(frozen=True)
class LocalConfig(EncoderConfig):
    """What the encoders without position embeddings share.

    Attributes:
        embedding_size: width of the word vectors, E; the logits over the vocabulary
            come from vectors of this width too.
    """

    required_keys: ClassVar[tuple[str, ...]] = (
        *EncoderConfig.required_keys,
        "embedding_size",
    )

    embedding_size: int = 128

    @property
    def word_embedding_size(self) -> int:
        """See `EncoderConfig.word_embedding_size`."""
        return self.embedding_size

    def kernel_range(self, inputs: int) -> float:
        """Return the standard deviation of the initialiser of a kernel.

        1 / sqrt(inputs) keeps the scale of what passes; initializer_range, made for
        the widths of BERT, is far below it in a narrow model.
        """
        return 1.0 / math.sqrt(inputs)


@dataclasses.dataclass(frozen=True)
class EmbeddingsConfig(LocalConfig):
    """Word vectors alone: no token sees another."""

    architecture: ClassVar[str] = "embeddings"


@dataclasses.dataclass(frozen=True)
class TextCnnConfig(LocalConfig):
    """Residual blocks of convolutions of several widths.

    Attributes:
        num_hidden_layers: blocks.
        kernel_size: tokens that the widest filters of a block see; odd. There are as
            many of each width 1, 3, 5, ... up to it, so hidden_size is a multiple of
            how many widths there are.
    """

    architecture: ClassVar[str] = "textcnn"

    num_hidden_layers: int = 4
    kernel_size: int = 5

    @property
    def kernel_sizes(self) -> tuple[int, ...]:
        """The widths of filters."""
        return tuple(range(1, self.kernel_size + 1, 2))

    @property
    def layer_scopes(self) -> tuple[str, ...]:
        """See `EncoderConfig.layer_scopes`."""
        return number_layers(self.num_hidden_layers)

    def validate(self) -> None:
        """See `EncoderConfig.validate`."""
        _check_odd("kernel_size", self.kernel_size)
        if self.hidden_size % len(self.kernel_sizes):
            raise UserError(
                f"hidden_size must be a multiple of {len(self.kernel_sizes)}, the "
                f"widths of filters up to kernel_size {self.kernel_size}, got "
                f"{self.hidden_size}"
            )


@dataclasses.dataclass(frozen=True)
class BilstmConfig(LocalConfig):
    """Layers of two LSTMs, one from each end.

    Attributes:
        num_hidden_layers: layers; each LSTM has half of hidden_size.
    """

    architecture: ClassVar[str] = "bilstm"

    num_hidden_layers: int = 2

    @property
    def layer_scopes(self) -> tuple[str, ...]:
        """See `EncoderConfig.layer_scopes`."""
        return number_layers(self.num_hidden_layers)

    def validate(self) -> None:
        """See `EncoderConfig.validate`."""
        if self.hidden_size % 2:
            raise UserError(
                f"hidden_size must be even, half for each direction, got "
                f"{self.hidden_size}"
            )


@dataclasses.dataclass(frozen=True)
class ConvConfig(LocalConfig):
    """Blocks of a convolution and a feed-forward part, and attention above them.

    Attributes:
        num_hidden_layers: blocks with a convolution.
        kernel_size: tokens that a convolution sees; odd.
        intermediate_size: width of the feed-forward parts.
        num_attention_layers: blocks with attention above the others; may be 0.
        num_attention_heads: heads of these; they divide hidden_size.
        attention_probs_dropout_prob: in [0, 1).
    """

    architecture: ClassVar[str] = "conv"

    num_hidden_layers: int = 4
    kernel_size: int = 5
    intermediate_size: int = 768
    num_attention_layers: int = dataclasses.field(default=0, metadata={"low": 0})
    num_attention_heads: int = 4
    attention_probs_dropout_prob: float = 0.0

    @property
    def layer_scopes(self) -> tuple[str, ...]:
        """See `EncoderConfig.layer_scopes`."""
        return number_layers(self.num_hidden_layers + self.num_attention_layers)

    def validate(self) -> None:
        """See `EncoderConfig.validate`."""
        _check_odd("kernel_size", self.kernel_size)
        name = "attention_probs_dropout_prob"
        check_range(name, getattr(self, name), low=0, high=1, high_open=True)
        if self.hidden_size % self.num_attention_heads:
            raise UserError(
                f"hidden_size must be a multiple of num_attention_heads, got "
                f"{self.hidden_size} and {self.num_attention_heads}"
            )


def _check_odd(name: str, value: int) -> None:
    if value % 2 == 0:
        raise UserError(f"{name} must be odd, a token and its neighbours; got {value}")
