"""Adversarial training on embeddings, against hand calculation."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.training import replicas
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.rates import RateRule
from albert.training.step import build_train_step
from albert.training.task import LossTerm, Task, TaskOutput
from tests import forked

v1 = tf.compat.v1
TABLE = "bert/embeddings/word_embeddings"


class HalfSquares(Task):
    """The loss of an example is half the squared norm of its word's embedding."""

    def features(self, mode):
        return {"input_ids": tf.TensorSpec([None], tf.int32)}

    def build(self, features, mode, build_encoder):
        rows = build_encoder(features["input_ids"])
        count = tf.cast(tf.shape(rows)[0], tf.float32)
        return TaskOutput({"loss": LossTerm(tf.nn.l2_loss(rows), count)}, {})

    def score(self, batches, data):
        raise NotImplementedError


def embed(ids):
    with v1.variable_scope("bert/embeddings"):
        table = v1.get_variable(
            "word_embeddings",
            initializer=[[3.0, 4.0], [0.0, 12.0], [5.0, 5.0]],
        )
    return tf.gather(tf.convert_to_tensor(table), ids)


def first_gradients(task, features, parts=1, **changes):
    """Return loss and gradients of the first step: ten times their first means.

    Args:
        features: name -> list of examples, which are split into `parts`.
    """
    settings = {"num_train_steps": 10, "num_warmup_steps": 0, "clip_norm": 1e6}
    config = TrainingConfig(
        "unused",
        optimizer="adamw",
        gradient_accumulation_steps=parts,
        **{**settings, **changes},
    )
    with tf.Graph().as_default():
        batch = {
            name: tf.constant(np.reshape(ids, [-1] if parts == 1 else [parts, -1]))
            for name, ids in features.items()
        }
        step = build_train_step(task, embed, batch, config)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            values, _ = session.run((step.values, step.train_op))
            means = {
                v.op.name[: -len("/adam_m")]: 10.0 * session.run(v)
                for v in v1.global_variables()
                if v.op.name.endswith("/adam_m")
            }
    return values["loss"], means


def first_gradient(ids, parts=1, **changes):
    loss, found = first_gradients(HalfSquares(), {"input_ids": ids}, parts, **changes)
    return loss, found[TABLE]


# Two examples: the gradient of the mean is half of each row, (1.5, 2) and (0, 6). Its
# norm is sqrt(2.25 + 4 + 36) = 6.5. With epsilon 1.3 the rows move by a fifth of their
# gradient, (0.3, 0.4) and (0, 1.2), and their gradient there is (1.65, 2.2), (0, 6.6).
WANTED = [[3.15, 4.2], [0.0, 12.6], [0.0, 0.0]]


@pytest.mark.parametrize("parts", [1, 2])
def test_gradient_is_the_sum_of_the_clean_and_the_perturbed_one(parts):
    loss, found = first_gradient([0, 1], parts, fgm_epsilon=1.3)
    np.testing.assert_allclose(found, WANTED, rtol=1e-5)
    assert loss == pytest.approx((12.5 + 72) / 2)  # of the batch as it is


def test_nothing_changes_without_it():
    _, found = first_gradient([0, 1])
    np.testing.assert_allclose(found, [[1.5, 2.0], [0.0, 6.0], [0, 0]], rtol=1e-5)


def test_frozen_embeddings_are_refused():
    rules = (RateRule("word_embeddings", 0.0),)
    other = v1.get_variable  # another variable is trained
    with tf.Graph().as_default():
        config = TrainingConfig(
            "unused", num_warmup_steps=0, fgm_epsilon=1.0, rate_rules=rules
        )

        def embed_and_scale(ids):
            return embed(ids) * other("scale", initializer=2.0)

        with pytest.raises(UserError, match="fgm_epsilon .* but they are frozen"):
            build_train_step(
                HalfSquares(), embed_and_scale, {"input_ids": tf.constant([0])}, config
            )


def run_on_two_replicas():
    """Print the first gradient and the average after it, an example a replica."""
    replicas.set_up_devices(ReplicaConfig(num_cpu_replicas=2))
    strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    config = TrainingConfig(
        "unused",
        optimizer="adamw",
        num_warmup_steps=0,
        clip_norm=1e6,
        fgm_epsilon=1.3,
        average_decay=0.5,
    )

    def build():
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        features = {"input_ids": tf.constant([[0], [1]])[index]}
        return build_train_step(HalfSquares(), embed, features, config).train_op

    with tf.Graph().as_default(), strategy.scope():
        train = strategy.group(strategy.run(build))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(train)
            found = {
                v.op.name: session.run(strategy.experimental_local_results(v))
                for v in v1.global_variables()
            }
    print(json.dumps({n: np.array(copies).tolist() for n, copies in found.items()}))


@pytest.mark.slow
def test_two_replicas_have_the_gradient_of_the_whole_batch(repo):
    code = "from tests.training import test_adversarial as t; t.run_on_two_replicas()"
    done = forked.run(
        [sys.executable, "-c", code], cwd=repo, check=True, stdout=subprocess.PIPE
    )
    found = json.loads(done.stdout)
    means = np.array(found[f"{TABLE}/adam_m"])
    np.testing.assert_allclose(10.0 * means, [WANTED, WANTED], rtol=1e-5)
    assert found[f"{TABLE}/average"] == found[TABLE]
    assert len(found[TABLE]) == 2
