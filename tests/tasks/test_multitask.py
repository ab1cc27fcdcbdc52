"""Several tasks over one encoder: what is drawn, what counts, what is exported."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.checkpoints import storage
from albert.modeling.config import AlbertConfig
from albert.modeling.encoder import make_encoder_builder
from albert.tasks.classification.config import ClassificationConfig
from albert.tasks.classification.files import Row, RowFile
from albert.tasks.classification.labels import ClassLabels
from albert.tasks.classification.task import ClassificationTask
from albert.tasks.linear_schedule import Schedule
from albert.tasks.mrc.config import MrcConfig
from albert.tasks.mrc.squad import Answer, Passage, Question, SquadFile
from albert.tasks.mrc.task import Labels, MrcTask
from albert.tasks.multitask import (
    DRAWN,
    Member,
    MultiSource,
    MultiTask,
    ScopedTask,
    share_batches,
)
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.input import TrainingInput
from albert.training.loop import train
from albert.training.task import TRAIN, Metric
from tests.training.test_adversarial import (
    TABLE,
    WANTED,
    HalfSquares,
    first_gradients,
)

v1 = tf.compat.v1
CHARACTERS = "甲乙丙丁"
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *CHARACTERS])
CONFIG = AlbertConfig(
    vocab_size=9,
    hidden_size=8,
    embedding_size=4,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=16,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


def make_member(name, weight, labels=("0", "1")):
    settings = ClassificationConfig(max_seq_length=8, dropout_prob=0.0)
    tokenizer = Tokenizer(VOCABULARY)
    task = ClassificationTask(settings, ClassLabels(labels, False), tokenizer, CONFIG)
    return Member(name, task, Schedule(*weight))


def make_source(member, count):
    names = member.task.labels.names
    rows = [
        Row(CHARACTERS[i % 4], None, names[i % len(names)], i) for i in range(count)
    ]
    return member.task.make_source("train", RowFile("f", rows, False, True), seed=1)


MEMBERS = [make_member("one", (1, 1)), make_member("two", (0.5, 0), ("a", "b", "c"))]


@pytest.mark.parametrize(
    ("alpha", "expected"), [(1, [0.2, 0.8]), (0.5, [1 / 3, 2 / 3]), (0, [0.5, 0.5])]
)
def test_batches_go_by_a_power_of_the_size(alpha, expected):
    assert share_batches([100, 400], alpha) == pytest.approx(expected)


def test_each_batch_is_of_one_task_and_as_often_as_asked():
    task = MultiTask(MEMBERS, CONFIG)
    sources = [make_source(m, n) for m, n in zip(MEMBERS, (40, 160))]
    source = MultiSource(task, sources, alpha=0.5, seed=3)
    assert source.num_examples == 200
    drawn = []
    for batch in source.read(TRAIN, 4).take(150).as_numpy_iterator():
        (number,) = batch[DRAWN]
        sizes = [len(batch[f"{m.name}/input_ids"]) for m in MEMBERS]
        assert sizes == ([4, 1] if number == 0 else [1, 4])
        drawn.append(number)
    assert np.mean(drawn) == pytest.approx(2 / 3, abs=0.12)


def read_draws(num_replicas, count, start=0):
    """Return the tasks of the first batches that training reads from a step on."""
    sources = [make_source(m, n) for m, n in zip(MEMBERS, (40, 160))]
    source = MultiSource(MultiTask(MEMBERS, CONFIG), sources, alpha=0.5, seed=3)
    config = TrainingConfig("unused")
    with tf.Graph().as_default(), v1.Session() as session:
        read = TrainingInput(source, config, 4, num_replicas, start)
        batch = v1.data.make_one_shot_iterator(read.read()).get_next()
        return [int(session.run(batch[DRAWN])[0]) for _ in range(count)]


def test_the_batches_of_a_step_are_of_one_task_for_all_replicas():
    """The task is that which one replica draws, also in a run that goes on."""
    alone = read_draws(num_replicas=1, count=20)
    assert set(alone) == {0, 1}
    together = read_draws(num_replicas=3, count=60)
    assert together == [number for number in alone for _ in range(3)]
    assert read_draws(num_replicas=3, count=30, start=10) == together[30:]


def test_a_task_without_weight_is_never_drawn():
    members = [make_member("one", (0, 0)), make_member("two", (0, 1))]
    sources = [make_source(member, 8) for member in members]
    source = MultiSource(MultiTask(members, CONFIG), sources, 0.5, 1)
    assert source.num_examples == 8
    batches = source.read(TRAIN, 4).take(5).as_numpy_iterator()
    assert {int(batch[DRAWN][0]) for batch in batches} == {1}


@pytest.mark.parametrize(("number", "step"), [(0, 0), (1, 0), (1, 5)])
def test_the_loss_is_that_of_the_drawn_task_by_its_weight(number, step):
    """The gradient equals that of the task alone, times 1 or 0.5 less by the step."""
    sources = [make_source(member, 4) for member in MEMBERS]
    build = make_encoder_builder(CONFIG)
    with tf.Graph().as_default(), v1.Session() as session:
        global_step = v1.train.get_or_create_global_step()
        task = MultiTask(MEMBERS, CONFIG, num_train_steps=10)
        features = {DRAWN: tf.constant([number])}
        for member, source in zip(MEMBERS, sources):
            batch = source.make_batch(np.arange(4))
            for name in member.task.features(TRAIN):
                features[f"{member.name}/{name}"] = tf.constant(batch[name])
        losses = task.build(features, TRAIN, build).losses
        variables = v1.trainable_variables()
        own = {v.op.name for v in variables if not v.op.name.startswith("bert/")}
        heads = {
            f"{m.name}/classifier/output_{n}"
            for m in MEMBERS
            for n in ("weights", "bias")
        }
        assert own == heads
        means = {n: t.total / (t.weight + t.epsilon) for n, t in losses.items()}
        total = sum(means[n] * t.factor for n, t in losses.items())
        name = MEMBERS[number].name
        zero = tf.UnconnectedGradients.ZERO
        gradients = tf.gradients(total, variables, unconnected_gradients=zero)
        alone = tf.gradients(
            means[f"{name}_label_loss"], variables, unconnected_gradients=zero
        )
        session.run(v1.global_variables_initializer())
        global_step.load(step, session)
        ours, wanted, shown = session.run(
            (
                list(map(tf.convert_to_tensor, gradients)),
                list(map(tf.convert_to_tensor, alone)),
                means,
            )
        )
    other = MEMBERS[1 - number].name
    assert shown[f"{name}_label_loss"] > 0.5
    assert shown[f"{other}_label_loss"] == 0
    factor = 1 if number == 0 else 0.5 * (1 - step / 10)
    for found, value, variable in zip(ours, wanted, variables):
        np.testing.assert_allclose(found, factor * value, atol=1e-7)
        if variable.op.name.startswith(other):
            assert not np.any(found)


class ScaledSquares(HalfSquares):
    """A head of one number, 1 at first, that the embeddings are multiplied by."""

    def build(self, features, mode, build_encoder):
        scale = v1.get_variable("scale", initializer=1.0)
        return super().build(features, mode, lambda ids: scale * build_encoder(ids))


@pytest.mark.parametrize("parts", [1, 2])
def test_adversarial_training_moves_the_embeddings_that_all_tasks_read(parts):
    """The gradient by the head's number: the mean of the squared norms of the rows.

    It is (25 + 144) / 2 of the rows as they are, (30.25 + 174.24) / 2 of the moved
    ones, (3.3, 4.4) and (0, 13.2).
    """
    members = [Member(n, ScaledSquares(), Schedule(1, 1)) for n in ("one", "two")]
    task = MultiTask(members, CONFIG)
    features = {DRAWN: [0] * parts, "one/input_ids": [0, 1], "two/input_ids": [2] * 2}
    loss, found = first_gradients(task, features, parts, fgm_epsilon=1.3)
    assert loss == pytest.approx((12.5 + 72) / 2)
    assert found.keys() == {TABLE, "one/scale", "two/scale"}
    np.testing.assert_allclose(found[TABLE], WANTED, rtol=1e-5)
    assert found["one/scale"] == pytest.approx(84.5 + 102.245)
    assert found["two/scale"] == 0


def test_reading_counts_when_it_is_drawn_and_its_score_is_a_share():
    """With weights of 0 any of the places that may be the answer's is as likely."""
    settings = MrcConfig(
        head="independent", answerable_classifier=False, max_seq_length=12, beam_size=4
    )
    task = MrcTask(settings, Labels(False), Tokenizer(VOCABULARY), CONFIG)
    question = Question("q", "甲", (Answer("丙", 1),), False)
    source = task.make_source(
        "train", SquadFile("f", (Passage("乙丙丁", (question,)),)), seed=1
    )
    members = [MEMBERS[0], Member("reader", task, Schedule(1, 1))]
    found = []
    for number in (0, 1):
        both = MultiTask(members, CONFIG)
        with tf.Graph().as_default(), v1.Session() as session:
            features = {DRAWN: tf.constant([number])}
            for member, own in zip(members, (make_source(members[0], 4), source)):
                batch = own.make_batch(np.array([0]))
                for name in member.task.features(TRAIN):
                    features[f"{member.name}/{name}"] = tf.constant(batch[name])
            losses = both.build(features, TRAIN, make_encoder_builder(CONFIG)).losses
            session.run(v1.global_variables_initializer())
            for variable in v1.trainable_variables():
                if variable.op.name.startswith("reader/"):
                    variable.load(np.zeros(variable.shape), session)
            term = losses["reader_span_loss"]
            found.append(session.run(term.total / (term.weight + term.epsilon)))
    # [CLS], the three of the passage and [SEP].
    assert found == [0, pytest.approx(np.log(5), abs=1e-5)]
    assert MrcTask.best_metric.gain(40) == 0.4
    assert members[0].task.best_metric.gain(0.4) == 0.4
    assert Metric("loss", higher_is_better=False).gain(2) == -2


