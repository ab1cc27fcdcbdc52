"""A trained model as a graph that answers by itself: SavedModel, TensorFlow Lite.

What opens it needs none of this package: the graph holds the tokens, windows, decoding
and probabilities too.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any, Callable, Mapping, Sequence

import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import guard, storage
from albert.checkpoints.best import choose_checkpoint
from albert.checkpoints.export import check_target
from albert.serving.export_config import INT8, SavedModelConfig
from albert.serving.graph_signature import Signature
from albert.serving.model_session import restore
from albert.serving.ner_graph import NerGraph
from albert.serving.predictor import find_task
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.model_folder import LABELS_FILE, open_trained
from albert.tasks.ner.task import NerTask

v1 = tf.compat.v1

MODEL_FILE = "saved_model.pb"
_IDS = "ids"  # the signature that a TensorFlow Lite model has

# Task -> what builds its signatures in the current graph: a class as `NerGraph`, with
# `signatures()`, and `of_ids(batch, length)` of numbers alone, for TensorFlow Lite.
GRAPHS: Mapping[str, Callable[[Any], Any]] = {NerTask.name: NerGraph}


def _write_graph(
    folder: str,
    task: FineTuningTask,
    checkpoint: str,
    make_signatures: Callable[[Any], Mapping[str, Signature]],
) -> None:
    """Write a SavedModel to a folder that is not there yet; OSError if it cannot be."""
    with tf.Graph().as_default(), v1.Session() as session:
        signatures = make_signatures(GRAPHS[task.name](task))
        restore(session, checkpoint)
        with storage.raising_file_errors():
            builder = v1.saved_model.Builder(folder)
            builder.add_meta_graph_and_variables(
                session,
                [v1.saved_model.tag_constants.SERVING],
                {name: _define(signature) for name, signature in signatures.items()},
                main_op=v1.tables_initializer(),
                strip_default_attrs=True,
            )
            builder.save()


def _define(signature: Signature) -> Any:
    inputs, outputs = (
        {name: v1.saved_model.build_tensor_info(t) for name, t in part.items()}
        for part in signature
    )
    method = v1.saved_model.signature_constants.PREDICT_METHOD_NAME
    return v1.saved_model.build_signature_def(inputs, outputs, method)


def _convert_to_tflite(folder: str, weights: str) -> bytes:
    """Return the TensorFlow Lite model of a SavedModel with the signature over ids."""
    converter = tf.lite.TFLiteConverter.from_saved_model(
        folder, signature_keys=[_IDS], tags={v1.saved_model.tag_constants.SERVING}
    )
    if weights == INT8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    try:
        return converter.convert()
    except (ConverterError, tf.errors.OpError) as error:
        why = next(iter(str(error).strip().splitlines()), "")
        raise UserError(f"TensorFlow Lite does not take this model: {why}") from error


def write_tflite(
    folder: str, task: FineTuningTask, checkpoint: str, kinds: Sequence[str]
) -> None:
    """Write `model_<kind>.tflite` for each kind of weights to a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        graph = os.path.join(temporary, "graph")
        # One text at a time, of any length: TensorFlow Lite asks for one open size.
        _write_graph(graph, task, checkpoint, lambda g: {_IDS: g.of_ids(batch=1)})
        for kind in kinds:
            content = _convert_to_tflite(graph, kind)
            with open(os.path.join(folder, f"model_{kind}.tflite"), "wb") as file:
                file.write(content)


def export_saved_model(config: SavedModelConfig) -> list[str]:
    """Write a trained model as a SavedModel, and in the forms asked for beside it.

    Returns:
        The names of the signatures.

    Raises:
        UserError: the folder holds no model, or one that cannot be exported; or
            `output_dir` is there already.
        OSError: a file cannot be written, and nothing is left.
    """
    row = find_task(config.model_dir)
    if row.task_class.name not in GRAPHS:
        raise UserError(
            f"models of the task {row.task_class.name} cannot be exported as a graph; "
            f"those of {', '.join(GRAPHS)} can"
        )
    storage.check_name(config.output_dir, "output_dir")
    output_dir = os.path.normpath(config.output_dir)
    checkpoint = choose_checkpoint(config.model_dir, "model_dir")
    check_target(output_dir, checkpoint, MODEL_FILE, config.overwrite)
    task = open_trained(row.task_class, config.model_dir)
    temporary = f"{output_dir}.tmp-{os.getpid()}"
    names: list[str] = []

    def make_signatures(graph: Any) -> Mapping[str, Signature]:
        signatures = graph.signatures()
        names.extend(signatures)
        return signatures

    try:
        _write_graph(temporary, task, checkpoint, make_signatures)
        write_tflite(temporary, task, checkpoint, config.tflite)
        for name in (LABELS_FILE, guard.VOCABULARY_FILE, guard.CONFIG_FILE):
            shutil.copyfile(
                os.path.join(config.model_dir, name), os.path.join(temporary, name)
            )
        files.replace_folder(temporary, output_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return names
