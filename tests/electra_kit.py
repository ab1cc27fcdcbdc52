"""Recorded cases of the reference ELECTRA, for several tests."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import tensorflow as tf

from albert.modeling.encoder import make_encoder_builder, parse_encoder_config
from albert.tasks.electra.config import ObjectiveConfig
from albert.tasks.electra.masking import SpecialIds
from albert.tasks.electra.task import ElectraTask
from albert.training.config import Schedule, TrainingConfig
from tests.golden import Recording

v1 = tf.compat.v1

OWN = "base"  # the case that lies in the repository; the others in ../shared
CASES = ("base", "small", "tied_generator", "masked_lm_only")


# [CLS], [SEP] and [MASK] of the recorded vocabulary.
SPECIAL_IDS = SpecialIds(3, 4, 5)
DRAWS = ("positions", "replace_uniform", "gumbel_uniform")


class RecordedDraws:
    """What the reference drew, given as features."""

    def __init__(self, features):
        self._features = features

    def positions(self, candidates, slots):
        assert self._features["positions"].shape[1] == slots
        return self._features["positions"]

    def replace(self, slots):
        return self._features["replace_uniform"]

    def gumbel(self, slots, vocab_size):
        assert self._features["gumbel_uniform"].shape[1:] == [slots, vocab_size]
        return self._features["gumbel_uniform"]


class Recorded(Recording):
    """One case: its configurations, checkpoint, inputs and outputs."""

    def __init__(self, folder):
        super().__init__(folder)
        self.values = json.loads((folder / "config.json").read_text())
        self.hparams = self.values["hparams"]

    def encoder_config(self, network: str):
        """The config of "discriminator" or "generator", with the width of the table."""
        words = "electra/embeddings/word_embeddings"
        width = self.values["variables"][words][1]
        values = {"architecture": "electra", "embedding_size": width}
        return parse_encoder_config({**self.values[network], **values}, network)

    def objective(self) -> ObjectiveConfig:
        """The settings of the case; those it does not name have their defaults."""
        fields = {field.name for field in dataclasses.fields(ObjectiveConfig)}
        given = {k: v for k, v in self.hparams.items() if k in fields}
        return ObjectiveConfig(**given)

    def task(self, **kinds) -> ElectraTask:
        """The task of the case, which draws what was drawn for it."""
        config = self.encoder_config("discriminator")
        kinds = {"make_draws": RecordedDraws, "length_buckets": False, **kinds}
        return ElectraTask(config, self.objective(), 40, SPECIAL_IDS, **kinds)

    def build_encoder(self):
        return make_encoder_builder(self.encoder_config("discriminator"))

    def training(self, **kinds) -> TrainingConfig:
        """How the four recorded steps were made."""
        names = ("learning_rate", "num_train_steps", "num_warmup_steps")
        power = self.values["lr_decay_power"]
        schedule = Schedule(power, True, not kinds.pop("read_after", False))
        return TrainingConfig(
            output_dir="unused",
            optimizer="adamw",
            schedule=schedule,
            **{name: self.hparams[name] for name in names},
            **kinds,
        )

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """The features of a batch, and what was drawn for it."""
        inputs = self.group(f"batch{index}/input/")
        draws = self.group(f"batch{index}/draw/")
        assert set(draws) == set(DRAWS)
        return {**inputs, **draws}


def find_case(name: str, request) -> Recorded:
    """A case of pretraining; skips where third-party data are needed and missing."""
    if name == OWN:
        return Recorded(
            request.getfixturevalue("testdata") / "electra/pretraining/base"
        )
    shared = request.getfixturevalue("shared")
    return Recorded(shared / "reference/electra/modeling/pretraining" / name)


def find_finetuning(name: str, request) -> Recorded:
    """A case of fine-tuning; skips where third-party data are needed and missing."""
    folder = request.getfixturevalue("testdata") / "electra/finetuning" / name
    if not folder.exists():
        shared = request.getfixturevalue("shared")
        folder = shared / "reference/electra/modeling/finetuning" / name
    return Recorded(folder)
