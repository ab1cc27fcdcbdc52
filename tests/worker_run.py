"""Trains a recorded model as one of two machines: `worker_run.py INDEX OUT PORT PORT`.

The step of a worker is the project's; the loop around it is the Estimator's own.
"""

from __future__ import annotations

import json
import os
import sys

import tensorflow as tf

from albert import checkpoint as checkpoints
from albert.config.training import TrainingConfig
from albert.tasks.task import TRAIN
from albert.train_step import build_train_step
from albert.training import model_shapes
from tests.golden import Golden
from tests.replica_run import POSTLN, STEPS, FixedOrder


def run(index: int, output_dir: str, ports: list[str]) -> None:
    addresses = [f"127.0.0.1:{port}" for port in ports]
    role = {"type": ("chief", "worker")[index], "index": 0}
    cluster = {"chief": addresses[:1], "worker": addresses[1:]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": role})
    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before all else
    golden = Golden(POSTLN)
    task = FixedOrder(golden)
    config = TrainingConfig(output_dir, 0.00176, STEPS, 2, train_batch_size=6)
    shapes = model_shapes(task, golden.build_encoder)
    plan = checkpoints.plan_initialisation(shapes, golden.checkpoint)

    def model_fn(features, mode):
        step = build_train_step(task, golden.build_encoder, features, config)
        checkpoints.initialise(plan)
        return tf.estimator.EstimatorSpec(mode, loss=step.loss, train_op=step.train_op)

    def read(input_context=None):
        dataset = task.read(TRAIN, 3)
        return dataset.shard(
            input_context.num_input_pipelines, input_context.input_pipeline_id
        )

    settings = tf.estimator.RunConfig(
        model_dir=output_dir, train_distribute=strategy, save_checkpoints_steps=STEPS
    )
    estimator = tf.estimator.Estimator(model_fn, config=settings)
    tf.estimator.train_and_evaluate(
        estimator,
        tf.estimator.TrainSpec(read, max_steps=STEPS),
        tf.estimator.EvalSpec(read),
    )


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
