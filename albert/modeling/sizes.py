"""How many numbers a model holds, and the memory that training takes (no TensorFlow).

Of the memory, what is counted are the variables with their gradients and the two
moments of the optimizer, the tensors that the backward pass needs of each layer, and
the logits over the vocabulary; not what lives for a moment, nor TensorFlow itself.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from albert.base.errors import UserError
from albert.modeling.config import AlbertConfig, EncoderConfig, TransformerConfig
from albert.modeling.local_config import ConvConfig
from albert.modeling.published_config import (
    BertConfig,
    ElectraConfig,
    GoogleAlbertConfig,
)


def _dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def _norm(width: int) -> int:
    return 2 * width


def _attention(width: int) -> int:
    return 4 * _dense(width, width) + _norm(width)


def _feed_forward(config: EncoderConfig) -> int:
    width, inner = config.hidden_size, config.intermediate_size
    return _dense(width, inner) + _dense(inner, width) + _norm(width)


def _plain_embeddings(config: TransformerConfig) -> int:
    rows = config.vocab_size + config.type_vocab_size + config.max_position_embeddings
    return rows * config.word_embedding_size + _norm(config.word_embedding_size)


def _albert_zh(config: AlbertConfig) -> int:
    width, layers = config.hidden_size, config.num_hidden_layers
    places = config.type_vocab_size + config.max_position_embeddings
    words = (config.vocab_size + width) * config.embedding_size
    attentions = 1 if config.layer_sharing in ("all", "attention") else layers
    feed_forwards = 1 if config.layer_sharing == "all" else layers
    return (
        words
        + places * width
        + _norm(width) * (1 + config.final_layer_norm)
        + attentions * _attention(width)
        + feed_forwards * _feed_forward(config)
    )


def _google_albert(config: GoogleAlbertConfig) -> int:
    layer = _attention(config.hidden_size) + _feed_forward(config)
    projection = _dense(config.embedding_size, config.hidden_size)
    return _plain_embeddings(config) + projection + config.num_hidden_groups * layer


def _layers_of_their_own(config: TransformerConfig) -> int:
    layer = _attention(config.hidden_size) + _feed_forward(config)
    projection = 0
    if config.word_embedding_size != config.hidden_size:
        projection = _dense(config.word_embedding_size, config.hidden_size)
    return projection + config.num_hidden_layers * layer


def _conv(config: ConvConfig) -> int:
    width, size = config.hidden_size, config.embedding_size
    embeddings = (config.vocab_size + width) * size
    embeddings += config.type_vocab_size * width + _norm(width)
    convolution = _dense(config.kernel_size * width, width) + _dense(width, width)
    convolution += _norm(width) + _feed_forward(config)
    attention = _attention(width) + _feed_forward(config)
    return (
        embeddings
        + config.num_hidden_layers * convolution
        + config.num_attention_layers * attention
        + _norm(width)
    )


def _masked_lm_head(config: EncoderConfig) -> int:
    width = config.word_embedding_size
    if isinstance(config, AlbertConfig):
        width = config.hidden_size
    return _dense(config.hidden_size, width) + _norm(width) + config.vocab_size


def count_masked_lm(config: EncoderConfig) -> int:
    """Return how many numbers a model with masked LM and sentence order holds.

    Raises:
        UserError: there is no formula for the architecture.
    """
    if isinstance(config, AlbertConfig):
        encoder = _albert_zh(config)
    elif isinstance(config, GoogleAlbertConfig):
        encoder = _google_albert(config)
    elif isinstance(config, BertConfig):
        encoder = _plain_embeddings(config) + _layers_of_their_own(config)
    elif isinstance(config, ConvConfig):
        encoder = _conv(config)
    else:
        raise UserError(
            "there is no formula for the size of the architecture "
            f"{config.architecture} with a masked language model"
        )
    width = config.hidden_size
    pair = _dense(width, width) + _dense(width, 2)
    return encoder + pair + _masked_lm_head(config)


def count_electra(
    discriminator: ElectraConfig, generator: Optional[ElectraConfig]
) -> int:
    """Return how many numbers both networks of ELECTRA hold, embeddings shared."""
    width = discriminator.hidden_size
    count = _plain_embeddings(discriminator) + _layers_of_their_own(discriminator)
    count += _dense(width, width) + _dense(width, 1)
    if generator is not None:
        count += _layers_of_their_own(generator) + _masked_lm_head(generator)
    return count


_FLOAT, _BOOL = 4, 1  # bytes
_COPIES = 4  # of a variable: itself, its gradient, two moments
_LOGITS = 3  # tensors over the vocabulary: logits, softmax, gradient


class Memory(NamedTuple):
    """Bytes that training takes.

    Attributes:
        variables: with gradients and moments.
        layers: what the layers keep for the backward pass.
        logits: over the vocabulary.
    """

    variables: float
    layers: float
    logits: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self)


def layer_bytes(config: EncoderConfig, examples: int, length: int) -> float:
    """Return what a layer or block keeps for its backward pass, in float32.

    Raises:
        UserError: there is no formula for the architecture.
    """
    if not isinstance(config, (TransformerConfig, ConvConfig)):
        raise UserError(
            f"there is no formula for the memory of the architecture "
            f"{config.architecture}"
        )
    width, tokens = config.hidden_size, examples * length
    # Of a token: query, key, value, context, both outputs and what their norms need;
    # of the wide part its product, with its bias, and its activation.
    floats = tokens * (10 * width + 3 * config.intermediate_size + 2)
    masks = 0.0
    if config.hidden_dropout_prob:
        floats += 2 * tokens * width
        masks += 2 * tokens * width
    if isinstance(config, TransformerConfig):
        weights = tokens * length * config.num_attention_heads
        floats += weights + 3 * width**2  # kernels of query, key and value in one
        if config.attention_probs_dropout_prob:
            floats += weights
            masks += weights
    else:
        floats += tokens  # the mask of padding
    return _FLOAT * floats + _BOOL * masks


def _count_layers(config: EncoderConfig) -> int:
    return config.num_hidden_layers + getattr(config, "num_attention_layers", 0)


def masked_lm_memory(
    config: EncoderConfig, examples: int, length: int, masks: int
) -> Memory:
    """Return what a masked language model takes, all layers at all tokens.

    Args:
        masks: masked positions of an example.
    """
    return Memory(
        _COPIES * _FLOAT * count_masked_lm(config),
        _count_layers(config) * layer_bytes(config, examples, length),
        _LOGITS * _FLOAT * examples * masks * config.vocab_size,
    )


def electra_memory(
    discriminator: ElectraConfig,
    generator: Optional[ElectraConfig],
    examples: int,
    length: int,
    masks: int,
) -> Memory:
    """Return what both networks of ELECTRA take."""
    networks = [discriminator] if generator is None else [discriminator, generator]
    layers = sum(_count_layers(c) * layer_bytes(c, examples, length) for c in networks)
    # Logits, and the noise by which a token is drawn.
    logits = (_LOGITS + 2) * _FLOAT * examples * masks * discriminator.vocab_size
    count = count_electra(discriminator, generator)
    return Memory(
        _COPIES * _FLOAT * count, layers, logits if generator is not None else 0.0
    )
