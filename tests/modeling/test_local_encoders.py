"""Encoders that see neighbours by construction.

Their outputs are compared with NumPy's in `tests.conformance.goldens`.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling.encoder import make_encoder_builder, parse_encoder_config
from tests.golden import load_values

v1 = tf.compat.v1

SIZES = {
    "conv": {
        "num_hidden_layers": 2,
        "num_attention_layers": 1,
        "num_attention_heads": 2,
        "kernel_size": 3,
        "intermediate_size": 10,
    },
    "textcnn": {"num_hidden_layers": 2, "kernel_size": 5},
    "bilstm": {"num_hidden_layers": 2},
    "embeddings": {},
}
LENGTHS = np.array([9, 4, 1])


def make_config(architecture, **changes):
    values = {
        "architecture": architecture,
        "vocab_size": 20,
        "hidden_size": 12,
        "embedding_size": 6,
        **SIZES[architecture],
        **changes,
    }
    return parse_encoder_config(values, "config")


def make_batch():
    """Three examples of 9, 4 and 1 tokens, padded to 9 with token 0."""
    rng = np.random.RandomState(3)
    mask = (np.arange(9) < LENGTHS[:, None]).astype(np.int32)
    ids = (rng.randint(1, 20, (3, 9)) * mask).astype(np.int32)
    segments = (rng.randint(0, 2, (3, 9)) * mask).astype(np.int32)
    return ids, mask, segments


class Built:
    """An encoder with random variables in a session of its own."""

    def __init__(self, architecture, **changes):
        self.config = make_config(architecture, **changes)
        self.build = make_encoder_builder(self.config)
        with tf.Graph().as_default() as self.graph:
            inputs = [tf.constant(x) for x in make_batch()]
            self.output = self.build(*inputs)
            self.session = v1.Session()
            rng = np.random.RandomState(7)
            # Neither zeros nor ones, so that no variable can be left out unseen.
            trained = v1.trainable_variables()
            values = [rng.normal(0.1, 0.4, v.shape).astype(np.float32) for v in trained]
            load_values(self.session, list(zip(trained, values)))
            names = [v.op.name for v in v1.trainable_variables()]
            values = self.session.run(v1.trainable_variables())
            self.values = {
                name.removeprefix("bert/"): value.astype(np.float64)
                for name, value in zip(names, values)
            }

    def run(
        self,
        ids,
        mask,
        segments,
        read=lambda output: output.sequence,
        positions=None,
        **how,
    ):
        with self.graph.as_default(), v1.variable_scope("", reuse=True):
            if positions is not None:
                how["positions"] = tf.constant(positions)
            output = self.build(*map(tf.constant, (ids, mask, segments)), **how)
            return self.session.run(read(output))


@pytest.fixture(scope="module", params=SIZES)
def built(request):
    return Built(request.param)


def test_no_token_depends_on_what_stands_in_padding(built):
    ids, mask, segments = make_batch()
    other = np.where(mask == 1, ids, 13).astype(np.int32)
    both = lambda output: (output.sequence, output.pooled)  # noqa: E731
    before, pooled = built.run(ids, mask, segments, read=both)
    after, pooled_after = built.run(other, mask, segments, read=both)
    np.testing.assert_array_equal(before[mask == 1], after[mask == 1])
    np.testing.assert_array_equal(pooled, pooled_after)


def test_chosen_positions_have_the_vectors_they_have_among_all(built):
    batch = make_batch()
    positions = np.array([[0, 8, 3], [3, 0, 0], [0, 0, 0]], np.int32)
    whole = built.run(*batch)
    chosen = built.run(*batch, positions=positions)
    wanted = np.take_along_axis(whole, positions[:, :, None], axis=1)
    np.testing.assert_allclose(chosen, wanted, atol=1e-5)


def test_a_graph_that_reads_positions_alone_trains_every_layer(built):
    batch = make_batch()
    with built.graph.as_default(), v1.variable_scope("", reuse=True):
        output = built.build(*map(tf.constant, batch), positions=tf.constant([[1]] * 3))
        variables = v1.trainable_variables()
        gradients = tf.gradients(output.sequence, variables)
    without = {v.op.name for v, g in zip(variables, gradients) if g is None}
    assert without == {"bert/pooler/dense/kernel", "bert/pooler/dense/bias"}


def test_half_precision_stays_near_float32(built):
    batch = make_batch()
    sequence = built.run(*batch, dtype=tf.bfloat16)
    assert sequence.dtype == np.float32
    wanted = built.run(*batch)
    mask = batch[1] == 1
    scale = np.abs(wanted[mask]).max()
    assert np.abs(sequence - wanted)[mask].max() < 0.1 * scale


def test_decoder_is_the_product_with_the_word_vectors(built):
    vectors = np.random.RandomState(5).normal(size=(4, 6)).astype(np.float32)
    with built.graph.as_default():
        logits = built.session.run(built.output.token_decoder(tf.constant(vectors)))
    wanted = vectors @ built.values["embeddings/word_embeddings"].T
    np.testing.assert_allclose(logits, wanted, atol=1e-5)


def test_convolution_sees_as_far_as_its_kernels_and_no_further():
    built = Built("conv", num_hidden_layers=2, num_attention_layers=0, kernel_size=3)
    ids, mask, segments = (x[:1] for x in make_batch())
    other = ids.copy()
    other[0, 8] = 20 - other[0, 8]
    change = np.abs(built.run(ids, mask, segments) - built.run(other, mask, segments))
    seen = change[0].max(axis=1) > 0
    assert seen.tolist() == [False] * 6 + [True] * 3  # two blocks of one neighbour


def test_attention_favours_near_tokens_where_all_are_alike():
    from albert.modeling.conv import distance_penalty

    with tf.Graph().as_default(), v1.Session() as session:
        penalty = session.run(distance_penalty(tf.constant([[2, 0]]), 4, 2))
    # Two heads: slopes 2 ** -4 and 2 ** -8; queries at 2 and at 0.
    distances = np.array([[2.0, 1.0, 0.0, 1.0], [0.0, 1.0, 2.0, 3.0]])
    wanted = [[-distances / 16, -distances / 256]]
    np.testing.assert_allclose(penalty, wanted)


@pytest.mark.parametrize(
    ("architecture", "changes", "message"),
    [
        ("conv", {"kernel_size": 4}, "kernel_size must be odd"),
        ("conv", {"num_attention_heads": 5}, "multiple of num_attention_heads"),
        ("conv", {"num_attention_layers": -1}, "num_attention_layers must be"),
        ("conv", {"num_hidden_layers": 0}, "num_hidden_layers must be"),
        ("textcnn", {"kernel_size": 2}, "kernel_size must be odd"),
        ("textcnn", {"hidden_size": 13}, "hidden_size must be a multiple of 3"),
        ("bilstm", {"hidden_size": 13}, "hidden_size must be even"),
        ("embeddings", {"num_hidden_layers": 2}, "unknown key 'num_hidden_layers'"),
    ],
)
def test_sizes_that_cannot_be_are_named(architecture, changes, message):
    with pytest.raises(UserError, match=message):
        make_config(architecture, **changes)


@pytest.mark.parametrize("architecture", SIZES)
def test_config_in_a_file_is_the_config_again(architecture):
    config = make_config(architecture)
    assert config.to_dict()["architecture"] == architecture
    assert parse_encoder_config(config.to_dict(), "again") == config
