"""An encoder whose outputs are computed once gives what the encoder gives."""

from __future__ import annotations

import dataclasses
import errno
import os
import tempfile

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.modeling.encoder import make_encoder_builder
from albert.modeling.features import read_features
from albert.modeling.output import EncoderOutput
from albert.tasks import frozen_encoder
from albert.tasks.finetuning_config import FineTuningConfig
from albert.tasks.frozen_encoder import compute_outputs, find_encoder, freeze_rule
from albert.tasks.model_folder import open_trained
from albert.tasks.ner.conll import read_conll
from albert.tasks.ner.task import NerTask
from albert.training import given_encoder
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.step import build_train_step
from albert.training.task import TRAIN
from tests.serving.conftest import write_model

v1 = tf.compat.v1
TEXT = "用 O\n支 B-A\n持 I-A\n\n图 B-B\n像 I-B\n分 O\n类 O\n的 O\n方 O\n法 O\n\n做 O\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_model(tmp_path_factory.mktemp("frozen") / "model")
    (folder / "train.conll").write_text(TEXT, encoding="utf-8")
    return folder


def open_task(folder, encoder_features):
    """The model with dropout in its encoder, to see that it is left out."""
    task = open_trained(NerTask, str(folder))
    encoder = dataclasses.replace(task.encoder, hidden_dropout_prob=0.5)
    settings = dataclasses.replace(
        task.settings, dropout_prob=0.0, encoder_features=encoder_features
    )
    return NerTask(settings, task.labels, task.tokenizer, encoder)


def loss_of(task, source, build_encoder, checkpoint, numbers):
    """The loss of a batch in training, with the variables of a checkpoint."""
    batch = source.make_batch(numbers)
    specs = task.features(TRAIN)
    with tf.Graph().as_default(), v1.Session() as session:
        inputs = {n: v1.placeholder(s.dtype, s.shape) for n, s in specs.items()}
        output = task.build(inputs, TRAIN, build_encoder)
        loss = output.losses["label_loss"].total
        session.run(v1.global_variables_initializer())
        there = storage.read_shapes(checkpoint)
        kept = [v for v in v1.global_variables() if v.op.name in there]
        v1.train.Saver(kept).restore(session, checkpoint)
        feed = {inputs[n]: batch[n] for n in specs}
        return session.run(loss, feed), {v.op.name for v in v1.global_variables()}


@pytest.mark.slow
@pytest.mark.parametrize("encoder_features", ["last", "weighted"])
def test_losses_are_those_of_the_encoder_without_dropout(folder, encoder_features):
    task, checkpoint = open_task(folder, encoder_features), str(folder / "model.ckpt-7")
    data = task.make_source("train", read_conll(str(folder / "train.conll")), 1)
    build = make_encoder_builder(task.encoder)
    frozen = compute_outputs(task, data, build, checkpoint, 1, ReplicaConfig())
    assert frozen.data.num_examples == 3
    numbers = np.array([2, 1])

    def without_dropout(*inputs, training=False, **options):
        return build(*inputs, training=False, **options)

    wanted, names = loss_of(task, data, without_dropout, checkpoint, numbers)
    found, same = loss_of(frozen.task, frozen.data, build, checkpoint, numbers)
    assert found == pytest.approx(wanted, rel=1e-5)
    assert same == names  # so that every checkpoint is whole
    other, _ = loss_of(task, data, build, checkpoint, numbers)
    assert other != pytest.approx(wanted, rel=1e-3)  # dropout would be seen


@pytest.mark.slow
def test_a_step_leaves_the_encoder_as_it_is(folder):
    task, checkpoint = open_task(folder, "last"), str(folder / "model.ckpt-7")
    data = task.make_source("train", read_conll(str(folder / "train.conll")), 1)
    build = make_encoder_builder(task.encoder)
    frozen = compute_outputs(task, data, build, checkpoint, 1, ReplicaConfig())
    config = TrainingConfig(
        "unused",
        optimizer="adamw",
        num_warmup_steps=0,
        rate_rules=(freeze_rule(task.encoder.scope),),
    )
    batch = frozen.data.make_batch(np.arange(3))
    with tf.Graph().as_default(), v1.Session() as session:
        features = {
            n: tf.constant(batch[n], s.dtype)
            for n, s in frozen.task.features(TRAIN).items()
        }
        step = build_train_step(frozen.task, build, features, config)
        session.run(v1.global_variables_initializer())
        before = session.run({v.op.name: v for v in v1.trainable_variables()})
        session.run(step.train_op)
        after = session.run({v.op.name: v for v in v1.trainable_variables()})
    moved = {n for n in before if not np.array_equal(before[n], after[n])}
    assert moved == {"output_weights", "output_bias", "crf/transitions"}


