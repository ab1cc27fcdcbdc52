"""Replaced tokens in float16: the recorded steps, nearly."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.training.step import build_train_step
from tests.electra_kit import OWN, find_case
from tests.golden import placeholders

v1 = tf.compat.v1

STEPS = (0, 1, 2, 0)  # the batches of the recorded steps


@pytest.mark.slow
def test_losses_in_float16_follow_the_recorded_ones(request):
    """Given what was drawn; no step is skipped for a gradient that is not finite."""
    case = find_case(OWN, request)
    batches = [case.batch(index) for index in range(3)]
    with tf.Graph().as_default():
        features = placeholders(batches[0])
        feeds = [{features[k]: v for k, v in batch.items()} for batch in batches]
        config = case.training(precision="float16")
        step = build_train_step(case.task(), case.build_encoder(), features, config)
        dtypes = {v.dtype.base_dtype for v in v1.trainable_variables()}
        with case.session() as session:
            session.run(v1.local_variables_initializer())
            made = [
                session.run((step.values, step.train_op), feeds[index])[0]
                for index in STEPS
            ]
    assert dtypes == {tf.float32}  # variables stay wide
    found, wanted = [values["loss"] for values in made], case.arrays["adamw/losses"]
    np.testing.assert_allclose(found, wanted, rtol=5e-3)
    assert np.abs(found - wanted).max() > 1e-4  # it is not float32 under another name
    assert [values["loss_scale"] for values in made] == [2.0**15] * len(STEPS)
    assert made[-1]["skipped_steps"] == 0
