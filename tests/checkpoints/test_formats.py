"""Names of one layout as names of another."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import formats, restoring, storage
from albert.checkpoints.formats import NameRule

v1 = tf.compat.v1

# The same layout under another scope, without its heads.
STUDENT = (
    NameRule(r"student/(.*)", r"bert/\1"),
    NameRule(r"cls/.*", None),
)
# A layout that writes names with dots, and kernels as [outputs, inputs].
DOTTED = (
    NameRule(r"pooler\.weight", r"bert/pooler/dense/kernel", transposed=True),
    NameRule(r"layer\.(\d+)\.(query|key)\.bias", r"bert/layer_\1/\2/bias"),
    NameRule(r"position_ids", None),
)


@pytest.mark.parametrize(
    ("name", "rules", "expected"),
    [
        ("student/a/student/b", STUDENT, ("bert/a/student/b", False)),
        ("old/student/a", STUDENT, ("old/student/a", False)),  # the whole name counts
        ("cls/predictions/output_bias", STUDENT, (None, False)),
        ("layer.11.key.bias", DOTTED, ("bert/layer_11/key/bias", False)),
        ("pooler.weight", DOTTED, ("bert/pooler/dense/kernel", True)),
        ("bert/a", formats.UNCHANGED, ("bert/a", False)),
    ],
)
def test_the_first_rule_that_matches_renames(name, rules, expected):
    assert formats.rename(name, rules) == expected


def test_conversion_renames_transposes_and_leaves_out():
    values = {
        "pooler.weight": np.float32([[1, 2, 3], [4, 5, 6]]),
        "layer.0.query.bias": np.float32([7]),
        "position_ids": np.arange(3),
        "other": np.float32([8]),
    }
    found = formats.convert(values, DOTTED)
    assert set(found) == {
        "bert/pooler/dense/kernel",
        "bert/layer_0/query/bias",
        "other",
    }
    kernel = found["bert/pooler/dense/kernel"]
    np.testing.assert_array_equal(kernel, [[1, 4], [2, 5], [3, 6]])


def test_two_names_that_become_one_are_an_error():
    with pytest.raises(
        UserError, match="both student/a and bert/a .* stand for bert/a"
    ):
        formats.map_names(["student/a", "bert/a"], STUDENT)


@pytest.fixture
def student(tmp_path):
    """A checkpoint whose encoder lies under another scope, with its heads."""
    prefix = str(tmp_path / "student.ckpt")
    values = {
        "student/w": np.float32([1, 2]),
        "cls/b": np.float32([3]),
        "student/w/adam_m": np.float32([0, 0]),
        "global_step": np.int64(4),
    }
    storage.write_variables(prefix, values)
    return prefix


def test_a_warm_start_reads_renamed_variables(student):
    plan = restoring.plan_initialisation({"bert/w": [2], "b": [1]}, student, STUDENT)
    assert plan.loaded == {"bert/w": "student/w"}
    assert plan.fresh == ("b",)
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.get_variable("bert/w", [2])
        v1.get_variable("b", [1])
        restoring.initialise(plan)
        session.run(v1.global_variables_initializer())
        np.testing.assert_array_equal(session.run(variable), [1, 2])


def test_without_the_rules_it_shares_nothing(student):
    with pytest.raises(UserError, match="shares no variable") as error:
        restoring.plan_initialisation({"bert/w": [2]}, student)
    assert "\n" not in str(error.value)


def test_a_transposed_variable_is_to_be_converted_first(student):
    rules = (NameRule("student/w", "bert/w", transposed=True),)
    with pytest.raises(UserError, match="student/w is transposed; convert it first"):
        restoring.plan_initialisation({"bert/w": [2]}, student, rules)


def test_a_shape_that_differs_is_told_by_the_checkpoints_name(student):
    with pytest.raises(UserError, match=r"student/w has shape \[2\], .* is \[3\]"):
        restoring.plan_initialisation({"bert/w": [3]}, student, STUDENT)
