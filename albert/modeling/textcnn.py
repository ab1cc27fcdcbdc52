"""TextCNN under a masked language model: residual blocks of convolutions.

Kim, "Convolutional Neural Networks for Sentence Classification" (2014), has filters of
several widths beside one another; a residual and a normalisation around them let blocks
be stacked.
"""

from __future__ import annotations

import functools
from typing import Optional

import tensorflow as tf

from albert.modeling import layers
from albert.modeling.convolution import convolve, hide_padding
from albert.modeling.local_config import TextCnnConfig
from albert.modeling.local_encoder import Blocks, build_local

v1 = tf.compat.v1


class TextCnnBlocks(Blocks):
    """LayerNorm(x + activation(filters of all widths, side by side)).

    Variables of block i: `layer_<i>/convolution_<width>/{kernel,bias}` and
    `layer_<i>/LayerNorm`.
    """

    config: TextCnnConfig

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return self.config.num_hidden_layers

    def apply(
        self, x: tf.Tensor, index: int, positions: Optional[tf.Tensor] = None
    ) -> tf.Tensor:
        """See `Blocks.apply`."""
        config = self.config
        seen = hide_padding(self.by_example(x), self.input_mask)
        units = config.hidden_size // len(config.kernel_sizes)
        with v1.variable_scope(f"layer_{index}"):
            found = []
            for size in config.kernel_sizes:
                stddev = config.kernel_range(size * config.hidden_size)
                with v1.variable_scope(f"convolution_{size}"):
                    found.append(convolve(seen, size, units, stddev, positions))
            active = layers.ACTIVATIONS[config.hidden_act](tf.concat(found, axis=1))
            return layers.layer_norm(self.pick(x, positions) + self.drop(active))


build_textcnn = functools.partial(build_local, TextCnnBlocks)
