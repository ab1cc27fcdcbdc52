"""What ELECTRA's pretraining is told of its networks and objective."""

from __future__ import annotations

import dataclasses

from albert.base.errors import UserError
from albert.base.settings import Settings, above, at_least, in_range, setting


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
        if self.generator_layers > 1 or self.generator_hidden_size > 1:
            name = "layers" if self.generator_layers > 1 else "hidden_size"
            value = getattr(self, f"generator_{name}")
            raise UserError(
                f"generator_{name} must be at most 1, a generator as large as its "
                f"discriminator; got {value:g}"
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
