"""What a model takes from a checkpoint, and what of one is the model."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import restoring, storage

v1 = tf.compat.v1


def test_slim_names_leave_out_slots_and_step(written):
    kernel, bias = "bert/pooler/dense/kernel", "cls/predictions/output_bias"
    assert restoring.slim_names(written) == [kernel, bias]
    assert restoring.slim_names(written, keep_pretraining_heads=False) == [kernel]


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
