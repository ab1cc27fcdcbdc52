"""The generator's size, against the table of published models."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.modeling.published_config import ElectraConfig
from albert.tasks.electra.config import ObjectiveConfig
from albert.tasks.electra.generator import make_generator_config


def discriminator(layers, hidden, heads, embedding):
    return ElectraConfig(
        9,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        embedding_size=embedding,
    )


@pytest.mark.parametrize(
    ("sizes", "fraction", "hidden", "heads"),
    [
        # Google's small, base and large, and the Chinese base, as ELECTRA.md has them.
        ((12, 256, 4, 128), 0.25, 64, 1),
        ((12, 768, 12, 768), 0.33333, 256, 4),
        ((24, 1024, 16, 1024), 0.25, 256, 4),
        ((12, 768, 12, 768), 0.25, 192, 3),
        ((12, 256, 4, 128), 1.0, 256, 4),  # the released small one
        ((2, 32, 2, 32), 0.33333, 11, 1),  # 10.67 is rounded
        ((2, 20, 2, 20), 0.125, 2, 1),  # 2.5 is rounded to even
    ],
)
def test_sizes_are_the_published_ones(sizes, fraction, hidden, heads):
    config = make_generator_config(discriminator(*sizes), fraction, 0.5)
    assert config.hidden_size == hidden
    assert config.num_attention_heads == heads
    assert config.num_hidden_layers == sizes[0] // 2
    assert config.intermediate_size == 4 * hidden
    assert config.embedding_size == sizes[3]


def test_a_generator_may_have_all_heads_of_its_discriminator_and_more_layers():
    """One for each 64 of its width: 192 has three, one more than is allowed."""
    few_heads = discriminator(2, 256, 2, 128)
    config = make_generator_config(few_heads, 0.5, 1.5)
    assert (config.hidden_size, config.num_attention_heads) == (128, 2)
    assert config.num_hidden_layers == 3
    with pytest.raises(UserError, match="with 3 attention heads .* discriminator's 2"):
        make_generator_config(few_heads, 0.75, 1.0)
    # Fewer than 64 for each head of the discriminator: they do not reach it.
    config = make_generator_config(discriminator(2, 32, 8, 32), 1.0, 1.0)
    assert (config.hidden_size, config.num_attention_heads) == (32, 1)


def test_untied_embeddings_have_the_generators_width():
    config = make_generator_config(discriminator(2, 256, 4, 128), 0.25, 1.0, True)
    assert config.embedding_size == config.hidden_size == 64


@pytest.mark.parametrize(
    ("sizes", "fraction", "message"),
    [
        ((2, 768, 12, 768), 0.26, r"width 200, which its 3 .* not divide; 0.25 makes"),
        ((2, 256, 2, 128), 1.0, "with 4 attention heads .* than the discriminator's 2"),
        ((2, 4, 2, 4), 0.1, "make a generator of width 0 with 2 layers"),
    ],
)
def test_a_generator_that_cannot_be_built_is_refused(sizes, fraction, message):
    with pytest.raises(UserError, match=message):
        make_generator_config(discriminator(*sizes), fraction, 1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"generator_hidden_size": 2.0}, "generator_hidden_size must be at most 1"),
        ({"generator_layers": 0.0}, "generator_layers must be above 0"),
        (
            {"uniform_generator": True, "electra_objective": False},
            "electra_objective=False leaves out",
        ),
        (
            {"untied_generator_embeddings": True, "untied_generator": False},
            "needs a generator of its own",
        ),
        ({"mask_prob": 0.0}, "mask_prob must be above 0"),
        ({"temperature": 0.0}, "temperature must be above 0"),
    ],
)
def test_a_wrong_setting_is_named(values, message):
    with pytest.raises(UserError, match=message):
        ObjectiveConfig(**values)
