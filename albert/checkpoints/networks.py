"""The two networks that a checkpoint of ELECTRA's pretraining holds."""

from __future__ import annotations

import dataclasses
from typing import Mapping, NamedTuple, Sequence

from albert.base.errors import UserError
from albert.modeling.published_config import ElectraConfig

_HEAD_SIZE = 64  # of a generator
_OWN_EMBEDDINGS = "generator/embeddings/"
_SHARED_EMBEDDINGS = "electra/embeddings/"

Shapes = Mapping[str, Sequence[int]]


class Network(NamedTuple):
    """Where the variables of a network begin.

    Attributes:
        scope: of its layers.
        head: of what predicts on them.
    """

    scope: str
    head: str


NETWORKS = {
    "discriminator": Network("electra/", "discriminator_predictions/"),
    "generator": Network("generator/", "generator_predictions/"),
}


def network_names(network: str, names: Sequence[str], checkpoint: str) -> list[str]:
    """Return the variables of one network, the embeddings that it shares included.

    Args:
        network: a key of NETWORKS.
        names: of a checkpoint's variables.

    Raises:
        UserError: the checkpoint does not hold it.
    """
    scope, head = NETWORKS[network]
    if not any(name.startswith(f"{scope}encoder/") for name in names):
        raise UserError(
            f"checkpoint {checkpoint} holds no {network} of ELECTRA: none of its "
            f"variables begins with {scope}encoder/"
        )
    prefixes = [scope, head]
    if not any(name.startswith(_OWN_EMBEDDINGS) for name in names):
        prefixes.append(_SHARED_EMBEDDINGS)
    return [name for name in names if name.startswith(tuple(prefixes))]


def network_config(
    network: str, discriminator: ElectraConfig, shapes: Shapes
) -> ElectraConfig:
    """Return the config of one network, whose sizes its variables tell.

    Args:
        discriminator: the config of the pretraining.
        shapes: name -> shape of the checkpoint's variables.
    """
    if network == "discriminator":
        return discriminator
    first = "generator/encoder/layer_0"
    hidden = shapes[f"{first}/attention/self/query/kernel"][0]
    layers = {n.split("/")[2] for n in shapes if n.startswith("generator/encoder/")}
    own = any(name.startswith(_OWN_EMBEDDINGS) for name in shapes)
    return dataclasses.replace(
        discriminator,
        hidden_size=hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=max(1, hidden // _HEAD_SIZE),
        intermediate_size=shapes[f"{first}/intermediate/dense/kernel"][1],
        embedding_size=hidden if own else discriminator.embedding_size,
    )
