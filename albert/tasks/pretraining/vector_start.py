"""Starting from word vectors: a checkpoint of the embeddings alone."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.text.vectors import TokenVectors

_WORDS, _PROJECTION = "embeddings/word_embeddings", "embeddings/word_embeddings_2"


def _find(shapes: Mapping[str, Sequence[int]], ending: str) -> str | None:
    names = [name for name in shapes if name.endswith(f"/{ending}")]
    return names[0] if names else None


def fit_to_model(
    vectors: TokenVectors,
    shapes: Mapping[str, Sequence[int]],
    stddev: float,
    seed: int,
    where: str,
) -> dict[str, np.ndarray]:
    """Return the variables of a model that vectors give values to.

    Vectors of the embeddings' width E become the table. Those of the encoder's width H
    are factorised: the table holds their E principal components, and the projection the
    directions of these.

    Args:
        vectors: of the model's vocabulary.
        shapes: name -> shape of the model's variables.
        stddev: that the table gets: the other embeddings are made for it. Tokens
            without a vector get random values of it.
        seed: of these.
        where: the vectors' file, for messages.

    Returns:
        name -> float32 value.

    Raises:
        UserError: the vectors have another width.
    """
    words, projection = _find(shapes, _WORDS), _find(shapes, _PROJECTION)
    size, width = shapes[words][1], vectors.values.shape[1]
    values, known, result = vectors.values, vectors.known, {}
    wide = shapes[projection][1] if projection else size
    if width not in (size, wide):
        wanted = f"{size}" if wide == size else f"{size} or {wide}"
        raise UserError(
            f"{where}: vectors of width {width}, but the model's embeddings have "
            f"{wanted}"
        )
    if width != size:
        _, _, directions = np.linalg.svd(values[known], full_matrices=False)
        if len(directions) < size:
            raise UserError(
                f"{where}: {len(directions)} vectors are too few for embeddings of "
                f"width {size}"
            )
        result[projection] = directions[:size].astype(np.float32)
        values = values @ directions[:size].T
    scale = stddev / max(float(values[known].std()), 1e-30)
    rng = np.random.default_rng(seed)
    random = rng.normal(0.0, stddev, (len(values), size))
    table = np.where(known[:, np.newaxis], values * scale, random)
    result[words] = table.astype(np.float32)
    return result


def write_start(
    prefix: str,
    vectors: TokenVectors,
    shapes: Mapping[str, Sequence[int]],
    stddev: float,
    seed: int,
    where: str,
) -> None:
    """Write a checkpoint to start from; arguments as `fit_to_model`."""
    values = fit_to_model(vectors, shapes, stddev, seed, where)
    storage.write_variables(prefix, values)
    known = int(vectors.known.sum())
    logging.info(
        "%s: vectors for %d of %d tokens; the others start from random values",
        where,
        known,
        len(vectors.known),
    )
