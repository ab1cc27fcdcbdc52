"""Groups of learning rates, by name."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling.config import AlbertConfig
from albert.modeling.encoder import ARCHITECTURES, make_encoder_builder
from albert.modeling.published_config import ElectraConfig
from albert.training.config import TrainingConfig
from albert.training.rates import (
    RateRule,
    describe_group,
    factor_of,
    group_variables,
    layerwise_rules,
)

RULES = (
    RateRule("^bert/embeddings", 0.0, "embeddings"),
    RateRule("^bert/", 0.5),
    RateRule("crf", 10.0, "crf"),
)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("bert/embeddings/word_embeddings", 0.0),
        ("bert/pooler/dense/kernel", 0.5),
        ("crf/transitions", 10.0),
        ("bert/crf", 0.5),  # the first that matches
        ("output_weights", 1.0),
    ],
)
def test_the_first_rule_that_matches_gives_the_factor(name, factor):
    assert factor_of(name, RULES) == factor
    assert factor_of(name, ()) == 1.0


def test_groups_are_named_in_the_order_of_their_rules():
    names = ["output_weights", "bert/b", "bert/embeddings/a", "bert/a"]
    found = group_variables(names, RULES)
    assert [tuple(group) for group in found] == [
        ("embeddings", 0.0, ("bert/embeddings/a",)),
        ("^bert/", 0.5, ("bert/b", "bert/a")),
        ("all others", 1.0, ("output_weights",)),
    ]
    assert [describe_group(group, 1e-4) for group in found] == [
        "embeddings: frozen (1 variable)",
        "^bert/: learning rate 5e-05, factor 0.5 (2 variables)",
        "all others: learning rate 0.0001, factor 1 (1 variable)",
    ]


def config(layers, sharing):
    return AlbertConfig(9, num_hidden_layers=layers, layer_sharing=sharing)


@pytest.mark.parametrize(
    ("sharing", "name", "factor"),
    [
        # ELECTRA with 3 layers: 5, 4, 3 and 2 times 0.8; the pooler lies above.
        ("none", "bert/embeddings/LayerNorm/gamma", 0.32768),
        ("none", "bert/encoder/layer_0/output/dense/bias", 0.4096),
        ("none", "bert/encoder/layer_2/output/dense/bias", 0.64),
        ("none", "bert/encoder/output/LayerNorm/beta", 0.64),
        ("none", "bert/pooler/dense/bias", 0.8),
        ("none", "output_bias", 7.0),
        ("none", "context/encoder/layer_0/output/dense/bias", 7.0),
        # Shared attention is as high as its topmost use.
        ("attention", "bert/encoder/layer_shared/attention/self/key/bias", 0.64),
        ("attention", "bert/encoder/layer_0/output/dense/bias", 0.4096),
        # Layers that share all are one layer: 3 times for the embeddings.
        ("all", "bert/encoder/layer_shared/output/dense/bias", 0.64),
        ("all", "bert/embeddings/word_embeddings_2", 0.512),
    ],
)
def test_lower_layers_learn_slower(sharing, name, factor):
    rules = layerwise_rules(config(3, sharing), 0.8, head_factor=7.0)
    assert factor_of(name, rules) == pytest.approx(factor)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_a_factor_for_each_variable(architecture):
    """Of the lowest to the highest: embeddings, layers, pooler, head."""
    config_class = ARCHITECTURES[architecture].config_class
    row = config_class(9, hidden_size=24)
    with tf.Graph().as_default():
        ids = tf.compat.v1.placeholder(tf.int32, [None, 5])
        make_encoder_builder(row)(ids, ids, ids)
        names = [v.op.name for v in tf.compat.v1.trainable_variables()]
    rules = layerwise_rules(row, 0.5, head_factor=3.0)
    factors = {name: factor_of(name, rules) for name in names}
    lowest = 0.5 ** (len(row.layer_scopes) + 2)
    assert factors[f"{row.scope}/embeddings/word_embeddings"] == lowest
    assert min(factors.values()) == lowest
    assert max(factors.values()) <= 0.5
    groups = [group.name for group in group_variables(names, rules)]
    assert set(row.layer_scopes) < set(groups)  # every one has variables


def test_tenth_layer_is_not_taken_for_the_first():
    rules = layerwise_rules(config(12, "none"), 0.9)
    assert factor_of("bert/encoder/layer_1/x", rules) == pytest.approx(0.9**12)
    assert factor_of("bert/encoder/layer_11/x", rules) == pytest.approx(0.9**2)


@pytest.mark.parametrize("case", ["classification_small", "qa_independent"])
def test_factors_equal_those_that_electra_recorded(shared, case):
    folder = shared / "reference/electra/modeling/finetuning" / case
    recorded = json.loads((folder / "config.json").read_text())
    encoder = ElectraConfig(**recorded["discriminator"])
    rules = layerwise_rules(encoder, recorded["layerwise_lr_decay"])
    assert len(recorded["learning_rate_multiplier"]) > 40
    for name, factor in recorded["learning_rate_multiplier"].items():
        assert factor_of(name, rules) == pytest.approx(factor), name


def test_a_head_can_have_a_rate_of_its_own():
    rules = layerwise_rules(config(3, "all"), head_factor=10.0)
    assert factor_of("bert/pooler/dense/bias", rules) == 1.0
    assert factor_of("crf/transitions", rules) == 10.0
    assert layerwise_rules(config(3, "all")) == ()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (RateRule("a", -1.0), "factor for a must be finite and at least 0, got -1"),
        (RateRule("a", float("nan"), "head"), "factor for head must be .* got nan"),
        (RateRule("(", 1.0), "is not a regular expression"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path, rule, message):
    with pytest.raises(UserError, match=message):
        TrainingConfig(output_dir=str(tmp_path), num_warmup_steps=0, rate_rules=(rule,))


@pytest.mark.parametrize("decay", [0.0, 1.1, -0.5, float("nan")])
def test_a_decay_out_of_range_is_named(decay):
    with pytest.raises(UserError, match="layerwise_lr_decay must be above 0"):
        layerwise_rules(config(3, "all"), decay)
