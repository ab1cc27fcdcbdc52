"""What ELECTRA's pretraining is told of its networks and objective."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.errors import UserError
from albert.base.settings import (
    Settings,
    above,
    at_least,
    in_range,
    setting,
    setting_of,
)
from albert.tasks.electra.presets import PRESETS
from albert.tasks.pretraining_config import RunConfig, RunFiles
from albert.training.config import Schedule

# Defaults of the flags of `TrainingConfig`: the reference's.
TRAINING_DEFAULTS = {
    "learning_rate": 5e-4,
    "num_train_steps": 1_000_000,
    "train_batch_size": 128,
    "optimizer": "adamw",
}


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig(Settings):
    """The networks and their losses; names and defaults are the reference's."""

    mask_prob: float = setting(
        0.15,
        "Share of the tokens to mask, drawn anew for every batch.",
        check=in_range(low=0, high=1, low_open=True),
    )
    electra_objective: bool = setting(
        True,
        "Replaced token detection. False: a masked language model of full size alone.",
    )
    untied_generator: bool = setting(
        True,
        "A generator of its own. False: the discriminator's network is the generator.",
    )
    untied_generator_embeddings: bool = setting(
        False, "Embeddings of the generator's own, at its width."
    )
    uniform_generator: bool = setting(
        False, "Replace by any token, each as likely, in place of a generator."
    )
    generator_hidden_size: float = setting(
        0.25,
        "Width of the generator, as a share of the discriminator's.",
        check=above(0),
    )
    generator_layers: float = setting(
        1.0,
        "Layers of the generator, as a share of the discriminator's.",
        check=above(0),
    )
    disallow_correct: bool = setting(
        False, "Never let the generator draw the token that stood there."
    )
    temperature: float = setting(
        1.0, "What the generator's logits are divided by.", check=above(0)
    )
    gen_weight: float = setting(
        1.0, "Weight of the generator's loss.", check=at_least(0)
    )
    disc_weight: float = setting(
        50.0, "Weight of the discriminator's loss.", check=at_least(0)
    )

    @property
    def has_generator(self) -> bool:
        """Whether there is a second network."""
        return (
            self.electra_objective
            and self.untied_generator
            and not self.uniform_generator
        )

    def validate(self) -> None:
        """Check that the networks go together."""
        if self.generator_hidden_size > 1:
            raise UserError(
                "generator_hidden_size must be at most 1, a generator as wide as its "
                f"discriminator; got {self.generator_hidden_size:g}"
            )
        if self.uniform_generator and not self.electra_objective:
            raise UserError(
                "uniform_generator replaces tokens for the discriminator, which "
                "electra_objective=False leaves out"
            )
        if self.untied_generator_embeddings and not self.has_generator:
            raise UserError(
                "untied_generator_embeddings needs a generator of its own: "
                "electra_objective and untied_generator, no uniform_generator"
            )


@dataclasses.dataclass(frozen=True)
class ElectraFiles(RunFiles):
    """The files of a run; names, not globs."""

    config_file: Optional[str] = setting_of(
        RunFiles,
        "config_file",
        None,
        "The discriminator's config, a JSON file of the architecture electra. Default: "
        "what --model_size says.",
    )


@dataclasses.dataclass(frozen=True)
class ElectraRunConfig(RunConfig):
    """What to do with the files, and which model to make."""

    model_size: Optional[str] = setting(
        None,
        "Sizes, learning rate, batch, steps and --mask_prob of a published model, "
        "where no flag gives another.",
        choices=tuple(PRESETS),
    )
    max_predictions_per_seq: Optional[int] = setting_of(
        RunConfig,
        "max_predictions_per_seq",
        None,
        "Tokens to mask in an example at most. They follow from --mask_prob and the "
        "length of the records; another value is refused.",
    )


@dataclasses.dataclass(frozen=True)
class UpdateConfig(Settings):
    """Where the reference's updates are not those of BERT."""

    lr_decay_power: float = setting(
        1.0, "Power of the decay of the learning rate; 1 is linear.", check=above(0)
    )
    step_read_after: bool = setting(
        False,
        "Give each update the learning rate of the next step, as runs of Google's "
        "program mostly did, which reads the step while it counts it. Otherwise the "
        "first update of a warm-up has the rate 0.",
    )
    clip_by_unsummed_rows: bool = setting(
        False,
        "Cut the gradient by a norm that counts a word embedding once for each place "
        "where it was looked up, as Google's program does without a tied generator. "
        "For one device without accumulation.",
    )

    @property
    def schedule(self) -> Schedule:
        """How the learning rate goes: the warm-up is a factor of the decayed rate."""
        return Schedule(self.lr_decay_power, True, not self.step_read_after)
