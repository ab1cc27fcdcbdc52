"""The generator's size, as ELECTRA derives it from the discriminator's."""

from __future__ import annotations

import dataclasses

from albert.base.errors import UserError
from albert.modeling.published_config import ElectraConfig

_HEAD_SIZE = 64


def make_generator_config(
    discriminator: ElectraConfig,
    hidden_fraction: float,
    layers_fraction: float,
    untied_embeddings: bool = False,
) -> ElectraConfig:
    """Return the config of the generator.

    Args:
        hidden_fraction, layers_fraction: of the discriminator's width and layers. What
            it has of its own, as heads or the width of the feed-forward part, does not
            reach the generator: that one has a head for each 64 of its width.
        untied_embeddings: whether it has embeddings of its own, at its own width.

    Raises:
        UserError: its heads do not divide its width, which the reference refuses, too;
            or they are more than the discriminator's, which the reference would build.
    """
    hidden = round(discriminator.hidden_size * hidden_fraction)  # half to even
    layers = round(discriminator.num_hidden_layers * layers_fraction)
    heads = max(1, hidden // _HEAD_SIZE)
    width = f"generator_hidden_size {hidden_fraction:g}"
    if hidden < 1 or layers < 1:
        raise UserError(
            f"{width} and generator_layers {layers_fraction:g} make a generator of "
            f"width {hidden} with {layers} layers; it needs one of each at least"
        )
    if heads > discriminator.num_attention_heads:
        raise UserError(
            f"{width} makes a generator of width {hidden} with {heads} attention heads "
            f"(one for each {_HEAD_SIZE}), more than the discriminator's "
            f"{discriminator.num_attention_heads}; give a smaller fraction"
        )
    if hidden % heads:
        raise UserError(
            f"{width} makes a generator of width {hidden}, which its {heads} attention "
            f"heads do not divide; {heads * _HEAD_SIZE / discriminator.hidden_size:.6g}"
            f" makes one of width {heads * _HEAD_SIZE}"
        )
    return dataclasses.replace(
        discriminator,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        embedding_size=hidden if untied_embeddings else discriminator.embedding_size,
    )
