"""ELECTRA's encoder: recorded outputs of both networks, names, shared embeddings."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling.encoder import make_encoder_builder, parse_encoder_config
from albert.modeling.published_config import ElectraConfig
from tests.electra_kit import CASES, find_case

v1 = tf.compat.v1

SIZES = {"vocab_size": 9, "hidden_size": 8, "num_attention_heads": 2}
# network -> the recorded input of its encoder
INPUTS = {
    "generator": "output/mask/input_ids",
    "discriminator": "output/sample/corrupted_input_ids",
}


def build_networks(case, batch):
    """Outputs of the networks that a case has, the generator on shared embeddings."""
    arrays = case.group(f"batch{batch}/")
    mask, segments = arrays["input/input_mask"], arrays["input/segment_ids"]
    outputs = {}
    for network, ids in INPUTS.items():
        if case.values[network] is None or ids not in arrays:
            continue
        place = {}
        if network == "generator":
            place = {"scope": "generator", "embeddings_scope": "electra"}
        build = make_encoder_builder(case.encoder_config(network))
        with v1.variable_scope("", reuse=v1.AUTO_REUSE):
            outputs[network] = build(arrays[ids], mask, segments, **place)
    return outputs, arrays


@pytest.mark.parametrize("name", [name for name in CASES if name != "masked_lm_only"])
def test_outputs_are_the_recorded_ones(name, request):
    """Embeddings and every layer of both networks, within 1e-5."""
    case = find_case(name, request)
    with tf.Graph().as_default():
        built = [build_networks(case, batch) for batch in range(3)]
        with case.session() as session:
            for outputs, arrays in built:
                assert outputs
                for network, output in outputs.items():
                    found = session.run({**output._asdict(), "token_decoder": ()})
                    wanted = f"output/{network}/"
                    np.testing.assert_allclose(
                        found["embedding_output"],
                        arrays[f"{wanted}embedding_output"],
                        atol=1e-5,
                    )
                    every = arrays[f"{wanted}all_layers"]
                    assert len(found["layers"]) == len(every) > 0
                    np.testing.assert_allclose(found["layers"], every, atol=1e-5)
                    np.testing.assert_array_equal(
                        found["sequence"], found["layers"][-1]
                    )
                    np.testing.assert_array_equal(
                        found["pooled"], found["sequence"][:, 0]
                    )


@pytest.mark.parametrize("name", ["base", "small"])
def test_names_and_shapes_are_the_published_ones(name, request):
    """Of both networks together; heads are no part of an encoder."""
    case = find_case(name, request)
    with tf.Graph().as_default():
        build_networks(case, 0)
        found = {v.op.name: v.shape.as_list() for v in v1.trainable_variables()}
    expected = {
        name: shape
        for name, shape in case.values["variables"].items()
        if "_predictions/" not in name
    }
    assert found == expected


def test_embeddings_of_the_layers_width_are_not_projected():
    with tf.Graph().as_default():
        ids = tf.zeros([1, 3], tf.int32)
        output = make_encoder_builder(ElectraConfig(**SIZES))(ids, ids, ids)
        names = [v.op.name for v in v1.trainable_variables()]
    assert output.token_decoder.width == 8
    assert not [n for n in names if "project" in n or "pooler" in n]


def test_asked_positions_have_the_values_of_the_whole(request):
    case = find_case("base", request)
    arrays = case.group("batch0/")
    ids, mask, segments, wanted = (
        arrays[name]
        for name in (
            "output/sample/corrupted_input_ids",
            "input/input_mask",
            "input/segment_ids",
            "output/discriminator/all_layers",
        )
    )
    with tf.Graph().as_default():
        build = make_encoder_builder(case.encoder_config("discriminator"))
        places = tf.constant([[4, 0], [2, 2], [1, 7], [3, 5]])
        output = build(ids, mask, segments, positions=places)
        with case.session() as session:
            found, pooled = session.run((output.sequence, output.pooled))
    rows = np.arange(4)[:, None]
    np.testing.assert_allclose(
        found, wanted[-1][rows, [[4, 0], [2, 2], [1, 7], [3, 5]]], atol=1e-5
    )
    np.testing.assert_allclose(pooled, wanted[-1][:, 0], atol=1e-5)


def test_a_published_file_means_the_exact_gelu():
    """ELECTRA's own `gelu` is the erf form, as albert_zh's is not."""
    values = {"architecture": "electra", "hidden_act": "gelu", **SIZES}
    config = parse_encoder_config(values, "f")
    assert config.hidden_act == "gelu_erf"
    assert config.word_embedding_size == 8
    assert dataclasses.replace(config, hidden_act="gelu") == config
    assert parse_encoder_config(config.to_dict(), "f") == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"embedding_size": 0}, "embedding_size must be at least 1, got 0"),
        ({"embedding_size": "4"}, "embedding_size must be .*int.*, got '4'"),
        ({"num_attention_heads": 3}, "multiple of num_attention_heads, got 8 and 3"),
        ({"ln_type": "preln"}, "unknown key 'ln_type'"),
    ],
)
def test_a_wrong_value_is_named(values, message):
    with pytest.raises(UserError, match=message):
        parse_encoder_config({"architecture": "electra", **SIZES, **values}, "f")
