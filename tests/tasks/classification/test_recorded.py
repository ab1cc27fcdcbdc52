"""A classifier over ELECTRA as the reference fine-tunes it: recorded outputs and steps.

Its head is a dense layer with the kernel [H, L]; ours lies as BERT's, [L, H]. Its loss
is the sum over a batch; ours is the mean, of which `LossTerm` keeps the sum.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from albert.modeling.encoder import make_encoder_builder
from albert.tasks.classification.config import ClassificationConfig
from albert.tasks.classification.labels import ClassLabels
from albert.tasks.classification.task import ClassificationTask
from albert.training.optimization import GlobalBatchOptimizer, OptimizerSettings
from albert.training.rates import layerwise_rules
from albert.training.task import EVAL, TRAIN
from tests.electra_kit import Recorded

v1 = tf.compat.v1

HEAD = "task_specific/xnli/dense/"
NAMES = {
    "classifier/output_weights": f"{HEAD}kernel",
    "classifier/output_bias": f"{HEAD}bias",
}
INPUTS = ("input_ids", "input_mask", "segment_ids")


class Case:
    """The recorded model as ours."""

    def __init__(self, folder):
        self.recorded = Recorded(folder)
        values = self.recorded.values
        self.encoder = self.recorded.encoder_config("discriminator")
        settings = ClassificationConfig(
            max_seq_length=32, features="first", dropout_prob=0.0
        )
        labels = ClassLabels(tuple(values["labels"]), True)
        self.task = ClassificationTask(settings, labels, None, self.encoder)

    def batch(self, number):
        """The recorded examples that are no padding: those have task_id 1."""
        arrays = self.recorded.group(f"batch{number}/input/")
        rows = arrays["task_id"] == 0
        features = {name: arrays[name][rows] for name in INPUTS}
        features["label_ids"] = arrays["xnli_label_ids"][rows]
        features["weights"] = np.ones(rows.sum(), np.float32)
        return features, rows

    def build(self, mode):
        """Return placeholders and the output of the graph."""
        features = {
            name: v1.placeholder(spec.dtype, spec.shape)
            for name, spec in self.task.features(mode).items()
        }
        builder = make_encoder_builder(self.encoder)
        return features, self.task.build(features, mode, builder)

    @contextlib.contextmanager
    def session(self):
        """A session with the recorded variables."""
        variables = v1.trainable_variables()
        encoder = [v for v in variables if v.op.name not in NAMES]
        with self.recorded.session(encoder) as session:
            for variable in variables:
                name = NAMES.get(variable.op.name)
                if name is not None:
                    value = tf.train.load_variable(self.recorded.checkpoint, name)
                    variable.load(value.T, session)
            yield session


def by_recorded_names(values):
    """Return ours as the reference calls them and lays them out."""
    return {NAMES.get(n, n): v.T if n in NAMES else v for n, v in values.items()}


@pytest.fixture(scope="module")
def case(shared):
    folder = "reference/electra/modeling/finetuning/classification_small"
    return Case(shared / folder)


def feed_of(features, batch):
    return {tensor: batch[name] for name, tensor in features.items()}


def test_outputs_and_losses_are_the_recorded_ones(case):
    with tf.Graph().as_default():
        features, output = case.build(EVAL)
        shapes = {v.op.name: v.shape.as_list() for v in v1.trainable_variables()}
        ours = {
            NAMES.get(n, n): s[::-1] if n in NAMES else s for n, s in shapes.items()
        }
        assert ours == case.recorded.values["variables"]
        term = output.losses["label_loss"]
        with case.session() as session:
            for number in (0, 1):
                batch, rows = case.batch(number)
                found, total, weight = session.run(
                    (output.predictions["logits"], term.total, term.weight),
                    feed_of(features, batch),
                )
                wanted = case.recorded.group(f"batch{number}/output/")
                np.testing.assert_allclose(found, wanted["logits"][rows], atol=2e-5)
                assert total == pytest.approx(wanted["total_loss"], rel=1e-5)
                assert weight == rows.sum()


@pytest.mark.slow
def test_gradients_and_four_steps_are_the_recorded_ones(case):
    """Gradients of the sum over batch 0; AdamW at the recorded, decayed rates.

    The reference clips by a norm in which the rows of the table of words count before
    equal ones are summed: its recorded norm is what the gradient is divided by here.
    """
    values, arrays = case.recorded.values, case.recorded.group("adamw/")
    rules = layerwise_rules(case.encoder, values["layerwise_lr_decay"])
    settings = OptimizerSettings(
        weight_decay=values["weight_decay_rate"], clip_norm=1e9, rate_rules=rules
    )
    with tf.Graph().as_default():
        features, output = case.build(TRAIN)
        loss = output.losses["label_loss"].total
        variables = v1.trainable_variables()
        names = [v.op.name for v in variables]
        gradients = list(map(tf.convert_to_tensor, tf.gradients(loss, variables)))
        norm = tf.linalg.global_norm(gradients)
        rate, factor = (v1.placeholder(tf.float32, []) for _ in range(2))
        optimizer = GlobalBatchOptimizer("adamw", rate, settings=settings)
        scaled = [(g * factor, v) for g, v in zip(gradients, variables)]
        step = optimizer.apply_gradients(scaled)
        with case.session() as session:
            slots = [v for v in v1.global_variables() if v.op.name not in names]
            session.run(v1.variables_initializer(slots))
            feed = feed_of(features, case.batch(0)[0])
            found = dict(zip(names, session.run(gradients, feed)))
            wanted = case.recorded.group("batch0/gradient/")
            for name, value in by_recorded_names(found).items():
                np.testing.assert_allclose(
                    value, wanted.pop(name), rtol=1e-4, atol=2e-5, err_msg=name
                )
            assert not wanted
            for index, number in enumerate(values["steps"]):
                feed = feed_of(features, case.batch(number)[0])
                feed[rate] = arrays["learning_rate/task_specific"][index]
                feed[factor] = 1 / max(arrays["norm_as_clipped"][index], 1.0)
                found_norm, found_loss, _ = session.run((norm, loss, step), feed)
                assert found_loss == pytest.approx(arrays["losses"][index], rel=1e-4)
                wanted_norm = arrays["norm_dense"][index]
                assert found_norm == pytest.approx(wanted_norm, rel=1e-3)
            final = dict(zip(names, session.run(variables)))
    wanted = case.recorded.group("adamw/final/")
    for name, value in by_recorded_names(final).items():
        np.testing.assert_allclose(value, wanted.pop(name), atol=1e-5, err_msg=name)
    assert not wanted
