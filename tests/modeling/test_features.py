"""What a head reads of an encoder, against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling.features import (
    FEATURES,
    TEXT_FEATURES,
    read_features,
    read_text_vector,
)
from albert.modeling.output import EncoderOutput
from albert.tasks.classification.config import FEATURE_KINDS as TEXT_FEATURE_KINDS
from albert.tasks.ner.config import FEATURE_KINDS

v1 = tf.compat.v1


def make_layers(count):
    """Embeddings and layers [2, 3, 4]; the encoder's output is not the last of them."""
    rng = np.random.RandomState(1)
    return [rng.normal(size=(2, 3, 4)).astype(np.float32) for _ in range(count + 2)]


def run(kind, arrays, weights=None):
    with tf.Graph().as_default(), v1.Session() as session:
        embedded, *layers, output = map(tf.constant, arrays)
        encoded = EncoderOutput(embedded, output, tuple(layers), None, None)
        features = read_features(kind, encoded)
        session.run(v1.global_variables_initializer())
        for variable in v1.trainable_variables():
            if weights is not None and variable.op.name == "features/weights":
                variable.load(np.array(weights, np.float32), session)
        return session.run(features)


def test_settings_and_table_have_the_same_kinds():
    assert tuple(FEATURES) == FEATURE_KINDS


def test_last_is_the_output():
    arrays = make_layers(2)
    np.testing.assert_array_equal(run("last", arrays), arrays[-1])


@pytest.mark.parametrize(("count", "wanted"), [(5, (2, 3, 4, -1)), (1, (0, -1))])
def test_the_last_four_layers_stand_side_by_side(count, wanted):
    # Of five layers the fifth as the encoder gives it, normalised; arrays[0] is the
    # embeddings, arrays[5] the fifth layer itself.
    arrays = make_layers(count)
    found = run("last_four_concat", arrays)
    np.testing.assert_array_equal(found, np.concatenate([arrays[i] for i in wanted], 2))


def test_weighted_is_a_mean_of_normalised_layers_by_a_softmax():
    arrays = make_layers(2)
    chosen = [arrays[0], arrays[1], arrays[3]]
    normal = [
        (x - x.mean(2, keepdims=True)) / np.sqrt(x.var(2, keepdims=True) + 1e-6)
        for x in chosen
    ]
    np.testing.assert_allclose(run("weighted", arrays), sum(normal) / 3, atol=1e-5)
    shares = np.array([1.0, 2.0, 1.0]) / 4
    wanted = sum(share * x for share, x in zip(shares, normal))
    found = run("weighted", arrays, np.log([1.0, 2.0, 1.0]))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_encoder_without_layers_has_its_embeddings():
    arrays = make_layers(0)  # embeddings, and the same as the encoder gives them
    np.testing.assert_array_equal(run("last_four_concat", arrays), arrays[-1])


def read_text(kind, arrays, mask, layer=None):
    with tf.Graph().as_default(), v1.Session() as session:
        embedded, *layers, output = map(tf.constant, arrays)
        pooled = tf.constant(arrays[0][:, 1])
        encoded = EncoderOutput(embedded, output, tuple(layers), pooled, None)
        return session.run(read_text_vector(kind, encoded, tf.constant(mask), layer))


def test_settings_and_table_have_the_same_kinds_of_text_vectors():
    assert tuple(TEXT_FEATURES) == TEXT_FEATURE_KINDS


@pytest.mark.parametrize(
    ("kind", "layer", "expected"),
    [
        ("pooled", None, lambda x: x[0][:, 1]),
        ("first", None, lambda x: x[-1][:, 0]),
        ("first", 0, lambda x: x[0][:, 0]),
        ("first", 2, lambda x: x[2][:, 0]),
        # The last layer is read as the encoder gives it.
        ("first", 5, lambda x: x[-1][:, 0]),
        (
            "last_four_concat",
            None,
            lambda x: np.concatenate([x[i][:, 0] for i in (2, 3, 4, -1)], axis=1),
        ),
        (
            "last_four_max",
            None,
            lambda x: np.max([x[i][:, 0] for i in (2, 3, 4, -1)], axis=0),
        ),
        ("mean", 3, lambda x: np.array([x[3][0, :2].mean(0), x[3][1].mean(0)])),
    ],
)
def test_vectors_of_texts(kind, layer, expected):
    arrays, mask = make_layers(5), [[1, 1, 0], [1, 1, 1]]
    found = read_text(kind, arrays, mask, layer)
    np.testing.assert_allclose(found, expected(arrays), rtol=1e-6)


def test_a_layer_that_there_is_not_is_named():
    with pytest.raises(UserError, match="feature_layer is 6, .* has 5 layers"):
        read_text("first", make_layers(5), [[1] * 3] * 2, 6)
