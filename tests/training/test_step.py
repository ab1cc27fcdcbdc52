"""One step of training: precision, and sums over micro-batches."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.training.config import TrainingConfig
from albert.training.step import build_train_step
from tests.golden import Golden, placeholders
from tests.replica_run import uneven_examples

v1 = tf.compat.v1


@pytest.fixture
def golden(testdata):
    return Golden(testdata / "modeling/postln")


def config(**changes):
    values = {
        "output_dir": "unused",
        "learning_rate": 0.00176,
        "num_train_steps": 100,
        "num_warmup_steps": 2,
        "train_batch_size": 6,
    }
    return TrainingConfig(**{**values, **changes})


def run_steps(golden, steps, **changes):
    """Return the values of each step on the same examples, and all variables."""
    settings = config(**changes)
    examples = {name: value[:6] for name, value in uneven_examples(golden).items()}
    parts = settings.gradient_accumulation_steps
    if parts > 1:
        examples = {
            name: value.reshape(parts, 6 // parts, *value.shape[1:])
            for name, value in examples.items()
        }
    with tf.Graph().as_default():
        inputs = placeholders(examples)
        step = build_train_step(golden.task, golden.build_encoder, inputs, settings)
        with golden.session() as session:
            session.run(v1.local_variables_initializer())
            feed = {inputs[name]: value for name, value in examples.items()}
            fetched = [
                session.run((step.values, step.train_op), feed)[0] for _ in range(steps)
            ]
            assert session.run(step.steps_done, feed) == steps + 1
            names = {v.op.name: v.dtype.base_dtype for v in v1.global_variables()}
    return fetched, names


def test_micro_batches_report_the_losses_of_the_whole_batch(golden):
    # One to six masks an example: the three parts do not weigh the same.
    whole, names = run_steps(golden, 5)
    parts, part_names = run_steps(golden, 5, gradient_accumulation_steps=3)
    for wanted, found in zip(whole, parts):
        # Each part is trimmed to its own longest example.
        assert 0.0 < found.pop("padding") < wanted.pop("padding") < 1.0
        assert found == pytest.approx(wanted, rel=1e-5)
    assert whole[4]["loss"] < whole[0]["loss"]
    assert part_names == names  # nothing to be saved is added


@pytest.mark.parametrize(
    ("precision", "limit"), [("bfloat16", 2e-2), ("float16", 5e-3)]
)
def test_losses_in_low_precision_follow_those_in_float32(golden, precision, limit):
    wanted, _ = run_steps(golden, 20)
    found, names = run_steps(golden, 20, precision=precision)
    assert set(names.values()) == {tf.float32, tf.int64}  # variables stay wide
    losses = [[step["masked_lm_loss"] for step in run] for run in (wanted, found)]
    assert losses[0] != losses[1]  # it is not float32 under another name
    np.testing.assert_allclose(losses[1], losses[0], rtol=limit)


def test_float16_reports_its_scale_and_the_steps_skipped(golden):
    values = run_steps(golden, 2, precision="float16")[0][-1]
    assert values["loss_scale"] == 2.0**15
    assert values["skipped_steps"] == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("precision", "int8", "one of float32, bfloat16, float16; got 'int8'"),
        ("gradient_accumulation_steps", 0, "gradient_accumulation_steps must be at"),
    ],
)
def test_values_out_of_range_are_named(field, value, message):
    with pytest.raises(UserError, match=message):
        config(**{field: value})
