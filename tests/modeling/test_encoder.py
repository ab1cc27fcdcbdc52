"""The model against recorded outputs of albert_zh under TensorFlow 1.15."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling import heads, layers
from albert.modeling.config import load_albert_config
from albert.modeling.encoder import make_encoder_builder
from albert.training.replicas import global_losses
from albert.training.task import EVAL
from tests.golden import Golden, placeholders, relative_error

v1 = tf.compat.v1
LAYOUTS = ("postln", "preln")


@pytest.fixture(params=LAYOUTS)
def golden(request, testdata):
    return Golden(testdata / "modeling" / request.param)


def test_variable_names_and_shapes_equal_the_recorded_checkpoint(golden):
    with tf.Graph().as_default():
        golden.task.build(placeholders(golden.batch(0)), EVAL, golden.build_encoder)
        found = {v.op.name: list(v.shape) for v in v1.trainable_variables()}
    assert found == dict(tf.train.list_variables(golden.checkpoint))


def test_every_output_equals_the_recorded_one(golden):
    with tf.Graph().as_default():
        inputs = placeholders(golden.batch(0))
        encoded = golden.build_encoder(
            inputs["input_ids"], inputs["input_mask"], inputs["segment_ids"]
        )
        lm_logits = heads.masked_lm_logits(
            layers.gather_positions(encoded.sequence, inputs["masked_lm_positions"]),
            encoded.token_decoder,
            golden.config,
        )
        order_logits = heads.sentence_order_logits(encoded.pooled, 0.02)
        outputs = {
            "embedding_output": encoded.embedding_output,
            "sequence_output": encoded.sequence,
            "pooled_output": encoded.pooled,
            "masked_lm_log_probs": tf.nn.log_softmax(lm_logits),
            "sentence_order_log_probs": tf.nn.log_softmax(order_logits),
        }
        for index, layer in enumerate(encoded.layers):
            outputs[f"all_encoder_layers_{index}"] = layer
        with golden.session() as session:
            for index in range(3):
                batch = golden.batch(index)
                feed = {inputs[name]: value for name, value in batch.items()}
                for name, found in session.run(outputs, feed).items():
                    wanted = golden.arrays[f"batch{index}/output/{name}"]
                    assert relative_error(found, wanted) < 1e-5, (index, name)


def test_losses_and_every_gradient_equal_the_recorded_ones(golden):
    with tf.Graph().as_default():
        inputs = placeholders(golden.batch(0))
        losses = global_losses(
            golden.task.build(inputs, EVAL, golden.build_encoder).losses
        )
        variables = v1.trainable_variables()
        gradients = [
            tf.convert_to_tensor(g) for g in tf.gradients(losses.share, variables)
        ]
        with golden.session() as session:
            feed = {inputs[name]: value for name, value in golden.batch(0).items()}
            total, means, values = session.run(
                (losses.share, losses.means, gradients), feed
            )
    output = golden.group("batch0/output/")
    assert total == pytest.approx(float(output["total_loss"]), rel=1e-5)
    assert means["masked_lm_loss"] == pytest.approx(
        float(output["masked_lm_loss"]), rel=1e-5
    )
    assert means["sentence_order_loss"] == pytest.approx(
        float(output["sentence_order_loss"]), rel=1e-5
    )
    wanted = golden.group("batch0/gradient/")
    assert {v.op.name for v in variables} == set(wanted)
    for variable, value in zip(variables, values):
        error = relative_error(value, wanted[variable.op.name])
        # Attention does not change when all keys move together, so the gradient of
        # the key bias is 0 up to rounding: it is held to the scale of the others.
        if variable.op.name.endswith("key/bias"):
            query = wanted[variable.op.name.replace("key", "query")]
            error = np.max(np.abs(value - wanted[variable.op.name])) / np.max(
                np.abs(query)
            )
        assert error < 1e-4, variable.op.name


def test_tiny_has_the_names_and_shapes_of_the_published_checkpoint(repo, shared):
    config = load_albert_config(str(repo / "albert_config/albert_config_tiny.json"))
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


def test_input_longer_than_the_position_embeddings_is_refused(golden):
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None, 65])
        with pytest.raises(UserError, match="65 is more than .* 64"):
            golden.build_encoder(ids, ids, ids)
