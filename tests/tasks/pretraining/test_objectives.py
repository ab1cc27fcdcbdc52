"""Objectives of pretraining: what the flag says, and what training makes of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling.encoder import make_encoder_builder, parse_encoder_config
from albert.tasks.linear_schedule import Schedule, parse_schedule
from albert.tasks.pretraining.config import PretrainingConfig
from albert.tasks.pretraining.objectives import (
    check_pairs,
    parse_objectives,
)
from albert.tasks.pretraining.task import PretrainingTask
from albert.training.config import TrainingConfig
from albert.training.step import build_train_step

v1 = tf.compat.v1


def test_weights_are_constant_or_linear_and_zero_leaves_out():
    assert parse_objectives("masked_lm:1, sentence_order:0.5..0") == {
        "masked_lm": Schedule(1, 1),
        "sentence_order": Schedule(0.5, 0),
    }
    assert parse_objectives("masked_lm:2,sentence_order:0") == {
        "masked_lm": Schedule(2, 2)
    }
    assert parse_objectives("sentence_order:1..0,masked_lm:0..1")["masked_lm"].end == 1


def test_linear_schedule_goes_from_start_to_end():
    schedule = parse_schedule("1..0.2", "x")
    assert [round(schedule.at(p), 6) for p in (0.0, 0.25, 1.0)] == [1.0, 0.8, 0.2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlm:1", "'mlm' is none of masked_lm, sentence_order, next_sentence"),
        ("", "'' is none of"),
        ("masked_lm", "masked_lm has no weight"),
        ("masked_lm:-1", "weight of masked_lm must be a number of 0 or more"),
        ("masked_lm:nan", "weight of masked_lm must be"),
        ("masked_lm:1..", "weight of masked_lm must be"),
        ("masked_lm:1,masked_lm:2", "there twice"),
        ("masked_lm:0,sentence_order:0", "every weight is 0"),
        ("masked_lm:1..0", "every weight is 0 or becomes 0"),
        ("sentence_order:1,next_sentence:1", "give one"),
    ],
)
def test_wrong_objectives_are_named(text, message):
    with pytest.raises(UserError, match=message):
        PretrainingConfig(do_train=True, objectives=text)


def test_records_of_sentence_order_hold_no_next_sentence(tmp_path):
    file = tmp_path / "a.tfrecord"
    check_pairs(parse_objectives("next_sentence:1"), [str(file)])  # of unknown making
    (tmp_path / "a.tfrecord.json").write_text(json.dumps({"parameters": {}}))
    check_pairs(parse_objectives("sentence_order:1"), [str(file)])
    with pytest.raises(UserError, match=r"a\.tfrecord holds no next_sentence"):
        check_pairs(parse_objectives("next_sentence:1"), [str(file)])


CONFIG = parse_encoder_config(
    {
        "architecture": "conv",
        "vocab_size": 30,
        "hidden_size": 8,
        "embedding_size": 4,
        "num_hidden_layers": 1,
        "intermediate_size": 8,
    },
    "config",
)


def make_batch():
    rng = np.random.RandomState(1)
    return {
        "input_ids": rng.randint(1, 30, (4, 6)).astype(np.int32),
        "input_mask": np.ones((4, 6), np.int32),
        "segment_ids": np.zeros((4, 6), np.int32),
        "masked_lm_positions": np.array([[1, 2]] * 4, np.int32),
        "masked_lm_ids": rng.randint(1, 30, (4, 2)).astype(np.int32),
        "masked_lm_weights": np.ones((4, 2), np.float32),
        "next_sentence_labels": np.array([[0], [1], [1], [0]], np.int32),
    }


class Step:
    """A training step in a graph of its own."""

    def __init__(self, objectives, num_train_steps=10):
        task = PretrainingTask(
            CONFIG, 6, 2, False, parse_objectives(objectives), num_train_steps
        )
        training = TrainingConfig("unused", 1e-3, num_train_steps, 0, 4)
        with tf.Graph().as_default():
            v1.set_random_seed(5)
            features = {k: tf.constant(v) for k, v in make_batch().items()}
            build = make_encoder_builder(CONFIG)
            self.step = build_train_step(task, build, features, training)
            self.names = {v.op.name for v in v1.trainable_variables()}
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())

    def run(self):
        """Values before the update that this makes."""
        return self.session.run([self.step.values, self.step.train_op])[0]


@pytest.mark.slow
def test_what_is_left_out_is_not_in_the_graph():
    both, lm = Step("masked_lm:1,sentence_order:1"), Step("masked_lm:1")
    zero = Step("masked_lm:1,sentence_order:0")
    extra = {f"cls/seq_relationship/output_{kind}" for kind in ("weights", "bias")}
    assert both.names - lm.names == extra
    assert zero.names == lm.names
    assert not any("cls/predictions" in n for n in Step("sentence_order:1").names)


@pytest.mark.slow
def test_training_loss_is_the_weighted_sum_of_what_is_logged():
    step = Step("masked_lm:2,sentence_order:1..0")
    for done in range(3):
        values = step.run()
        order_weight = 1 - done / 10  # falls by a tenth a step
        wanted = 2 * values["masked_lm_loss"]
        wanted += order_weight * values["sentence_order_loss"]
        assert values["loss"] == pytest.approx(wanted, rel=1e-5)


def test_evaluation_reports_what_is_trained_with_the_last_weights():
    task = PretrainingTask(
        CONFIG, 6, 2, objectives=parse_objectives("masked_lm:0.5,sentence_order:1..3")
    )
    batch = {
        "masked_lm_loss": np.array([3.0, 1.0]),
        "masked_lm_weight": np.array([1.0, 1.0]),
        "masked_lm_correct": np.array([1.0, 0.0]),
        "sentence_order_loss": np.array([0.5, 0.7]),
        "sentence_order_correct": np.array([1.0, 1.0]),
    }
    results = task.score([batch], None)
    assert results["masked_lm_loss"] == pytest.approx(2.0, rel=1e-4)
    assert results["sentence_order_loss"] == pytest.approx(0.6)
    assert results["loss"] == pytest.approx(0.5 * 2.0 + 3 * 0.6, rel=1e-4)
    lm_only = PretrainingTask(CONFIG, 6, 2, objectives=parse_objectives("masked_lm:1"))
    lm_batch = {k: v for k, v in batch.items() if k.startswith("masked_lm")}
    assert "sentence_order_loss" not in lm_only.score([lm_batch], None)
