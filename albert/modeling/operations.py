"""The floating point operations of a step of pretraining (no TensorFlow).

Counted are the floating point operations of matrix products, 2 m k n for one of [m, k]
and [k, n], as they are computed here: the last Transformer layer of a masked language
model at the masked positions and the first token alone, but for its keys and values.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional

from albert.base.errors import UserError
from albert.modeling.config import AlbertConfig, EncoderConfig, TransformerConfig
from albert.modeling.local_config import ConvConfig
from albert.modeling.published_config import (
    BertConfig,
    ElectraConfig,
    GoogleAlbertConfig,
)


class Product(NamedTuple):
    """A matrix product of an example, and what its gradient takes.

    Attributes:
        operations: of the product.
        gradients: how many products of the same size its gradient is: 2, or 1 where
            one factor is no variable's.
    """

    operations: float
    gradients: int = 2


class StepCost(NamedTuple):
    """What a training step computes.

    Attributes:
        forward, backward: operations of matrix products.
        output_layer: the part of both that is logits over the vocabulary.
        optimizer: operations of the update, one variable at a time.
    """

    forward: float
    backward: float
    output_layer: float
    optimizer: float

    @property
    def total(self) -> float:
        """All operations."""
        return self.forward + self.backward + self.optimizer


# Operations for each variable: moments, their roots and quotient, decay, norms, clip.
_UPDATE = {"adamw": 16, "lamb": 22}


def _dense(rows: float, inputs: float, outputs: float, gradients: int = 2) -> Product:
    return Product(2.0 * rows * inputs * outputs, gradients)


def _layer(config: TransformerConfig, length: int, queries: int) -> Iterator[Product]:
    """Yield the products of a Transformer layer of `length` tokens.

    Args:
        queries: at how many tokens its output is computed.
    """
    width, inner = config.hidden_size, config.intermediate_size
    yield _dense(2 * length, width, width)  # keys and values
    yield _dense(queries, width, width)
    yield _dense(2 * queries, width, length)  # scores, and what they weigh
    yield _dense(queries, width, width)
    yield _dense(2 * queries, width, inner)


def _layers(config: TransformerConfig, length: int, queries: int) -> Iterator[Product]:
    for _ in range(config.num_hidden_layers - 1):
        yield from _layer(config, length, length)
    yield from _layer(config, length, queries)


def _segments(config: EncoderConfig, length: int, width: int) -> Product:
    """Return the product with the one-hot segments, which have no gradient."""
    return _dense(length, config.type_vocab_size, width, gradients=1)


def _transformer(
    config: TransformerConfig, length: int, queries: int
) -> Iterator[Product]:
    """Yield the products of an encoder, embeddings included."""
    words, width = config.word_embedding_size, config.hidden_size
    unfactorised = not isinstance(config, AlbertConfig)
    yield _segments(config, length, words if unfactorised else width)
    if isinstance(config, GoogleAlbertConfig) or words != width:
        yield _dense(length, words, width)
    yield from _layers(config, length, queries)


def _conv(config: ConvConfig, length: int, masks: int) -> Iterator[Product]:
    """Yield the products of blocks; the last is computed for all and for the masks."""
    width = config.hidden_size
    yield _segments(config, length, width)
    yield _dense(length, config.embedding_size, width)
    count = config.num_hidden_layers + config.num_attention_layers
    for index in range(count):
        for rows in (length, masks) if index == count - 1 else (length,):
            yield _dense(2 * rows, width, config.intermediate_size)
            if index < config.num_hidden_layers:
                yield _dense(rows, config.kernel_size * width, width)
                yield _dense(rows, width, width)
            else:
                yield _dense(2 * length, width, width)
                yield _dense(2 * rows, width, width)
                yield _dense(2 * rows, width, length)


def _masked_lm_head(config: EncoderConfig, masks: int) -> Iterator[Product]:
    """Yield the products up to the logits, which come last."""
    words, width = config.word_embedding_size, config.hidden_size
    if isinstance(config, AlbertConfig):
        yield _dense(masks, width, width)
        yield _dense(masks, width, words)
    else:
        yield _dense(masks, width, words)
    yield _dense(masks, words, config.vocab_size)


class Work(NamedTuple):
    """The products of an example, and which of them give logits over the vocabulary."""

    products: list[Product]
    output_layer: list[Product]


def masked_lm_work(config: EncoderConfig, length: int, masks: int) -> Work:
    """Return the products of the masked language model with sentence order.

    Args:
        config: of an encoder.
        length: tokens of an example.
        masks: masked positions of an example.

    Raises:
        UserError: there is no formula for the architecture.
    """
    if isinstance(config, ConvConfig):
        encoder = _conv(config, length, masks)
    elif isinstance(config, (AlbertConfig, BertConfig, GoogleAlbertConfig)):
        encoder = _transformer(config, length, masks + 1)  # the first, for the pooler
    else:
        raise UserError(
            f"there is no formula for the operations of the architecture "
            f"{config.architecture} with a masked language model"
        )
    pooled = [_dense(1, config.hidden_size, n) for n in (config.hidden_size, 2)]
    *head, logits = _masked_lm_head(config, masks)
    return Work([*encoder, *pooled, *head], [logits])


def electra_work(
    discriminator: ElectraConfig,
    generator: Optional[ElectraConfig],
    length: int,
    masks: int,
) -> Work:
    """Return the products of replaced token detection.

    Args:
        discriminator: its config.
        generator: its config; None for one that draws all tokens alike.
        length: tokens of an example.
        masks: masked positions of an example.
    """
    width = discriminator.hidden_size
    products = [*_transformer(discriminator, length, length)]
    products += [_dense(length, width, width), _dense(length, width, 1)]
    if generator is None:
        return Work(products, [])
    *head, logits = _masked_lm_head(generator, masks)
    products += [*_transformer(generator, length, masks + 1), *head]
    return Work(products, [logits])


def step_cost(
    work: Work, examples: int, variables: int, optimizer: str = "adamw"
) -> StepCost:
    """Return what a step of so many examples computes."""
    everything = [*work.products, *work.output_layer]
    forward = examples * sum(p.operations for p in everything)
    backward = examples * sum(p.operations * p.gradients for p in everything)
    logits = examples * sum(p.operations * (1 + p.gradients) for p in work.output_layer)
    return StepCost(forward, backward, logits, float(variables * _UPDATE[optimizer]))
