"""Sizes and hyperparameters of the published models, by name.

Google's are those of google-research/electra, the Chinese ones those of Chinese-ELECTRA
(Cui et al., 2020). Google's small one was trained on records of 128 tokens, all others
on records of 512.
"""

from __future__ import annotations

import dataclasses
from typing import Collection, NamedTuple, Optional, TypeVar

from albert.modeling.published_config import ElectraConfig

Config = TypeVar("Config")

_HEAD_SIZE, _WIDENING = 64, 4
_DROPOUT = 0.1


class Preset(NamedTuple):
    """A row of the table.

    Attributes:
        num_hidden_layers, hidden_size, embedding_size: of the discriminator.
        generator_hidden_size: as a share of the discriminator's.
        learning_rate, train_batch_size: of pretraining.
        num_train_steps: the published number, or that of the reference's default.
        mask_prob: share of the tokens that are masked.
    """

    num_hidden_layers: int
    hidden_size: int
    embedding_size: int
    generator_hidden_size: float
    learning_rate: float
    train_batch_size: int
    num_train_steps: int = 1_000_000
    mask_prob: float = 0.15

    def make_config(self, vocab_size: int) -> ElectraConfig:
        """Return the config of the discriminator."""
        return ElectraConfig(
            vocab_size,
            hidden_size=self.hidden_size,
            embedding_size=self.embedding_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.hidden_size // _HEAD_SIZE,
            intermediate_size=_WIDENING * self.hidden_size,
            hidden_dropout_prob=_DROPOUT,
            attention_probs_dropout_prob=_DROPOUT,
        )


PRESETS = {
    "small": Preset(12, 256, 128, 0.25, 5e-4, 128),
    "base": Preset(12, 768, 768, 0.33333, 2e-4, 256),
    "large": Preset(24, 1024, 1024, 0.25, 2e-4, 2048, mask_prob=0.25),
    "chinese_small": Preset(12, 256, 128, 0.25, 5e-4, 1024),
    "chinese_small_ex": Preset(24, 256, 256, 0.25, 5e-4, 384, 2_000_000),
    "chinese_base": Preset(12, 768, 768, 0.25, 2e-4, 256),
    "chinese_large": Preset(24, 1024, 1024, 0.25, 1e-4, 96, 2_000_000),
}


def with_preset(
    config: Config, model_size: Optional[str], given: Collection[str]
) -> Config:
    """Return a config with the values of a published model.

    Args:
        config: a dataclass of settings.
        model_size: a key of PRESETS; None leaves the config as it is.
        given: fields that keep their values.
    """
    if model_size is None:
        return config
    fields = {field.name for field in dataclasses.fields(config)}
    preset = PRESETS[model_size]._asdict()
    return dataclasses.replace(
        config, **{k: v for k, v in preset.items() if k in fields - set(given)}
    )
