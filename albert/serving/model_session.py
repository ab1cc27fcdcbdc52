"""A trained model with its graph built once, to be fed batches by any thread."""

from __future__ import annotations

import functools
from typing import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_from_session_graph,
)

from albert.checkpoints import restoring
from albert.modeling.encoder import make_encoder_builder
from albert.serving.prediction_config import FLOAT32
from albert.tasks.finetuning_task import FineTuningTask
from albert.training.config import ReplicaConfig
from albert.training.replicas import one_device_config
from albert.training.task import PREDICT

v1 = tf.compat.v1

# TensorFlow hands a graph over in one message, of at most 2 GiB.
_MOST_CONSTANTS = 2**31 - 2**26


def restore(session: v1.Session, checkpoint: str) -> None:
    """Give the variables of the current graph the values of a checkpoint.

    Raises:
        UserError: the checkpoint is not of this model.
    """
    variables = restoring.model_variables()
    shapes = {v.op.name: v.shape.as_list() for v in variables}
    sources = restoring.check_complete(shapes, checkpoint)
    restoring.make_saver(sources).restore(session, checkpoint)


def _count_bytes() -> int:
    """Return the size of the variables of the current graph."""
    return sum(v.shape.num_elements() * v.dtype.size for v in v1.global_variables())


def freeze(
    session: v1.Session,
    inputs: Mapping[str, tf.Tensor],
    outputs: Mapping[str, tf.Tensor],
    config: v1.ConfigProto,
) -> tuple[v1.Session, dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Return what computes the same from constants in place of variables.

    oneDNN lays constant weights of bfloat16 products out once, not at every step.
    TF_ONEDNN_ASSUME_FROZEN_WEIGHTS would do so for variables, of the whole process: a
    training in it would go on with old weights.

    Args:
        session: its variables have their values; it is left open.
        inputs, outputs: of its graph, by any names.
        config: of the session to make.

    Returns:
        A session over a graph of its own, with the inputs and outputs in it.
    """
    definition = convert_variables_to_constants_from_session_graph(
        session,
        session.graph.as_graph_def(),
        [output.op.name for output in outputs.values()],
    )
    kept = {node.name for node in definition.node}
    with tf.Graph().as_default() as graph:
        given = {
            name: v1.placeholder(tensor.dtype, tensor.shape, name)
            for name, tensor in inputs.items()
        }
        found = tf.import_graph_def(
            definition,
            {t.name: given[n] for n, t in inputs.items() if t.op.name in kept},
            [output.name for output in outputs.values()],
            name="frozen",
        )
        frozen = v1.Session(graph=graph, config=config)
    return frozen, given, dict(zip(outputs, found))


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
            config = one_device_config(replicas)
            session = v1.Session(graph=graph, config=config)
            restore(session, checkpoint)
            outputs = dict(output.predictions)
            if precision != FLOAT32 and _count_bytes() <= _MOST_CONSTANTS:
                variables = session
                session, self._inputs, outputs = freeze(
                    variables, self._inputs, outputs, config
                )
                variables.close()
        # Parsing the names of fetches takes longer than a small batch does.
        self._run = session.make_callable(outputs, list(self._inputs.values()))
        session.graph.finalize()
        self._session = session

    def run(self, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the predictions of a batch; see the task's `features` and `build`."""
        return self._run(*(features[name] for name in self._inputs))

    def close(self) -> None:
        """Free the session."""
        self._session.close()
