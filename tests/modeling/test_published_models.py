"""The published configurations, and the variables of the published albert_tiny."""

from __future__ import annotations

import pathlib

import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import restoring
from albert.modeling.encoder import load_encoder_config, make_encoder_builder

v1 = tf.compat.v1
PUBLISHED = pathlib.Path(__file__).resolve().parents[3] / "shared/data/published"
pytestmark = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="needs ../shared/data/published"
)


@pytest.mark.parametrize(
    ("name", "architecture", "layers", "width"),
    [
        ("tiny", "albert_zh", 4, 312),
        ("base", "albert_zh", 12, 768),
        ("large", "albert_zh", 24, 1024),
        ("xlarge", "albert_zh", 24, 2048),
        ("xxlarge", "albert_zh", 12, 4096),
        ("tiny_google", "albert", 4, 312),
        ("small_google", "albert", 6, 384),
    ],
)
def test_published_configurations_are_read(name, architecture, layers, width):
    path = PUBLISHED / "albert_config" / f"albert_config_{name}.json"
    config = load_encoder_config(str(path))
    assert config.architecture == architecture
    assert (config.num_hidden_layers, config.hidden_size) == (layers, width)
    assert config.vocab_size == 21128


def test_a_configuration_with_more_groups_than_layers_is_refused():
    path = PUBLISHED / "albert_config" / "albert_config_tiny_google_fast.json"
    with pytest.raises(UserError, match="at most num_hidden_layers.*google_fast"):
        load_encoder_config(str(path))


def test_albert_tiny_has_the_published_variables():
    folder = PUBLISHED / "albert_tiny"
    config = load_encoder_config(str(folder / "albert_config_tiny.json"))
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None, None])
        make_encoder_builder(config)(ids, ids, ids)
        shapes = {v.op.name: v.shape.as_list() for v in restoring.model_variables()}
    published = dict(tf.train.list_variables(str(folder / "albert_model.ckpt")))
    assert {name: published.get(name) for name in shapes} == shapes
    left = {n for n in published if n not in shapes and not n.startswith("cls/")}
    assert {n for n in left if not restoring.is_training_state(n)} == set()