@pytest.mark.slow
def test_weights_1_and_0_end_as_the_first_task_alone(tmp_path):
    """Of the same initial variables, without dropout."""
    members = [make_member("one", (1, 1)), make_member("two", (0, 0), ("a", "b", "c"))]
    sources = [make_source(member, 16) for member in members]
    build = make_encoder_builder(CONFIG)
    task = MultiTask(members, CONFIG, num_train_steps=6)
    with tf.Graph().as_default():
        specs = task.features(TRAIN).items()
        task.build({n: v1.placeholder(*spec_of(s)) for n, s in specs}, TRAIN, build)
        shapes = {v.op.name: v.shape.as_list() for v in v1.trainable_variables()}
    rng = np.random.default_rng(4)
    values = {n: rng.normal(0, 0.1, s).astype(np.float32) for n, s in shapes.items()}
    storage.write_variables(str(tmp_path / "init.ckpt"), values)
    ends = {}
    for name, trained, source in (
        ("both", task, MultiSource(task, sources, 0.5, seed=1)),
        ("alone", ScopedTask(members[0]), sources[0]),
    ):
        config = TrainingConfig(
            output_dir=str(tmp_path / name),
            learning_rate=0.01,
            num_train_steps=6,
            num_warmup_steps=1,
            train_batch_size=4,
            optimizer="adamw",
            init_checkpoint=str(tmp_path / "init.ckpt"),
        )
        train(trained, source, build, config, ReplicaConfig(num_gpus=0))
        checkpoint = str(tmp_path / name / "model.ckpt-6")
        names = [n for n in shapes if not n.startswith("two/")]
        ends[name] = storage.read_variables(checkpoint, names)
    head = "one/classifier/output_weights"
    assert np.abs(ends["alone"][head] - values[head]).max() > 1e-3  # it was trained
    for name, value in ends["alone"].items():
        np.testing.assert_allclose(ends["both"][name], value, atol=1e-7, err_msg=name)


def spec_of(spec):
    return spec.dtype, spec.shape
