"""BERT and Google's ALBERT: names as published, and outputs of equal models."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from albert.modeling import heads, layers
from albert.modeling.config import AlbertConfig
from albert.modeling.encoder import load_encoder_config, make_encoder_builder
from albert.modeling.published_config import BertConfig, GoogleAlbertConfig
from tests.golden import Golden, load_values, relative_error

v1 = tf.compat.v1

SIZES = {
    "vocab_size": 30,
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 7,
}


def shapes_of(config):
    """Name -> shape of a model with both pretraining heads."""
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None, 5])
        encoded = make_encoder_builder(config)(ids, ids, ids)
        hidden = layers.gather_positions(encoded.sequence, ids)
        heads.masked_lm_logits(hidden, encoded.token_decoder, config)
        heads.sentence_order_logits(encoded.pooled, 0.02)
        return {v.op.name: list(v.shape) for v in v1.trainable_variables()}


def dense(inputs, outputs):
    return {"kernel": [inputs, outputs], "bias": [outputs]}


def below(scope, variables):
    return {f"{scope}/{name}": shape for name, shape in variables.items()}


def norm(width):
    return {"beta": [width], "gamma": [width]}


def test_bert_has_the_variables_of_the_published_checkpoints():
    """The names of google-research/bert, and of the Chinese models made with it."""
    expected = {
        "bert/embeddings/word_embeddings": [30, 8],
        "bert/embeddings/token_type_embeddings": [2, 8],
        "bert/embeddings/position_embeddings": [7, 8],
        **below("bert/embeddings/LayerNorm", norm(8)),
        **below("bert/pooler/dense", dense(8, 8)),
        **below("cls/predictions/transform/dense", dense(8, 8)),
        **below("cls/predictions/transform/LayerNorm", norm(8)),
        "cls/predictions/output_bias": [30],
        "cls/seq_relationship/output_weights": [2, 8],
        "cls/seq_relationship/output_bias": [2],
    }
    for index in range(3):
        layer = f"bert/encoder/layer_{index}"
        for part in ("self/query", "self/key", "self/value", "output/dense"):
            expected.update(below(f"{layer}/attention/{part}", dense(8, 8)))
        expected.update(below(f"{layer}/attention/output/LayerNorm", norm(8)))
        expected.update(below(f"{layer}/intermediate/dense", dense(8, 12)))
        expected.update(below(f"{layer}/output/dense", dense(12, 8)))
        expected.update(below(f"{layer}/output/LayerNorm", norm(8)))
    assert shapes_of(BertConfig(**SIZES)) == expected


@pytest.mark.parametrize("name", ["tiny_google", "small_google"])
def test_published_google_configurations_give_the_recorded_names(
    shared, testdata, name
):
    """The names of the recorded checkpoint, with the shapes of the configuration."""
    path = shared / f"data/published/albert_config/albert_config_{name}.json"
    config = load_encoder_config(str(path))
    recorded = Golden(testdata / "modeling/google")
    small = recorded.config
    sizes = {
        small.vocab_size: config.vocab_size,
        small.embedding_size: config.embedding_size,
        small.hidden_size: config.hidden_size,
        small.intermediate_size: config.intermediate_size,
        small.max_position_embeddings: config.max_position_embeddings,
        2: 2,
    }
    found = tf.train.list_variables(recorded.checkpoint)
    expected = {name: [sizes[n] for n in shape] for name, shape in found}
    assert shapes_of(config) == expected


@pytest.mark.parametrize(
    ("layers_and_groups", "expected"),
    [((3, 1), {0}), ((3, 3), {0, 1, 2}), ((3, 2), {0, 1}), ((4, 2), {0, 1})],
)
def test_layers_of_a_group_share_their_variables(layers_and_groups, expected):
    count, groups = layers_and_groups
    sizes = {**SIZES, "num_hidden_layers": count, "num_hidden_groups": groups}
    names = shapes_of(GoogleAlbertConfig(**sizes, embedding_size=4))
    found = {n.split("group_")[1][0] for n in names if "/transformer/group_" in n}
    assert found == {str(group) for group in expected}


def _outputs(config, values, ids):
    """Outputs of a model whose variables have `values`, by name."""
    with tf.Graph().as_default(), v1.Session() as session:
        ids = tf.constant(ids)
        mask = tf.cast(ids > 0, tf.int32)
        encoded = make_encoder_builder(config)(ids, mask, ids % 2)
        hidden = tf.reshape(encoded.sequence, [-1, config.hidden_size])
        logits = heads.masked_lm_logits(hidden, encoded.token_decoder, config)
        trained = v1.trainable_variables()
        load_values(session, [(v, values[v.op.name]) for v in trained])
        return session.run((encoded.sequence, encoded.pooled, logits))


@pytest.mark.slow
def test_bert_is_albert_zh_with_unshared_layers_and_no_projection():
    config = BertConfig(**SIZES)
    rng = np.random.default_rng(5)
    values = {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in shapes_of(config).items()
    }
    identity = {"bert/embeddings/word_embeddings_2": np.eye(8, dtype=np.float32)}
    other = AlbertConfig(**SIZES, embedding_size=8, layer_sharing="none")
    ids = [[3, 8, 9, 29, 0], [1, 2, 0, 0, 0]]
    found = _outputs(config, values, ids)
    wanted = _outputs(other, {**values, **identity}, ids)
    for one, two in zip(found, wanted):
        assert relative_error(one, two) < 1e-6


def test_dropout_of_the_google_layout_is_on_in_training_alone(testdata):
    golden = Golden(testdata / "modeling/google")
    config = dataclasses.replace(
        golden.config, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3
    )
    batch = golden.batch(0)
    inputs = [batch[n] for n in ("input_ids", "input_mask", "segment_ids")]
    with tf.Graph().as_default():
        build = make_encoder_builder(config)
        still = build(*map(tf.constant, inputs)).sequence
        with v1.variable_scope("", reuse=True):
            trained = build(*map(tf.constant, inputs), training=True).sequence
        with golden.session() as session:
            first, again, noisy = session.run((still, still, trained))
    np.testing.assert_array_equal(first, again)
    assert relative_error(noisy, first) > 0.01


def test_exact_gelu_by_hand():
    xs = np.float32([-3, -1, -0.1, 0, 0.5, 2])
    expected = [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in xs]
    with tf.Graph().as_default(), v1.Session() as session:
        found = session.run(layers.ACTIVATIONS["gelu_erf"](tf.constant(xs)))
        tanh = session.run(layers.ACTIVATIONS["gelu"](tf.constant(xs)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert 1e-5 < np.max(np.abs(found - tanh)) < 1e-3
