"""A checkpoint for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pytest

from albert.checkpoints import storage


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
