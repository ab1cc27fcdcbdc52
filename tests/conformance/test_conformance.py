"""What holds for every encoder with every head, by being a row of the tables."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert.checkpoints import restoring, storage
from albert.checkpoints.export import export
from albert.evaluation.evaluator import CheckpointEvaluator
from albert.modeling.encoder import (
    ARCHITECTURES,
    load_encoder_config,
    make_encoder_builder,
    parse_encoder_config,
)
from albert.training.config import ReplicaConfig
from albert.training.task import EVAL, PREDICT, TRAIN
from tests.conformance.kit import HEADS, TOKENS, FixedExamples, small_config
from tests.golden import relative_error

v1 = tf.compat.v1
ONE_CPU = ReplicaConfig(num_gpus=0)
PAIRS = [(architecture, head) for architecture in ARCHITECTURES for head in HEADS]
# Trained in processes of their own: every encoder, and every head once.
TRAINED = [p for p in PAIRS if p[1] == "pretraining" or p[0] == "albert_zh"]
KEY_BIAS = "key/bias"  # without a gradient but rounding, which Adam scales up


def build(architecture, head, mode):
    """Build a pair's graph over its data; return its output and first features."""
    task = HEADS[head](small_config(architecture))
    batch = {n: value[:6] for n, value in FixedExamples(head).examples.items()}
    features = {
        name: v1.placeholder(spec.dtype, spec.shape, name)
        for name, spec in task.features(mode).items()
    }
    build_encoder = make_encoder_builder(small_config(architecture))
    output = task.build(features, mode, build_encoder)
    return output, {features[n]: value for n, value in batch.items() if n in features}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_config_survives_its_file_and_names_its_row(architecture, tmp_path):
    config = small_config(architecture)
    values = json.loads(json.dumps(config.to_dict()))
    assert parse_encoder_config(values, "c.json") == config
    assert values.get("architecture", "albert_zh") == architecture


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_variables_lie_in_the_scope_asked_for(architecture):
    config = small_config(architecture)
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None, 8])
        for scope in (config.scope, "second"):
            make_encoder_builder(config)(ids, ids, ids, scope=scope)
        shapes = {v.op.name: v.shape.as_list() for v in restoring.model_variables()}
    own = {n for n in shapes if n.startswith(f"{config.scope}/")}
    assert len(own) * 2 == len(shapes)
    for name in own:
        assert shapes[name.replace(config.scope, "second", 1)] == shapes[name]
    words = shapes[f"{config.scope}/embeddings/word_embeddings"]
    assert words == [len(TOKENS), config.word_embedding_size]


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "head"), PAIRS)
def test_export_predicts_and_scores_as_the_model_did(architecture, head, tmp_path):
    """Trained variables go through a checkpoint, an export and a new graph."""
    config = small_config(architecture)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(3)
        output, feed = build(architecture, head, EVAL)
        variables = {v.op.name: v for v in restoring.model_variables()}
        session.run(v1.global_variables_initializer())
        values, wanted = session.run((variables, dict(output.predictions)), feed)
    storage.write_variables(str(tmp_path / "model.ckpt-1"), values)
    (tmp_path / "albert_config.json").write_text(json.dumps(config.to_dict()))
    vocabulary = "".join(f"{token}\n" for token in TOKENS)
    (tmp_path / "vocab.txt").write_text(vocabulary, "utf-8")
    out = tmp_path / "out"
    shapes = export(str(tmp_path / "model.ckpt-1"), str(out))
    assert shapes == {name: list(value.shape) for name, value in values.items()}
    loaded = load_encoder_config(str(out / "albert_config.json"))
    assert loaded == config
    for mode in (EVAL, PREDICT):
        evaluator = CheckpointEvaluator(
            HEADS[head](loaded),
            FixedExamples(head),
            make_encoder_builder(loaded),
            6,
            mode,
            replicas=ONE_CPU,
        )
        found = next(evaluator.batches(storage.resolve(str(out), "x")))
        evaluator.close()
        assert found
        for name, value in found.items():
            np.testing.assert_allclose(value, wanted[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("architecture", "head"), PAIRS)
def test_the_loss_does_not_depend_on_what_is_padded(architecture, head):
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(3)
        output, feed = build(architecture, head, TRAIN)
        loss = tf.add_n([t.total for t in output.losses.values()])
        session.run(v1.global_variables_initializer())
        wanted = session.run(loss, feed)
        ids = next(p for p in feed if p.op.name == "input_ids")
        mask = next(p for p in feed if p.op.name == "input_mask")
        noise = np.where(feed[mask] == 1, feed[ids], 7)
        found = session.run(loss, {**feed, ids: noise})
    assert np.any(noise != feed[ids])
    assert found == pytest.approx(wanted, rel=1e-5)


def run_process(repo, *arguments):
    subprocess.run(
        [sys.executable, "-m", "tests.conformance.run", *map(str, arguments)],
        cwd=repo,
        check=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def trained(repo, tmp_path_factory):
    """A folder of runs by one replica, and one of runs by two that were resumed."""
    whole, resumed = (tmp_path_factory.mktemp(name) for name in ("whole", "resumed"))
    pairs = ["/".join(pair) for pair in TRAINED]
    run_process(repo, whole, 1, 4, *pairs)
    run_process(repo, resumed, 2, 2, *pairs)
    run_process(repo, resumed, 2, 4, *pairs)
    return whole, resumed


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "head"), TRAINED)
def test_two_replicas_that_resume_end_like_one_that_did_not(
    trained, architecture, head
):
    one, two = (
        tf.train.load_checkpoint(str(folder / f"{architecture}-{head}/model.ckpt-4"))
        for folder in trained
    )
    names = set(one.get_variable_to_shape_map())
    assert set(two.get_variable_to_shape_map()) == names
    table = "bert/embeddings/word_embeddings"
    assert table in names  # frozen, and still in the checkpoint
    assert f"{table}/adam_m" not in names
    for name in names:
        if KEY_BIAS not in name:
            error = relative_error(two.get_tensor(name), one.get_tensor(name))
            is_slot = name.endswith(restoring.SLOT_NAMES)
            assert error < (1e-3 if is_slot else 1e-4), name
