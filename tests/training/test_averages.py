"""The mean of the weights over the steps: kept by training, read by all others."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import restoring, storage
from albert.checkpoints.best import BestCheckpoint
from albert.training.optimization import GlobalBatchOptimizer, OptimizerSettings
from albert.training.schedule import average_decay_at

v1 = tf.compat.v1


@pytest.mark.parametrize(
    ("step", "keep"),
    [(0, 0.0), (1, 0.1), (3, 0.25), (9, 0.5), (81, 0.9), (10**6, 0.99)],
)
def test_what_is_kept_rises_to_the_decay(step, keep):
    assert float(average_decay_at(tf.constant(step), 0.99)) == pytest.approx(keep)


def test_average_of_the_first_steps_by_hand():
    settings = OptimizerSettings(average_decay=0.15)
    with tf.Graph().as_default():
        variable = v1.get_variable("w", initializer=[1.0, 2.0])
        step = v1.train.get_or_create_global_step()
        optimizer = GlobalBatchOptimizer("adamw", tf.constant(0.1), settings=settings)
        train = optimizer.apply_gradients([(tf.constant([1.0, -1.0]), variable)], step)
        average = optimizer.get_slot(variable, "average")
        assert average.op.name == "w/average"
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            rows = []
            for _ in range(3):
                session.run(train)
                rows.append(session.run((variable, average)))
    (w1, a1), (w2, a2), (w3, a3) = rows
    np.testing.assert_array_equal(a1, w1)
    np.testing.assert_allclose(a2, 0.1 * w1 + 0.9 * w2, rtol=1e-6)
    np.testing.assert_allclose(a3, 0.15 * a2 + 0.85 * w3, rtol=1e-6)
    assert np.abs(w1 - [1.0, 2.0]).min() > 0.01  # the weights themselves have moved


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint with an average of one of two variables."""
    prefix = str(tmp_path / "model.ckpt-7")
    values = {"a": [1.0, 2.0], "a/average": [3.0, 4.0], "a/adam_m": [0.0, 0.0]}
    values.update({"a/adam_v": [0.0, 0.0], "frozen": [5.0]})
    variables = {n: np.array(v, np.float32) for n, v in values.items()}
    storage.write_variables(prefix, {**variables, "global_step": np.int64(7)})
    return prefix


SHAPES = {"a": [2], "frozen": [1]}


def test_the_model_in_a_checkpoint_is_the_average(checkpoint):
    names = restoring.slim_names(checkpoint)
    assert names == ["a", "frozen"]
    found = restoring.read_model(checkpoint, names)
    assert {n: v.tolist() for n, v in found.items()} == {"a": [3, 4], "frozen": [5]}


def test_evaluation_and_warm_start_read_it(checkpoint):
    plan = restoring.plan_initialisation(SHAPES, checkpoint)
    assert plan.loaded == {"a": "a/average", "frozen": "frozen"}
    assert set(plan.unused) == {"a/adam_m", "a/adam_v", "global_step"}
    with tf.Graph().as_default():
        variables = [v1.get_variable(n, s) for n, s in SHAPES.items()]
        sources = restoring.check_complete(SHAPES, checkpoint)
        with v1.Session() as session:
            restoring.make_saver(sources).restore(session, checkpoint)
            assert session.run(variables[0]).tolist() == [3, 4]
            restoring.initialise(plan)
            session.run(v1.global_variables_initializer())
            assert session.run(variables[0]).tolist() == [3, 4]


def test_the_best_checkpoint_holds_it_as_the_variable(checkpoint, tmp_path):
    best = BestCheckpoint(str(tmp_path), "f1")
    best.offer(checkpoint, 7, {"f1": 0.5, "loss": 1.0})
    names = sorted(storage.read_shapes(best.path))
    assert names == ["a", "frozen", "global_step"]
    assert storage.read_variables(best.path, ["a"])["a"].tolist() == [3, 4]


@pytest.mark.parametrize(("averaged", "word"), [(False, "with"), (True, "without")])
def test_a_run_goes_on_with_averages_or_without_as_it_began(
    checkpoint, tmp_path, averaged, word
):
    if averaged:
        values = storage.read_variables(
            checkpoint, ["a", "a/adam_m", "a/adam_v", "frozen", "global_step"]
        )
        storage.write_variables(checkpoint, values)
    arguments = (SHAPES, checkpoint, "adamw", ["a"])
    restoring.check_resumable(*arguments, averaged=not averaged)
    with pytest.raises(UserError, match=f"was trained {word} averages"):
        restoring.check_resumable(*arguments, averaged=averaged)
