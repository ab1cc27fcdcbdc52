"""Word vectors alone: no token knows of another.

What word2vec and its like (Mikolov et al., 2013) bring to a task: the lower bound for
every encoder.
"""

from __future__ import annotations

import functools
from typing import Optional

import tensorflow as tf

from albert.modeling.local_encoder import Blocks, build_local


class NoBlocks(Blocks):
    """Nothing above the embeddings."""

    def apply(
        self, x: tf.Tensor, index: int, positions: Optional[tf.Tensor] = None
    ) -> tf.Tensor:
        """See `Blocks.apply`; never called."""
        raise AssertionError("there are no blocks")


build_embeddings = functools.partial(build_local, NoBlocks)
