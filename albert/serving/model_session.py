"""A trained model with its graph built once, to be fed batches by any thread."""

from __future__ import annotations

import functools
import os
from typing import Mapping

import numpy as np
import tensorflow as tf

from albert.checkpoints import restoring
from albert.modeling.encoder import make_encoder_builder
from albert.serving.prediction_config import FLOAT32
from albert.tasks.finetuning_task import FineTuningTask
from albert.training.config import ReplicaConfig
from albert.training.replicas import one_device_config
from albert.training.task import PREDICT

v1 = tf.compat.v1


def assume_frozen_weights() -> None:
    """Tell TensorFlow that no weights change any more in this process.

    oneDNN then lays those of bfloat16 products out once, not at every step. For
    programs that predict and do nothing else: a training would go on with old weights.
    To be called before the first session.
    """
    os.environ.setdefault("TF_ONEDNN_ASSUME_FROZEN_WEIGHTS", "1")


def restore(session: v1.Session, checkpoint: str) -> None:
    """Give the variables of the current graph the values of a checkpoint.

    Raises:
        UserError: the checkpoint is not of this model.
    """
    variables = restoring.model_variables()
    shapes = {v.op.name: v.shape.as_list() for v in variables}
    sources = restoring.check_complete(shapes, checkpoint)
    restoring.make_saver(sources).restore(session, checkpoint)


class ModelSession:
    """Runs a task's model on features that the caller makes; threads may share it."""

    def __init__(
        self,
        task: FineTuningTask,
        checkpoint: str,
        replicas: ReplicaConfig = ReplicaConfig(),  # noqa: B008, it is frozen
        precision: str = FLOAT32,
    ):
        """Build the graph and read the checkpoint.

        Args:
            task: the model, see `albert.tasks.model_folder.open_trained`.
            checkpoint: its prefix.
            replicas: the devices, of which the first is used.
            precision: the type of matrix products.

        Raises:
            UserError: the checkpoint is not of this model.
        """
        graph = tf.Graph()
        with graph.as_default():
            self._inputs = {
                name: v1.placeholder(spec.dtype, spec.shape, name)
                for name, spec in task.features(PREDICT).items()
            }
            build_encoder = functools.partial(
                make_encoder_builder(task.encoder), dtype=tf.as_dtype(precision)
            )
            output = task.build(self._inputs, PREDICT, build_encoder)
            session = v1.Session(graph=graph, config=one_device_config(replicas))
            restore(session, checkpoint)
            # Parsing the names of fetches takes longer than a small batch does.
            self._run = session.make_callable(
                dict(output.predictions), list(self._inputs.values())
            )
        graph.finalize()
        self._session = session

    def run(self, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the predictions of a batch; see the task's `features` and `build`."""
        return self._run(*(features[name] for name in self._inputs))

    def close(self) -> None:
        """Free the session."""
        self._session.close()
