"""The training loop: starting, resuming, stopping."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.training import input as training_input
from albert.training import loop
from albert.training.config import ReplicaConfig, TrainingConfig, advise_on_rate
from albert.training.finite import NOT_FINITE
from albert.training.stopping import StopRequest
from albert.training.task import EVAL, TRAIN, DataSource, LossTerm, Task, TaskOutput

v1 = tf.compat.v1


class LineTask(Task, DataSource):
    """Fits y = w x to 1, 2, 3, ...; from `bad_from` on, inputs are not numbers."""

    def __init__(self, bad_from=None):
        self._bad_from = bad_from

    def read(self, mode, batch_size):
        numbers = np.arange(1, 1001, dtype=np.float32)
        if self._bad_from is not None:
            numbers[self._bad_from :] = np.nan
        dataset = tf.data.Dataset.from_tensor_slices({"x": numbers})
        return dataset.repeat().batch(batch_size, drop_remainder=True)

    def features(self, mode):
        return {"x": tf.TensorSpec([None], tf.float32)}

    def build(self, features, mode, build_encoder):
        weight = v1.get_variable("line/w", [1], initializer=v1.ones_initializer())
        error = tf.square(features["x"] * weight - 3.0 * features["x"])
        count = tf.cast(tf.size(error), tf.float32)
        return TaskOutput({"square": LossTerm(tf.reduce_sum(error), count)}, {})

    def score(self, batches, data):
        raise NotImplementedError


@pytest.fixture
def config(tmp_path):
    def make(**changes):
        values = {
            "output_dir": str(tmp_path / "model"),
            "learning_rate": 0.01,
            "num_train_steps": 6,
            "num_warmup_steps": 0,
            "train_batch_size": 2,
            "save_checkpoints_steps": 2,
            "optimizer": "adamw",
            "log_every_steps": 1,
        }
        return TrainingConfig(**{**values, **changes})

    return make


def run(config, task=None, **arguments):
    task = task or LineTask()
    return loop.train(task, task, None, config, ReplicaConfig(num_gpus=0), **arguments)


def log_lines(caplog):
    return "\n".join(record.getMessage() for record in caplog.records)


@pytest.fixture(autouse=True)
def _hear_the_log(caplog):
    caplog.set_level(logging.INFO, logger="absl")
    logging.getLogger("absl").propagate = True


@pytest.mark.slow
def test_every_checkpoint_is_reported_once_with_its_step(config):
    seen = []
    assert run(config(), on_checkpoint=lambda p, s: seen.append((p[-12:], s))) == 6
    assert seen == [("model.ckpt-2", 2), ("model.ckpt-4", 4), ("model.ckpt-6", 6)]


@pytest.mark.slow
def test_log_and_event_file_hold_losses_rate_and_speed(config, caplog):
    run(config())
    lines = log_lines(caplog)
    assert "Step 1 of 6: loss" in lines
    assert "square" in lines
    assert "examples/s" in lines
    assert "left" in lines
    events = tf.io.gfile.glob(config().output_dir + "/events.out*")
    tags = {
        (value.tag, event.step)
        for event in v1.train.summary_iterator(events[0])
        for value in event.summary.value
    }
    for tag in ("loss", "square", "learning_rate", "examples_per_second"):
        assert (tag, 6) in tags


@pytest.mark.slow
def test_first_loss_is_that_of_the_first_batch(config, caplog):
    run(config(num_train_steps=1))
    # x is 1 and 2, w is 1: the mean of (1 - 3)^2 and (2 - 6)^2 is 10.
    assert "loss 10," in log_lines(caplog)


@pytest.mark.slow
def test_a_second_run_resumes_and_says_from_where(config, caplog):
    run(config(num_train_steps=4))
    caplog.clear()
    run(config(num_train_steps=6, init_checkpoint="elsewhere"))
    lines = log_lines(caplog)
    assert "resumes from step 4" in lines
    assert "init_checkpoint is not read again" in lines
    assert "Step 5 of 6" in lines
    assert "Step 4 of 6" not in lines


@pytest.mark.slow
def test_a_run_that_is_done_says_what_to_change(config, caplog):
    run(config(num_train_steps=4))
    caplog.clear()
    assert run(config(num_train_steps=4)) == 4
    assert "raise num_train_steps" in log_lines(caplog)


@pytest.mark.slow
def test_interrupted_and_uninterrupted_runs_end_alike(config, tmp_path):
    whole = config(output_dir=str(tmp_path / "whole"))
    halves = config(output_dir=str(tmp_path / "halves"))
    # One example over and over: the input's place does not matter.
    task = LineTask()
    task.read = lambda mode, size: tf.data.Dataset.from_tensors(
        {"x": np.float32([1.0, 2.0])}
    ).repeat()
    run(whole, task)

    def stop(path, step):
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(halves, task, on_checkpoint=stop)
    run(halves, task)
    values = [
        tf.train.load_checkpoint(c.output_dir).get_tensor("line/w")
        for c in (whole, halves)
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("batch_sizes", [(2, 2), (2, 4)])
def test_a_resumed_run_goes_on_with_the_next_examples(config, caplog, batch_sizes):
    first, second = batch_sizes
    run(config(num_train_steps=4, train_batch_size=first, learning_rate=1e-12))
    caplog.clear()
    run(config(num_train_steps=5, train_batch_size=second, learning_rate=1e-12))
    # w stays 1, so that the loss of x is (2 x)^2. Step 5 sees the numbers after those
    # of 4 steps at the second batch size.
    numbers = np.arange(4 * second + 1, 5 * second + 1)
    wanted = np.mean((2.0 * numbers) ** 2)
    assert f"Step 5 of 5: loss {wanted:.4g}," in log_lines(caplog)


@pytest.mark.slow
def test_a_stop_saves_the_step_it_ends_with(config):
    stop = StopRequest()
    task = LineTask()
    seen = []

    def read(mode, size):
        def count(x):
            seen.append(x)
            if len(seen) == 7:
                stop.ask("SIGTERM")
            return x

        data = LineTask.read(task, mode, size)
        return data.map(lambda f: {"x": tf.numpy_function(count, [f["x"]], tf.float32)})

    task.read = read
    steps = config(num_train_steps=1000, save_checkpoints_steps=1000)
    end = run(steps, task, stop=stop)
    assert 5 <= end < 1000
    assert tf.train.latest_checkpoint(steps.output_dir).endswith(f"model.ckpt-{end}")


@pytest.mark.slow
def test_checkpoints_lie_at_multiples_whatever_step_a_run_resumes_from(config):
    seen = []
    run(config(num_train_steps=3, save_checkpoints_steps=4))
    run(
        config(num_train_steps=13, save_checkpoints_steps=4, eval_every_steps=6),
        on_checkpoint=lambda path, step: seen.append(step),
    )
    assert seen == [3, 4, 6, 8, 12, 13]  # 3 is told again


@pytest.mark.slow
def test_a_callback_that_asks_to_stop_ends_training_with_its_checkpoint(config):
    stop = StopRequest()
    end = run(config(), stop=stop, on_checkpoint=lambda path, step: stop.ask("early"))
    assert end == 2
    assert tf.train.latest_checkpoint(config().output_dir).endswith("model.ckpt-2")


def test_a_run_asked_to_stop_before_it_began_does_nothing(config, tmp_path):
    stop = StopRequest()
    stop.ask("SIGTERM")
    assert run(config(), stop=stop) == 0
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_a_loss_that_is_not_finite_names_the_step_and_the_last_good_checkpoint(config):
    # Two numbers a step: the fifth and sixth, in step 3, are the first bad ones.
    pattern = rf"at step 3: {NOT_FINITE} \(first at line/w\).*model.ckpt-2"
    with pytest.raises(UserError, match=pattern) as e:
        run(config(), LineTask(bad_from=4))
    assert "\n" not in str(e.value)
    newest = tf.train.latest_checkpoint(config().output_dir)
    assert newest.endswith("model.ckpt-2")
    assert np.isfinite(tf.train.load_checkpoint(newest).get_tensor("line/w")).all()


@pytest.mark.slow
def test_init_checkpoint_is_read_and_listed(config, tmp_path, caplog):
    first = config(output_dir=str(tmp_path / "first"))
    run(first)
    trained = tf.train.load_checkpoint(first.output_dir).get_tensor("line/w")
    second = config(
        init_checkpoint=str(tmp_path / "first" / "model.ckpt-6"),
        num_train_steps=1,
        learning_rate=1e-12,
    )
    run(second)
    loaded = tf.train.load_checkpoint(second.output_dir).get_tensor("line/w")
    np.testing.assert_allclose(loaded, trained, rtol=1e-6)
    lines = log_lines(caplog)
    assert "1 variables loaded" in lines
    assert "training state (3 variables)" in lines  # two slots and the step
    assert "adam_m" not in lines


def test_init_checkpoint_of_another_model_is_an_error(config, testdata):
    other = str(testdata / "modeling/postln/model.ckpt")
    with pytest.raises(UserError, match="shares no variable"):
        run(config(init_checkpoint=other))


@pytest.mark.slow
def test_starting_anew_from_what_would_be_moved_away_is_refused(config, tmp_path):
    run(config())
    (tmp_path / "model/checkpoint").unlink()  # so that training starts anew
    inside = str(tmp_path / "model/model.ckpt-6")
    with pytest.raises(UserError, match="lies in output_dir .*, where training starts"):
        run(config(init_checkpoint=inside))


def test_modes_have_the_names_that_estimators_use():
    assert tf.estimator.ModeKeys.TRAIN == TRAIN
    assert tf.estimator.ModeKeys.EVAL == EVAL


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("learning_rate", 0.0, "learning_rate must be above 0"),
        ("learning_rate", float("nan"), "learning_rate must be"),
        ("num_train_steps", 0, "num_train_steps must be at least 1"),
        ("num_warmup_steps", 7, "at most num_train_steps 6, got 7"),
        ("train_batch_size", 0, "train_batch_size must be at least 1"),
        ("optimizer", "sgd", "one of lamb, adamw; got 'sgd'"),
        ("output_dir", "", "output_dir must be given"),
    ],
)
def test_values_out_of_range_are_named(config, field, value, message):
    with pytest.raises(UserError, match=message):
        config(**{field: value})


@pytest.mark.parametrize(
    ("rate", "batch", "optimizer", "scaled"),
    [
        (0.00176, 64, "lamb", "0.00022"),  # 64 times smaller: an eighth of the rate
        (0.00176, 511, "lamb", "0.00062"),
        (0.00176, 512, "lamb", None),
        (0.00176, 4096, "lamb", None),
        (0.0009, 64, "lamb", None),
        (0.00176, 64, "adamw", None),
    ],
)
def test_a_rate_made_for_a_larger_batch_is_warned_of(
    config, rate, batch, optimizer, scaled
):
    settings = config(learning_rate=rate, train_batch_size=batch, optimizer=optimizer)
    advice = advise_on_rate(settings)
    assert (advice is None) == (scaled is None)
    if scaled is not None:
        assert "belongs to a batch of 4,096" in advice
        assert f"it is {scaled} here" in advice


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_float16_on_a_cpu_is_warned_of(config, caplog, precision):
    settings = config(precision=precision, num_train_steps=1)
    loop.train(LineTask(), LineTask(), dict, settings, ReplicaConfig(num_gpus=0))
    assert ("step can take minutes" in log_lines(caplog)) == (precision == "float16")


@pytest.mark.slow
def test_the_warning_is_in_the_log(config, caplog):
    run(config(optimizer="lamb", num_train_steps=1))
    assert "belongs to a batch of 4,096" in log_lines(caplog)


@pytest.mark.parametrize(
    ("seen", "batch", "step_batches", "passed_over"),
    [
        (0, 32, 1, 0),
        (1000, 32, 1, 1000),
        (624_999, 32, 1, 624_999),
        (625_000, 32, 1, 0),  # 20 million examples
        (1_300_000, 32, 1, 50_000),
        (7, 30_000_000, 1, 0),
        (625_002, 32, 3, 3),  # 208,333 steps of three are 624,999 batches
        (624_996, 32, 3, 624_996),
        (6, 30_000_000, 3, 0),
    ],
)
def test_what_a_resumed_run_passes_over_is_bounded(
    seen, batch, step_batches, passed_over
):
    found = training_input.batches_to_pass_over(seen, batch, step_batches)
    assert found == passed_over
