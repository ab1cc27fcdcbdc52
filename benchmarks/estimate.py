"""What a pretraining run costs, before it starts: arithmetic, memory, days.

`python3 benchmarks/pretraining.py --estimate` prints it for a config. Days on other
devices are estimates: operations over the published peak rate, times the share of it
that is reached.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional

from albert.modeling import operations, sizes
from albert.modeling.config import EncoderConfig
from albert.modeling.encoder import parse_encoder_config
from albert.modeling.operations import StepCost
from albert.modeling.published_config import ElectraConfig
from albert.modeling.sizes import Memory
from albert.tasks.electra.generator import make_generator_config

_DAY = 86_400  # seconds
_GIGA = 1e9


class Device(NamedTuple):
    """A graphics card and its published peak, in operations a second."""

    name: str
    peak: float
    precision: str


# NVIDIA's data sheets, of the SXM cards: dense products, on tensor cores but for
# float32.
DEVICES = (
    Device("V100", 15.7e12, "float32"),
    Device("V100", 125e12, "float16"),
    Device("A100", 312e12, "bfloat16"),
    Device("H100", 989e12, "bfloat16"),
)


class Run(NamedTuple):
    """A pretraining run.

    Attributes:
        config: of the encoder, of the discriminator for ELECTRA.
        generator: its config, for ELECTRA alone.
        examples: of a step.
        length: tokens of an example.
        masks: masked positions of an example.
        steps: in all.
        optimizer: "adamw" or "lamb".
    """

    config: EncoderConfig
    generator: Optional[ElectraConfig]
    examples: int
    length: int
    masks: int
    steps: int
    optimizer: str = "adamw"

    @property
    def variables(self) -> int:
        """How many numbers the model holds."""
        if isinstance(self.config, ElectraConfig):
            return sizes.count_electra(self.config, self.generator)
        return sizes.count_masked_lm(self.config)

    @property
    def cost(self) -> StepCost:
        """Of a step."""
        shape = (self.length, self.masks)
        if isinstance(self.config, ElectraConfig):
            work = operations.electra_work(self.config, self.generator, *shape)
        else:
            work = operations.masked_lm_work(self.config, *shape)
        return operations.step_cost(work, self.examples, self.variables, self.optimizer)

    @property
    def memory(self) -> Memory:
        """That a step takes on one device."""
        shape = (self.examples, self.length, self.masks)
        if isinstance(self.config, ElectraConfig):
            return sizes.electra_memory(self.config, self.generator, *shape)
        return sizes.masked_lm_memory(self.config, *shape)

    def days(self, rate: float) -> float:
        """Return how long the run takes at so many operations a second."""
        return self.cost.total * self.steps / rate / _DAY


def make_run(config: EncoderConfig, fraction: float, *shape: Any) -> Run:
    """Return a run; for ELECTRA with a generator of a fraction of its width.

    Args:
        config: of the encoder.
        fraction: of the discriminator's width.
        *shape: the other fields of `Run`.
    """
    generator = None
    if isinstance(config, ElectraConfig):
        generator = make_generator_config(config, fraction, 1.0)
    return Run(config, generator, *shape)


def describe_run(run: Run, rate: Optional[float], share: float) -> list[str]:
    """Return what to expect of a run, a line each.

    Args:
        rate: of a large matrix product on this machine, in operations a second; None
            where it was not measured.
        share: of such a rate that a step reaches.
    """
    cost, memory = run.cost, run.memory
    network = run.config
    lines = [
        f"{network.architecture}, width {network.hidden_size}: "
        f"{run.variables / 1e6:.1f} million parameters; {run.steps:,} steps of "
        f"{run.examples} examples of {run.length} tokens, {run.masks} of them masked",
        f"a step: {cost.total / _GIGA:,.1f} GFLOP (forward "
        f"{cost.forward / cost.total:.0%}, backward {cost.backward / cost.total:.0%}, "
        f"optimizer {cost.optimizer / cost.total:.1%}; of these the logits over the "
        f"vocabulary {cost.output_layer / cost.total:.0%})",
        f"memory: about {memory.total / _GIGA:.2f} GB in float32 (parameters, "
        f"gradients and moments {memory.variables / _GIGA:.2f}, layers "
        f"{memory.layers / _GIGA:.2f}, logits {memory.logits / _GIGA:.2f}), besides "
        "TensorFlow itself",
    ]
    if rate is not None:
        days = run.days(share * rate)
        lines.append(
            f"on this machine, whose large matrix products run at "
            f"{rate / _GIGA:,.0f} GFLOP/s now: {cost.total / share / rate:.2f} s a "
            f"step, {days:,.1f} days in all (ESTIMATE)"
        )
    for device in DEVICES:
        days = run.days(share * device.peak)
        lines.append(
            f"on one {device.name} ({device.peak / 1e12:g} TFLOP/s in "
            f"{device.precision}): {days:,.2f} days at {share:.0%} of the peak, "
            f"{10 * days:,.1f} at {share / 10:.1%} (ESTIMATE)"
        )
    return lines


# Sizes of ELECTRA's encoders; each layer's feed-forward part is 4 times as wide.
SMALL = {"hidden_size": 256, "num_attention_heads": 4, "embedding_size": 128}
BASE = {"hidden_size": 768, "num_attention_heads": 12, "embedding_size": 768}
CHINESE, ENGLISH = 21_128, 30_522  # tokens of the published vocabularies


def make_electra(sizes_of: Mapping[str, int], vocab_size: int) -> EncoderConfig:
    """Return the config of a discriminator of 12 layers."""
    values = {
        **sizes_of,
        "architecture": "electra",
        "vocab_size": vocab_size,
        "num_hidden_layers": 12,
        "intermediate_size": 4 * sizes_of["hidden_size"],
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
    }
    return parse_encoder_config(values, "recipe")


def list_recipes(tiny: EncoderConfig, base: EncoderConfig) -> dict[str, Run]:
    """Return the published runs by name.

    Args:
        tiny, base: the configs of `albert_config/`.
    """
    third = 1 / 3  # of 768: the generator of ELECTRA's paper for base
    return {
        "SciBERT-CN: albert_tiny, adapted": make_run(
            tiny, 0, 64, 512, 51, 125_000, "lamb"
        ),
        "albert_zh: albert_tiny": make_run(tiny, 0, 4096, 512, 51, 125_000, "lamb"),
        "albert_zh: albert_base": make_run(base, 0, 4096, 512, 51, 125_000, "lamb"),
        "ELECTRA small": make_run(
            make_electra(SMALL, ENGLISH), 0.25, 128, 128, 19, 1_000_000
        ),
        "ELECTRA base": make_run(
            make_electra(BASE, ENGLISH), third, 256, 512, 79, 766_000
        ),
        "Chinese ELECTRA small": make_run(
            make_electra(SMALL, CHINESE), 0.25, 1024, 512, 79, 1_000_000
        ),
        "Chinese ELECTRA base": make_run(
            make_electra(BASE, CHINESE), 0.25, 256, 512, 79, 1_000_000
        ),
    }


def format_recipes(recipes: Mapping[str, Run], share: float) -> list[str]:
    """Return a table of estimated days on one device at that share of its peak."""
    names = " | ".join(f"{d.name}, {d.precision}" for d in DEVICES)
    lines = [
        f"| run | parameters | operations | {names} |",
        "|---|---|---|" + "---|" * len(DEVICES),
    ]
    for name, run in recipes.items():
        days = " | ".join(f"{run.days(share * d.peak):,.2f}" for d in DEVICES)
        lines.append(
            f"| {name} | {run.variables / 1e6:.1f} M | "
            f"{run.cost.total * run.steps:.2g} | {days} |"
        )
    return lines
