"""Finding, comparing, slimming and writing checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import restoring, storage


@pytest.fixture
def written(tmp_path):
    """A checkpoint with model variables, slots and a step."""
    prefix = str(tmp_path / "model.ckpt-7")
    values = {
        "bert/pooler/dense/kernel": np.float32([[1, 2], [3, 4]]),
        "bert/pooler/dense/kernel/lamb_m": np.zeros((2, 2), np.float32),
        "bert/pooler/dense/kernel/adam_v": np.zeros((2, 2), np.float32),
        "cls/predictions/output_bias": np.float32([5]),
        "global_step": np.int64(7),
    }
    storage.write_variables(prefix, values)
    storage.write_state(str(tmp_path), "model.ckpt-7")
    return prefix


def test_what_is_written_is_read_back(written):
    names = ["bert/pooler/dense/kernel", "global_step"]
    found = storage.read_variables(written, names)
    np.testing.assert_array_equal(found[names[0]], [[1, 2], [3, 4]])
    assert found["global_step"] == 7
    assert storage.read_shapes(written)["cls/predictions/output_bias"] == [1]


def test_latest_step_is_read_from_the_folder(written, tmp_path):
    assert storage.latest_step(str(tmp_path)) == 7
    assert storage.latest_step(str(tmp_path / "nowhere")) is None


def test_slim_names_leave_out_slots_and_step(written):
    kernel, bias = "bert/pooler/dense/kernel", "cls/predictions/output_bias"
    assert restoring.slim_names(written) == [kernel, bias]
    assert restoring.slim_names(written, keep_pretraining_heads=False) == [kernel]


@pytest.mark.parametrize("form", ["{prefix}", "{prefix}.index", "{folder}"])
def test_a_checkpoint_can_be_named_by_prefix_index_or_folder(written, tmp_path, form):
    named = form.format(prefix=written, folder=tmp_path)
    assert storage.resolve(named, "init_checkpoint") == written


def test_a_missing_checkpoint_is_named_with_its_flag(tmp_path):
    with pytest.raises(UserError, match="--init_checkpoint: no checkpoint .*x.ckpt"):
        storage.resolve(str(tmp_path / "x.ckpt"), "init_checkpoint")
    with pytest.raises(UserError, match="holds no checkpoint"):
        storage.resolve(str(tmp_path), "init_checkpoint")


def test_an_index_without_its_data_is_refused(shared):
    index_alone = shared / "data/published/albert_tiny/albert_model.ckpt"
    with pytest.raises(UserError, match="lacks its .data file"):
        storage.resolve(str(index_alone), "init_checkpoint")


def test_plan_tells_loaded_fresh_and_unused(written):
    model = {"bert/pooler/dense/kernel": [2, 2], "output_bias": [3]}
    plan = restoring.plan_initialisation(model, written)
    assert plan.loaded == {"bert/pooler/dense/kernel": "bert/pooler/dense/kernel"}
    assert plan.fresh == ("output_bias",)
    assert "cls/predictions/output_bias" in plan.unused
    assert "global_step" in plan.unused


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"other": [1]}, "shares no variable"),
        ({"bert/pooler/dense/kernel": [2, 3]}, r"has shape \[2, 2\], .*\[2, 3\]"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(written, model, message):
    with pytest.raises(UserError, match=message):
        restoring.plan_initialisation(model, written)


def test_a_variable_that_is_missing_is_named(written):
    model = {"bert/pooler/dense/kernel": [2, 2], "bert/a": [1], "bert/b": [1]}
    with pytest.raises(UserError, match="lacks bert/a and others"):
        restoring.check_complete(model, written)
    restoring.check_complete({"bert/pooler/dense/kernel": [2, 2]}, written)


def test_going_on_with_another_optimizer_is_refused(tmp_path):
    prefix = str(tmp_path / "model.ckpt-1")
    w = np.float32([1])
    storage.write_variables(prefix, {"w": w, "w/lamb_m": w, "w/lamb_v": w})
    restoring.check_resumable({"w": [1]}, prefix, "lamb", ["w"])
    with pytest.raises(UserError, match="not trained with adamw: it lacks w/adam_m"):
        restoring.check_resumable({"w": [1]}, prefix, "adamw", ["w"])


def test_only_what_is_trained_needs_its_slots_to_go_on(tmp_path):
    prefix = str(tmp_path / "model.ckpt-1")
    w = np.float32([1])
    variables = {"w": w, "w/adam_m": w, "w/adam_v": w, "pooler": w}
    storage.write_variables(prefix, variables)
    model = {"w": [1], "pooler": [1]}
    restoring.check_resumable(model, prefix, "adamw", ["w"])
    with pytest.raises(UserError, match="pooler/adam_m: pooler was not trained before"):
        restoring.check_resumable(model, prefix, "adamw", ["w", "pooler"])


def test_the_model_is_all_but_training_state():
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        for name in ("w", "w/adam_m", "w/lamb_v"):
            v1.get_variable(name, [1])
        v1.get_variable("frozen", [1], trainable=False)
        v1.train.get_or_create_global_step()
        found = [v.op.name for v in restoring.model_variables()]
    assert found == ["w", "frozen"]


def test_a_damaged_index_is_one_line(written):
    with open(written + ".index", "wb") as file:
        file.write(b"no index")
    with pytest.raises(UserError, match="cannot be read"):
        storage.read_shapes(written)


def test_tensorflow_itself_loads_what_is_written(written):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variable = tf.compat.v1.get_variable("bert/pooler/dense/kernel", [2, 2])
        tf.compat.v1.train.Saver([variable]).restore(session, written)
        np.testing.assert_array_equal(session.run(variable), [[1, 2], [3, 4]])
