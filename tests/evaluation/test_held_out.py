"""Evaluation while training: when, what is kept, when it ends a run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.evaluation import held_out
from albert.evaluation.config import HeldOutConfig
from albert.evaluation.evaluator import EvaluationStopped
from albert.training.stopping import StopRequest
from albert.training.task import Metric

v1 = tf.compat.v1


class ScriptedEvaluator:
    """Gives one loss after another, and notes the steps it was asked for."""

    def __init__(self, losses):
        self._losses = iter(losses)
        self.steps = []

    def evaluate(self, checkpoint, stop):
        if stop.asked:
            raise EvaluationStopped
        self.steps.append(int(checkpoint.rsplit("-", 1)[1]))
        loss = next(self._losses)
        if isinstance(loss, tuple):
            return {"f": loss[0], "loss": loss[1], "global_step": 0}
        return {"loss": loss, "masked_lm_accuracy": 1 / loss, "global_step": 0}


def write_checkpoint(folder, step):
    prefix = str(folder / f"model.ckpt-{step}")
    storage.write_variables(
        prefix, {"w": np.float32([step]), "global_step": np.int64(step)}
    )
    storage.write_state(str(folder), f"model.ckpt-{step}")
    return prefix


LOSS, F1 = Metric("loss", False), Metric("f", True)


def watch(folder, evaluator, stop, num_train_steps=1000, metric=LOSS, **config):
    return held_out.HeldOutEvaluation(
        lambda: evaluator,
        HeldOutConfig(**{"eval_every_steps": 10, **config}),
        str(folder),
        num_train_steps,
        stop,
        metric,
    )


def run(folder, losses, steps, stop=None, **settings):
    """Offer the checkpoints of some steps; return the steps evaluated and `stop`."""
    stop = StopRequest() if stop is None else stop
    evaluator = ScriptedEvaluator(losses)
    evaluation = watch(folder, evaluator, stop, **settings)
    for step in steps:
        if stop.asked:
            break
        evaluation.after_checkpoint(write_checkpoint(folder, step), step)
    return evaluator.steps, stop


def kept_steps(folder):
    indices = (folder / "best").glob("*.index")
    return sorted(int(f.stem.rsplit("-", 1)[1]) for f in indices)


def test_multiples_and_the_last_step_are_evaluated(tmp_path):
    steps = [10, 15, 20, 25]
    assert run(tmp_path, [4, 3, 2], steps, num_train_steps=25)[0] == [10, 20, 25]


def test_results_go_to_the_event_file_of_evaluation(tmp_path):
    run(tmp_path, [4, 2], [10, 20])
    (events,) = (tmp_path / "eval").glob("events.out*")
    found = {
        (event.step, value.tag): value.simple_value
        for event in v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert found == {
        (10, "loss"): 4,
        (10, "masked_lm_accuracy"): 0.25,
        (20, "loss"): 2,
        (20, "masked_lm_accuracy"): 0.5,
    }


def test_the_best_checkpoints_are_kept(tmp_path):
    losses = [5, 3, 4, 3.5, 6]
    run(tmp_path, losses, [10, 20, 30, 40, 50], keep_best_checkpoints=3)
    assert kept_steps(tmp_path) == [20, 30, 40]
    best = json.loads((tmp_path / "best/best.json").read_text())
    assert (best["step"], best["value"]) == (20, 3)
    assert [n["step"] for n in best["next"]] == [40, 30]
    newest = tf.train.latest_checkpoint(str(tmp_path / "best"))
    assert storage.read_variables(newest, ["w"])["w"] == 20


def test_a_step_evaluated_before_a_restart_is_not_evaluated_again(tmp_path):
    run(tmp_path, [5, 3], [10, 20])
    steps, _ = run(tmp_path, [4], [20, 30])  # training tells 20 again as it resumes
    assert steps == [30]
    assert kept_steps(tmp_path) == [20]


def test_a_step_whose_evaluation_was_cut_is_evaluated_after_a_restart(tmp_path):
    run(tmp_path, [5], [10])
    steps, _ = run(tmp_path, [4, 3], [20, 30])  # 20 was saved, the run then killed
    assert steps == [20, 30]


def test_evaluations_after_the_step_resumed_from_are_forgotten(tmp_path):
    run(tmp_path, [5, 3, 4], [10, 20, 30])
    write_checkpoint(tmp_path, 10)  # the newest one is that of step 10 again
    steps, _ = run(tmp_path, [2, 4], [10, 20, 30])
    assert steps == [20, 30]
    history = json.loads((tmp_path / "eval/history.json").read_text())
    assert [(h["global_step"], h["loss"]) for h in history] == [
        (10, 5),
        (20, 2),
        (30, 4),
    ]


@pytest.mark.parametrize(
    ("losses", "patience", "ends_after"),
    [
        ([5, 4, 4.5, 4.2, 1], 2, 40),  # two without gain after 20
        ([5, 4, 4.5, 3, 3.5], 2, None),  # a gain in time
        ([5, 5, 1], 1, 20),  # an equal loss is no gain
        ([5, 6, 7, 8, 9], None, None),
    ],
)
def test_patience_counts_evaluations_since_the_best(
    tmp_path, losses, patience, ends_after
):
    steps = [10 * (i + 1) for i in range(len(losses))]
    seen, stop = run(tmp_path, losses, steps, early_stopping_patience=patience)
    assert seen[-1] == (ends_after or steps[-1])
    assert stop.asked == (ends_after is not None)
    if stop.asked:
        assert "early stopping" in stop.reason


def test_patience_outlives_a_restart(tmp_path):
    run(tmp_path, [5, 6], [10, 20], early_stopping_patience=2)
    seen, stop = run(tmp_path, [7, 8], [30, 40], early_stopping_patience=2)
    assert seen == [30]
    assert stop.asked
    # The run is over: started again it asks to stop at once, unless patience grows.
    assert run(tmp_path, [], [], early_stopping_patience=2)[1].asked
    assert not run(tmp_path, [], [], early_stopping_patience=3)[1].asked


def test_an_evaluation_under_way_ends_when_asked_to_stop(tmp_path):
    stop = StopRequest()
    evaluation = watch(tmp_path, ScriptedEvaluator([1]), stop)
    stop.ask("SIGTERM")
    evaluation.after_checkpoint(write_checkpoint(tmp_path, 10), 10)
    assert not (tmp_path / "eval").exists()
    assert run(tmp_path, [2], [10])[0] == [10]


def test_a_metric_that_rises_names_the_best_and_ends_a_run(tmp_path):
    results = [(0.5, 3), (0.7, 4), (0.6, 1), (0.7, 5)]
    seen, stop = run(
        tmp_path, results, [10, 20, 30, 40], metric=F1, early_stopping_patience=2
    )
    assert seen == [10, 20, 30, 40]
    assert kept_steps(tmp_path) == [20]
    assert "f on held-out data has not risen for 2 evaluations" in stop.reason


def test_of_equal_values_a_lower_loss_is_a_gain(tmp_path):
    results = [(0.0, 3), (0.0, 2), (0.0, 1), (0.0, 2)]
    _, stop = run(
        tmp_path, results, [10, 20, 30, 40], metric=F1, early_stopping_patience=2
    )
    assert kept_steps(tmp_path) == [30]
    assert not stop.asked


def test_a_last_evaluation_that_was_cut_is_made_up_for(tmp_path):
    stop = StopRequest()
    first = watch(tmp_path, ScriptedEvaluator([1]), stop, num_train_steps=10)
    stop.ask("SIGTERM")
    first.after_checkpoint(write_checkpoint(tmp_path, 10), 10)
    first.make_up()  # this run is to end
    assert not (tmp_path / "best").exists()
    evaluator = ScriptedEvaluator([2])
    for _ in range(2):  # once is enough
        watch(tmp_path, evaluator, StopRequest(), num_train_steps=10).make_up()
    assert evaluator.steps == [10]
    assert kept_steps(tmp_path) == [10]


def test_nothing_is_made_up_for_before_the_first_checkpoint(tmp_path):
    watch(tmp_path, None, StopRequest()).make_up()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"eval_every_steps": 0}, "eval_every_steps must be at least 1"),
        ({"keep_best_checkpoints": 0}, "keep_best_checkpoints must be at least 1"),
        (
            {"eval_every_steps": 5, "early_stopping_patience": 0},
            "early_stopping_patience must be at least 1",
        ),
        ({"early_stopping_patience": 3}, "needs eval_every_steps"),
    ],
)
def test_values_out_of_range_are_named(fields, message):
    with pytest.raises(UserError, match=message):
        HeldOutConfig(**fields)
