"""Every recorded case of the reference: masks, outputs, gradients, steps, scores."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
import pytest
import tensorflow as tf

from albert.checkpoints import restoring
from albert.training.step import build_train_step
from albert.training.task import EVAL
from tests.electra_kit import CASES, find_case

v1 = tf.compat.v1

BATCHES = range(3)
STEPS = (0, 1, 2, 0)  # the batches of the recorded steps
# Our prediction -> the recorded output, equal and within 1e-5.
EQUAL = {
    "masked_input_ids": "mask/input_ids",
    "masked_lm_positions": "mask/masked_lm_positions",
    "masked_lm_ids": "mask/masked_lm_ids",
    "masked_lm_weights": "mask/masked_lm_weights",
    "masked_lm_preds": "generator/preds",
    "sampled_ids": "sample/sampled_ids",
    "corrupted_input_ids": "sample/corrupted_input_ids",
    "is_fake": "sample/is_fake",
}
CLOSE = {
    "masked_lm_losses": "generator/per_example_loss",
    "disc_logits": "discriminator/logits",
    "disc_probs": "discriminator/probs",
}
LOSSES = {"masked_lm_loss": "generator/loss", "disc_loss": "discriminator/loss"}


class Steps(NamedTuple):
    """Four steps: losses and rates, moments after the first, variables at the end."""

    losses: list
    rates: list
    moments: dict
    final: dict


class Results(NamedTuple):
    """What our task makes of a case; the first three by batch.

    `shapes` are those of the model's variables, by name.
    """

    losses: list
    totals: list
    predictions: list
    shapes: dict
    steps: Steps
    later_steps: Optional[Steps]


def mean(term):
    return term.total / (term.weight + term.epsilon)


def make_steps(session, step, variables, feeds):
    made, moments = [], None
    slots = [v for v in v1.global_variables() if v.op.name.endswith("/adam_m")]
    for index in STEPS:
        made.append(session.run((step.values, step.train_op), feeds[index])[0])
        if moments is None:
            moments = session.run({v.op.name[: -len("/adam_m")]: v for v in slots})
    return Steps(
        [values["loss"] for values in made],
        [values["learning_rate"] for values in made],
        moments,
        session.run({v.op.name: v for v in variables}),
    )


def run(case):
    """Evaluate and make the recorded steps, in one graph."""
    batches = [case.batch(index) for index in BATCHES]
    with tf.Graph().as_default(), v1.variable_scope("", reuse=v1.AUTO_REUSE):
        features = {
            name: v1.placeholder(value.dtype, value.shape)
            for name, value in batches[0].items()
        }
        feeds = [{features[k]: v for k, v in batch.items()} for batch in batches]
        build = case.build_encoder()
        output = case.task().build(features, EVAL, build)
        losses = {name: mean(term) for name, term in output.losses.items()}
        total = tf.add_n([losses[n] * t.factor for n, t in output.losses.items()])
        fetched = (losses, total, dict(output.predictions))
        variables = v1.trainable_variables()
        step = build_train_step(case.task(), build, features, case.training())
        count_one = v1.train.get_global_step().assign(1)
        with case.session(variables) as session:
            evaluated = [session.run(fetched, feed) for feed in feeds]
            steps = make_steps(session, step, variables, feeds)
        later = None
        if "adamw_step_read_after/losses" in case.arrays:
            with case.session(variables) as session:
                # A step read one later than it is written to be.
                session.run(count_one)
                later = make_steps(session, step, variables, feeds)
    shapes = {v.op.name: v.shape.as_list() for v in variables}
    return Results(*map(list, zip(*evaluated)), shapes, steps, later)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow) for name in CASES],
)
def recorded(request):
    case = find_case(request.param, request)
    return case, run(case)


def test_masks_samples_outputs_and_losses_are_the_recorded_ones(recorded):
    """Ids equal, given what was drawn; the rest within 1e-5."""
    case, results = recorded
    for index, found in enumerate(results.predictions):
        wanted = case.group(f"batch{index}/output/")
        assert ("is_fake" in found) == case.objective().electra_objective
        for name in set(EQUAL) & set(found):
            np.testing.assert_array_equal(found[name], wanted[EQUAL[name]], name)
        for name in set(CLOSE) & set(found):
            np.testing.assert_allclose(
                found[name], wanted[CLOSE[name]], rtol=1e-5, atol=1e-5, err_msg=name
            )
        for name, loss in results.losses[index].items():
            assert loss == pytest.approx(float(wanted[LOSSES[name]]), rel=1e-5)
        total = float(wanted["total_loss"])
        assert results.totals[index] == pytest.approx(total, rel=1e-5)


def test_scores_of_a_batch_are_the_recorded_ones(recorded):
    """Each batch is an evaluation of its own, as it was recorded."""
    case, results = recorded
    for index, predictions in enumerate(results.predictions):
        found = case.task().score([predictions], None)
        wanted = case.group(f"batch{index}/metric/")
        assert set(wanted) <= set(found)
        for name, value in wanted.items():
            assert found[name] == pytest.approx(float(value), abs=1e-5), name


def test_a_checkpoint_of_the_reference_gives_every_variable(recorded):
    """Both networks are in one; nothing of it is left over."""
    case, results = recorded
    plan = restoring.plan_initialisation(results.shapes, case.checkpoint)
    assert plan.fresh == plan.unused == ()
    assert results.shapes == case.values["variables"]


def test_gradients_are_the_recorded_ones(recorded):
    """Within 1e-4, of the largest of a variable where that is above 1.

    From the first moments of the production step: a tenth of the clipped gradient.
    """
    case, results = recorded
    norm = max(float(case.arrays["batch0/gradient_norm/as_clipped"]), 1.0)
    wanted = case.group("batch0/gradient/")
    assert set(results.steps.moments) == set(wanted)
    for name, value in wanted.items():
        tolerance = 1e-4 * max(float(np.abs(value).max()), 1.0)
        found = results.steps.moments[name] * 10.0 * norm
        np.testing.assert_allclose(found, value, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("group", ["adamw", "adamw_step_read_after"])
def test_four_steps_are_the_recorded_ones(recorded, group):
    """The rate is read before the step is counted, or one step later."""
    case, results = recorded
    steps = results.steps if group == "adamw" else results.later_steps
    if steps is None:
        pytest.skip("recorded for the case small alone")
    np.testing.assert_allclose(
        steps.rates, case.arrays[f"{group}/learning_rates"], rtol=1e-6
    )
    np.testing.assert_allclose(steps.losses, case.arrays[f"{group}/losses"], atol=1e-4)
    wanted = case.group(f"{group}/final/")
    assert set(steps.final) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(steps.final[name], value, atol=1e-4, err_msg=name)