def test_frozen_needs_an_encoder_and_goes_with_no_perturbation(tmp_path):
    with pytest.raises(UserError, match="needs a trained encoder: give --init_checkp"):
        find_encoder(str(tmp_path), None)
    assert find_encoder(str(tmp_path), "model") == "model"
    with pytest.raises(UserError, match="must be trained, not frozen"):
        FineTuningConfig(encoder_training="frozen", fgm_epsilon=1.0)


@pytest.fixture
def encoded():
    """The outputs of an encoder of six layers, each with a number of its own."""
    with tf.Graph().as_default():
        outputs = [tf.fill([2, 3, 4], float(number)) for number in range(8)]
        sequence, embeddings, *layers = outputs
        yield EncoderOutput(embeddings, sequence, tuple(layers), sequence[:, 0], None)


@pytest.mark.parametrize(
    ("kind", "tokens"),
    [
        ("last", (0,)),
        ("last_four_concat", (0, 4, 5, 6)),  # the sequence is the sixth layer
        ("weighted", (0, 1, 2, 3, 4, 5, 6)),
    ],
)
def test_what_no_head_reads_is_not_kept(encoded, kind, tokens):
    watched = given_encoder.watch(encoded)
    tf.identity(read_features(kind, watched))
    read = given_encoder.find_read(watched)
    assert read == given_encoder.Read(tokens, False)
    kept = given_encoder.keep_outputs(encoded, read)
    assert [x.shape.as_list() for x in kept] == [[2, 3, 4 * len(tokens)], [2, 0]]
    with v1.Session() as session:
        values = session.run(kept.tokens)[0, 0, ::4]
        np.testing.assert_array_equal(values, tokens)


def test_of_a_head_on_the_pooled_vector_no_token_is_kept(encoded):
    watched = given_encoder.watch(encoded)
    tf.identity(watched.pooled)
    read = given_encoder.find_read(watched)
    assert read == given_encoder.Read((), True)
    kept = given_encoder.keep_outputs(encoded, read)
    assert [x.shape.as_list() for x in kept] == [[2, 3, 0], [2, 4]]
    outputs = frozen_encoder._File(np.array([3, 3]), given_encoder.Outputs(0, 4))
    outputs.write(np.arange(2), given_encoder.Outputs(np.ones([2, 3, 0]), np.eye(2, 4)))
    tokens, pooled = outputs.read(np.array([1]), 5)
    assert tokens.shape == (1, 5, 0)
    np.testing.assert_array_equal(pooled, [[0, 1, 0, 0]])


def test_room_is_made_before_anything_is_computed(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = []
    make = os.posix_fallocate
    monkeypatch.setattr(
        os, "posix_fallocate", lambda *given: made.append(given[1:]) or make(*given)
    )
    table = frozen_encoder._make_table(1000, 10)
    assert made == [(0, 40_000)]
    assert (table.shape, table.dtype) == ((1000, 10), np.float32)

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    message = f"of 4,000.0 MB, for which {tmp_path} has no room: No space left"
    with pytest.raises(UserError, match=message):
        frozen_encoder._make_table(10**6, 1000)


def test_a_pooler_that_nothing_reads_may_be_missing(tmp_path):
    checkpoint = str(tmp_path / "model.ckpt")
    storage.write_variables(checkpoint, {"bert/a": np.float32([1, 2])})
    with tf.Graph().as_default(), v1.Session() as session:
        a = v1.get_variable("bert/a", [2])
        v1.get_variable("bert/pooler/dense/kernel", [2])
        frozen_encoder._restore_encoder(session, "bert", checkpoint, pooled=False)
        np.testing.assert_array_equal(session.run(a), [1, 2])
        with pytest.raises(UserError, match="bert/pooler/dense/kernel"):
            frozen_encoder._restore_encoder(session, "bert", checkpoint, pooled=True)
