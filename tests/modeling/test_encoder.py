"""The model against recorded outputs of albert_zh under TensorFlow 1.15.

Of the encoder's outputs, see `tests.conformance.goldens`.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling import heads, layers
from albert.modeling.config import AlbertConfig
from albert.modeling.encoder import load_encoder_config, make_encoder_builder
from albert.training.task import EVAL
from tests.golden import Golden, load_values, placeholders, relative_error

v1 = tf.compat.v1
LAYOUTS = ("postln", "preln")  # of albert_zh


@pytest.fixture(params=(*LAYOUTS, "google"))
def golden(request, testdata):
    return Golden(testdata / "modeling" / request.param)


def test_variable_names_and_shapes_equal_the_recorded_checkpoint(golden):
    with tf.Graph().as_default():
        golden.task.build(placeholders(golden.batch(0)), EVAL, golden.build_encoder)
        found = {v.op.name: list(v.shape) for v in v1.trainable_variables()}
    assert found == dict(tf.train.list_variables(golden.checkpoint))


def test_tiny_has_the_names_and_shapes_of_the_published_checkpoint(repo, shared):
    config = load_encoder_config(str(repo / "albert_config/albert_config_tiny.json"))
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None, 16])
        encoded = make_encoder_builder(config)(ids, ids, ids)
        hidden = layers.gather_positions(encoded.sequence, ids)
        heads.masked_lm_logits(hidden, encoded.token_decoder, config)
        heads.sentence_order_logits(encoded.pooled, 0.02)
        found = {v.op.name: list(v.shape) for v in v1.trainable_variables()}
    published = shared / "data/published/albert_tiny/albert_model.ckpt"
    assert found == dict(tf.train.list_variables(str(published)))
    assert len(found) == 31


def test_padding_does_not_change_the_outputs_of_tokens(golden):
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [1, None])
        mask = v1.placeholder(tf.int32, [1, None])
        encoded = golden.build_encoder(ids, mask, tf.zeros_like(ids))
        row = golden.batch(0)["input_ids"][:1, :9]
        with golden.session() as session:
            short = session.run(encoded.sequence, {ids: row, mask: np.ones_like(row)})
            padded = session.run(
                encoded.sequence,
                {
                    ids: np.pad(row, [(0, 0), (0, 7)]),
                    mask: np.pad(np.ones_like(row), [(0, 0), (0, 7)]),
                },
            )
    assert relative_error(padded[:, :9], short) < 1e-5


def test_positions_that_are_read_alone_have_the_output_of_all(golden):
    with tf.Graph().as_default():
        inputs = placeholders(golden.batch(0))
        tokens = [inputs[n] for n in ("input_ids", "input_mask", "segment_ids")]
        positions = inputs["masked_lm_positions"]
        whole = golden.build_encoder(*tokens)
        with v1.variable_scope("", reuse=True):
            chosen = golden.build_encoder(*tokens, positions=positions)
        wanted = tf.gather(whole.sequence, positions, batch_dims=1)
        with golden.session() as session:
            feed = {inputs[name]: value for name, value in golden.batch(0).items()}
            outputs = session.run(
                (chosen.sequence, wanted, chosen.pooled, whole.pooled), feed
            )
    assert relative_error(outputs[0], outputs[1]) < 1e-5
    assert relative_error(outputs[2], outputs[3]) < 1e-5
    assert len(chosen.layers) == len(whole.layers) - 1


def small_encoder(**changes):
    sizes = {"vocab_size": 30, "hidden_size": 8, "embedding_size": 4}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
    return make_encoder_builder(AlbertConfig(**{**sizes, **layers, **changes}))


def names_of_layers(**changes):
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None, 5])
        small_encoder(**changes)(ids, ids, ids)
        names = [v.op.name for v in v1.trainable_variables()]
    return {name[len("bert/encoder/") :] for name in names if "/encoder/" in name}


ATTENTION = {
    "attention/output/LayerNorm/beta",
    "attention/output/LayerNorm/gamma",
    *(
        f"attention/{part}/{variable}"
        for part in ("self/query", "self/key", "self/value", "output/dense")
        for variable in ("kernel", "bias")
    ),
}
FEED_FORWARD = {
    "output/LayerNorm/beta",
    "output/LayerNorm/gamma",
    *(
        f"{part}/dense/{variable}"
        for part in ("intermediate", "output")
        for variable in ("kernel", "bias")
    ),
}


@pytest.mark.parametrize("ln_type", LAYOUTS)
@pytest.mark.parametrize(
    ("sharing", "attention", "feed_forward"),
    [
        ("all", {"layer_shared"}, {"layer_shared"}),
        ("attention", {"layer_shared"}, {"layer_0", "layer_1"}),
        ("none", {"layer_0", "layer_1"}, {"layer_0", "layer_1"}),
    ],
)
def test_what_layers_do_not_share_is_named_by_layer(
    ln_type, sharing, attention, feed_forward
):
    found = names_of_layers(ln_type=ln_type, layer_sharing=sharing)
    assert found == {
        *(f"{scope}/{name}" for scope in attention for name in ATTENTION),
        *(f"{scope}/{name}" for scope in feed_forward for name in FEED_FORWARD),
    }


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sharing", ["attention", "none"])
def test_unshared_layers_with_equal_values_give_the_recorded_output(
    testdata, layout, sharing
):
    """Every layer starts from the recorded one; so does a normalisation by hand."""
    golden = Golden(testdata / "modeling" / layout)
    preln = golden.config.ln_type == "preln"
    config = dataclasses.replace(
        golden.config, layer_sharing=sharing, final_layer_norm=preln
    )
    with tf.Graph().as_default(), v1.Session() as session:
        inputs = placeholders(golden.batch(0))
        encoded = make_encoder_builder(config)(
            inputs["input_ids"], inputs["input_mask"], inputs["segment_ids"]
        )
        session.run(v1.global_variables_initializer())
        recorded = tf.train.load_checkpoint(golden.checkpoint)
        pairs = []
        for variable in v1.trainable_variables():
            name = re.sub(r"/layer_\d+/", "/layer_shared/", variable.op.name)
            if not name.startswith("bert/encoder/output/"):  # starts at 1 and 0
                pairs.append((variable, recorded.get_tensor(name)))
        load_values(session, pairs)
        feed = {inputs[name]: value for name, value in golden.batch(0).items()}
        found = session.run(encoded.sequence, feed)
    wanted = golden.arrays["batch0/output/sequence_output"]
    if preln:
        wanted = wanted - wanted.mean(axis=-1, keepdims=True)
        wanted = wanted / wanted.std(axis=-1, keepdims=True)
    assert relative_error(found, wanted) < 1e-5


def test_a_projection_can_start_at_a_scale_of_its_own():
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        ids = v1.placeholder(tf.int32, [None, 5])
        small_encoder(hidden_size=64, projection_initializer_range=0.5)(ids, ids, ids)
        session.run(v1.global_variables_initializer())
        values = session.run({v.op.name: v for v in v1.trainable_variables()})
    # What a normal distribution cut at 2 deviations leaves of the deviation: 0.88.
    spread = {name: float(np.std(value)) for name, value in values.items()}
    assert 0.36 < spread["bert/embeddings/word_embeddings_2"] < 0.52
    assert 0.014 < spread["bert/embeddings/word_embeddings"] < 0.021


def test_two_encoders_of_one_graph_are_apart():
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None, 5])
        for scope in ("generator", "discriminator"):
            small_encoder()(ids, ids, ids, scope=scope)
        names = [v.op.name for v in v1.trainable_variables()]
    assert len(set(names)) == len(names)
    first = {n[len("generator") :] for n in names if n.startswith("generator/")}
    second = {n[len("discriminator") :] for n in names if n.startswith("discr")}
    assert first == second
    assert len(names) == 2 * len(first)


@pytest.mark.parametrize("told", [1, 2])
def test_two_encoders_of_one_graph_can_share_embeddings(told):
    """Whether the first is told to make them in the shared scope, or owns it."""
    with tf.Graph().as_default(), v1.Session() as session:
        ids = tf.constant([[1, 2, 3]])
        ones = tf.ones_like(ids)
        encoders = [
            small_encoder(num_hidden_layers=count)(
                ids, ones, ones, scope=scope, embeddings_scope=shared
            )
            for count, scope, shared in (
                (1, "small", "large" if told == 2 else None),
                (2, "large", "large" if told == 2 else "small"),
            )
        ]
        variables = v1.trainable_variables()
        names = [v.op.name for v in variables]
        gradients = tf.gradients([e.sequence for e in encoders], variables)
        session.run(v1.global_variables_initializer())
        embedded = session.run([e.embedding_output for e in encoders])
    tables = [name for name in names if name.endswith("/word_embeddings")]
    owner = "large" if told == 2 else "small"
    assert tables == [f"{owner}/embeddings/word_embeddings"]
    assert "small/encoder/layer_shared/output/dense/kernel" in names
    assert "large/encoder/layer_shared/output/dense/kernel" in names
    assert gradients[names.index(tables[0])] is not None
    np.testing.assert_array_equal(*embedded)


def test_input_longer_than_the_position_embeddings_is_refused(golden):
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None, 65])
        with pytest.raises(UserError, match="65 is more than .* 64"):
            golden.build_encoder(ids, ids, ids)
