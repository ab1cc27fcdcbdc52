"""The step of training: recorded steps, low precision, micro-batches, groups."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.training.config import TrainingConfig
from albert.training.rates import RateRule
from albert.training.step import build_train_step, trained_variables
from albert.training.task import TRAIN
from tests.golden import Golden, placeholders, relative_error
from tests.replica_run import uneven_examples

v1 = tf.compat.v1


@pytest.fixture
def golden(testdata):
    return Golden(testdata / "modeling/postln")


@pytest.fixture(params=["postln", "preln", "google"])
def layout(request, testdata):
    return Golden(testdata / "modeling" / request.param)


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


def model_values():
    return {v.op.name: v for v in v1.trainable_variables()}


def slot_values(slot):
    """Return name of a variable -> its slot, of the current graph."""
    ending = f"/{slot}"
    slots = [v for v in v1.global_variables() if v.op.name.endswith(ending)]
    return {v.op.name[: -len(ending)]: v for v in slots}


@pytest.mark.slow
def test_losses_and_every_gradient_equal_the_recorded_ones(layout):
    """The first mean of gradients is a tenth of the gradient, where nothing is cut."""
    settings = config(optimizer="adamw", learning_rate=1e-9, clip_norm=1e6)
    with tf.Graph().as_default():
        inputs = placeholders(layout.batch(0))
        step = build_train_step(layout.task, layout.build_encoder, inputs, settings)
        means = slot_values("adam_m")
        with layout.session() as session:
            feed = {inputs[n]: value for n, value in layout.batch(0).items()}
            values, _ = session.run((step.values, step.train_op), feed)
            found = {n: value * 10.0 for n, value in session.run(means).items()}
    output = layout.group("batch0/output/")
    assert values["loss"] == pytest.approx(float(output["total_loss"]), rel=1e-5)
    for name in ("masked_lm_loss", "sentence_order_loss"):
        assert values[name] == pytest.approx(float(output[name]), rel=1e-5)
    wanted = layout.group("batch0/gradient/")
    assert set(found) == set(wanted)
    for name, value in found.items():
        error = relative_error(value, wanted[name])
        # Attention does not change when all keys move together, so the gradient of
        # the key bias is 0 up to rounding: it is held to the scale of the others.
        if name.endswith("key/bias"):
            query = wanted[name.replace("key", "query")]
            error = np.max(np.abs(value - wanted[name])) / np.max(np.abs(query))
        assert error < 1e-4, name


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "rate"), [("lamb", 0.00176), ("adamw", 1e-3)])
def test_six_steps_equal_the_recorded_ones(layout, rule, rate):
    settings = config(optimizer=rule, learning_rate=rate, num_train_steps=6)
    with tf.Graph().as_default():
        inputs = placeholders(layout.batch(0))
        step = build_train_step(layout.task, layout.build_encoder, inputs, settings)
        with layout.session() as session:
            losses = []
            for index in (0, 1, 2, 0, 1, 2):
                feed = {inputs[n]: value for n, value in layout.batch(index).items()}
                losses.append(session.run((step.loss, step.train_op), feed)[0])
            final = session.run(model_values())
            assert session.run(v1.train.get_global_step()) == 6
            slots = slot_values({"lamb": "lamb_m", "adamw": "adam_m"}[rule])
    np.testing.assert_allclose(losses, layout.arrays[f"{rule}/losses"], rtol=1e-4)
    wanted = layout.group(f"{rule}/final/")
    assert set(final) == set(wanted) == set(slots)
    for name, value in final.items():
        # The key bias has no gradient but rounding (1e-10 where others have 1e-2), and
        # LAMB scales its direction up to the variable's norm: its path is chance.
        limit = 1e-2 if name.endswith("key/bias") and rule == "lamb" else 1e-4
        assert relative_error(value, wanted[name]) < limit, name


GROUPS = (
    RateRule("^bert/embeddings/(word|token)", 0.0, "tables"),
    RateRule("^bert/encoder/", 0.5, "layers"),
    RateRule("^cls/", 4.0, "heads"),
)


def first_changes(golden, **changes):
    """Return name -> what the first step adds to each variable; and slots' names.

    Nothing is cut, so that what is frozen does not change the others' gradients.
    """
    settings = config(num_warmup_steps=0, clip_norm=1e6, **changes)
    examples = {name: value[:6] for name, value in uneven_examples(golden).items()}
    parts = settings.gradient_accumulation_steps
    if parts > 1:
        examples = {n: v.reshape(parts, -1, *v.shape[1:]) for n, v in examples.items()}
    with tf.Graph().as_default():
        inputs = placeholders(examples)
        step = build_train_step(golden.task, golden.build_encoder, inputs, settings)
        with golden.session() as session:
            session.run(v1.local_variables_initializer())
            feed = {inputs[name]: value for name, value in examples.items()}
            before = session.run(model_values())
            session.run(step.train_op, feed)
            after = session.run(model_values())
        slots = {v.op.name for v in v1.global_variables()} - set(before)
    return {name: after[name] - before[name] for name in before}, slots


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "lamb"},
        {"optimizer": "adamw", "gradient_accumulation_steps": 3},
        {"optimizer": "lamb", "precision": "float16"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_a_group_moves_by_its_factor_and_a_frozen_one_not_at_all(golden, changes):
    plain, slots = first_changes(golden, **changes)
    found, fewer_slots = first_changes(golden, rate_rules=GROUPS, **changes)
    frozen = {"bert/embeddings/word_embeddings", "bert/embeddings/word_embeddings_2"}
    frozen.add("bert/embeddings/token_type_embeddings")
    assert {name.rsplit("/", 1)[0] for name in slots - fewer_slots} == frozen
    for name, change in found.items():
        factor = 1.0
        if name in frozen:
            factor = 0.0
        elif name.startswith("bert/encoder/"):
            factor = 0.5
        elif name.startswith("cls/"):
            factor = 4.0
        if name.endswith("key/bias"):
            continue  # its gradient is rounding
        wanted = factor * plain[name]
        # A change is the difference of two values, so known to their rounding only.
        np.testing.assert_allclose(change, wanted, rtol=1e-2, atol=3e-7, err_msg=name)
        assert np.any(change != 0.0) == (factor != 0.0), name


@pytest.mark.slow
def test_groups_are_logged_once_by_name(golden, caplog):
    logging.getLogger("absl").propagate = True
    caplog.set_level(logging.INFO, logger="absl")
    run_steps(golden, 1, rate_rules=GROUPS)
    lines = [record.getMessage().strip() for record in caplog.records]
    assert lines == [
        "tables: frozen (3 variables)",
        "layers: learning rate 0.00088, factor 0.5 (16 variables)",
        "heads: learning rate 0.00704, factor 4 (7 variables)",
        "all others: learning rate 0.00176, factor 1 (5 variables)",
    ]


def test_only_what_gets_a_gradient_is_trained(golden):
    with tf.Graph().as_default():
        inputs = placeholders(golden.batch(0))
        output = golden.task.build(inputs, TRAIN, golden.build_encoder)
        losses = {"masked_lm_loss": output.losses["masked_lm_loss"]}
        every = {v.op.name for v in trained_variables(output.losses)}
        masked_lm = {v.op.name for v in trained_variables(losses)}
        grouped = {v.op.name for v in trained_variables(losses, GROUPS)}
    pooler = {"bert/pooler/dense/kernel", "bert/pooler/dense/bias"}
    order = {f"cls/seq_relationship/output_{x}" for x in ("weights", "bias")}
    assert every - masked_lm == pooler | order
    assert len(masked_lm - grouped) == 3


def test_a_model_that_is_frozen_whole_is_an_error(golden):
    with pytest.raises(UserError, match="nothing to train: every variable is frozen"):
        run_steps(golden, 1, rate_rules=(RateRule("", 0.0),))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
