"""What an exported model can be asked for."""

from __future__ import annotations

from typing import Mapping, NamedTuple

import tensorflow as tf


class Signature(NamedTuple):
    """A signature of a SavedModel: tensors of the current graph by their names.

    Attributes:
        inputs: placeholders, or tensors of one.
        outputs: what is made of them.
    """

    inputs: Mapping[str, tf.Tensor]
    outputs: Mapping[str, tf.Tensor]
