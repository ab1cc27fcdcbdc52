"""Finding, reading and writing checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import storage

v1 = tf.compat.v1


def test_what_is_written_is_read_back(written):
    names = ["bert/pooler/dense/kernel", "global_step"]
    found = storage.read_variables(written, names)
    np.testing.assert_array_equal(found[names[0]], [[1, 2], [3, 4]])
    assert found["global_step"] == 7
    assert storage.read_shapes(written)["cls/predictions/output_bias"] == [1]


def test_latest_step_is_read_from_the_folder(written, tmp_path):
    assert storage.latest_step(str(tmp_path)) == 7
    assert storage.latest_step(str(tmp_path / "nowhere")) is None


def test_values_are_told_apart_by_their_index(tmp_path):
    """The data are of equal size; a copy under another name is the same."""
    found = []
    for name, value in (("a", 1.0), ("b", 1.0), ("c", 1.0 + 2**-23)):
        prefix = str(tmp_path / name)
        storage.write_variables(prefix, {"w": np.float32([0.0, value])})
        found.append(storage.identify_values(prefix))
    assert found[0] == found[1] != found[2]


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
