"""An encoder that is not trained: its outputs are computed once, and read from a file.

What BERT's authors call the feature-based approach (Devlin et al., 2019, section 5.3):
each epoch then costs only what stands above the encoder.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any, Mapping, NamedTuple, Optional

import numpy as np
import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints import restoring, storage
from albert.modeling.encoder import EncoderBuilder
from albert.tasks.example_source import ExampleSource
from albert.tasks.finetuning_task import FineTuningTask
from albert.training import given_encoder
from albert.training.config import ReplicaConfig
from albert.training.rates import RateRule
from albert.training.replicas import one_device_config
from albert.training.task import TRAIN, Task

v1 = tf.compat.v1

_BATCH = 32


def find_encoder(output_dir: str, init_checkpoint: Optional[str]) -> str:
    """Return the checkpoint with the encoder that stays as it is.

    Args:
        output_dir: where training may have begun.
        init_checkpoint: where it starts from.

    Raises:
        UserError: there is none.
    """
    found = tf.train.latest_checkpoint(output_dir) or init_checkpoint
    if found is None:
        raise UserError(
            "--encoder_training=frozen needs a trained encoder: give --init_checkpoint"
        )
    return found


def freeze_rule(scope: str) -> RateRule:
    """Return the rule that leaves an encoder's variables as they are."""
    return RateRule(f"^{scope}/", 0.0, "encoder")


def _make_table(rows: int, width: int) -> np.ndarray:
    """Return float32 [rows, width] in a file that has no name and goes with us.

    Raises:
        UserError: there is no room for it.
    """
    if not width:
        return np.zeros((rows, 0), np.float32)
    size = rows * width * np.dtype(np.float32).itemsize
    room = f"a temporary file of {size / 1e6:,.1f} MB"
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115, the table keeps it
        # Written to where the disk is full, a file without blocks ends the process.
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        place = tempfile.tempdir or os.environ.get("TMPDIR") or "/tmp"
        raise UserError(
            f"--encoder_training=frozen keeps the encoder's outputs in {room}, for "
            f"which {place} has no room: {error.strerror}; name another folder in "
            "TMPDIR"
        ) from error
    logging.info("They are kept in %s in %s", room, tempfile.gettempdir())
    return np.memmap(file, np.float32, "w+", shape=(rows, width))


class _File:
    """The outputs of all examples; those at tokens in a file."""

    def __init__(self, lengths: np.ndarray, widths: given_encoder.Outputs):
        """Make room for examples of these lengths."""
        self._ends = np.cumsum(lengths)
        self._lengths = lengths
        self._tokens = _make_table(int(self._ends[-1]), widths.tokens)
        self._pooled = np.zeros((len(lengths), widths.pooled), np.float32)

    def write(self, numbers: np.ndarray, kept: given_encoder.Outputs) -> None:
        """Keep the outputs of some examples."""
        for number, tokens, pooled in zip(numbers, *kept):
            length, end = self._lengths[number], self._ends[number]
            self._tokens[end - length : end] = tokens[:length]
            self._pooled[number] = pooled

    def read(self, numbers: np.ndarray, length: int) -> given_encoder.Outputs:
        """Return the outputs of some examples, filled up with 0 to a length."""
        tokens = np.zeros((len(numbers), length, self._tokens.shape[1]), np.float32)
        for target, number in zip(tokens, numbers):
            size, end = self._lengths[number], self._ends[number]
            target[:size] = self._tokens[end - size : end]
        return given_encoder.Outputs(tokens, self._pooled[numbers])


class FrozenEncoderSource(ExampleSource):
    """Examples with the outputs of an encoder."""

    def __init__(self, data: ExampleSource, outputs: _File, task: Task, seed: int):
        """Keep examples, and the file of their outputs."""
        super().__init__(task.features, data.lengths, seed)
        self.num_examples = data.num_examples
        self._data = data
        self._outputs = outputs

    def make_batch(self, numbers: np.ndarray) -> Mapping[str, np.ndarray]:
        """See `ExampleSource.make_batch`."""
        batch = self._data.make_batch(numbers)
        tokens, pooled = self._outputs.read(numbers, batch["input_ids"].shape[1])
        return {**batch, given_encoder.TOKENS: tokens, given_encoder.POOLED: pooled}


class FrozenEncoder(NamedTuple):
    """A task and its training data, with the encoder's outputs computed."""

    task: Task
    data: FrozenEncoderSource


def _restore_encoder(
    session: v1.Session, scope: str, checkpoint: str, pooled: bool
) -> None:
    """Give the encoder's variables in the graph the values of a checkpoint.

    Args:
        pooled: whether what pools is read; else a checkpoint may lack its variables,
            which training then leaves at their initial values.
    """
    variables = {
        v.op.name: v
        for v in restoring.model_variables()
        if v.op.name.startswith(f"{scope}/")
    }
    pooler = {name for name in variables if name.startswith(f"{scope}/pooler/")}
    if not pooled and not pooler & set(storage.read_shapes(checkpoint)):
        for name in sorted(pooler):
            logging.info("%s has no %s, which nothing reads", checkpoint, name)
            del variables[name]
    shapes = {name: v.shape.as_list() for name, v in variables.items()}
    sources = restoring.check_complete(shapes, checkpoint)
    saver = v1.train.Saver({sources[name]: v for name, v in variables.items()})
    saver.restore(session, checkpoint)


def compute_outputs(
    task: FineTuningTask,
    data: ExampleSource,
    build_encoder: EncoderBuilder,
    checkpoint: str,
    seed: int,
    replicas: ReplicaConfig,
) -> FrozenEncoder:
    """Run the encoder once over the training data.

    Args:
        checkpoint: has the encoder's variables.
        seed: of the shuffling in training.
        replicas: the devices, of which the first is used.

    Raises:
        UserError: the checkpoint lacks the encoder, the task encodes an example in
            several parts, or there is no room for the outputs.
    """
    logging.info("Computing the encoder's outputs of the training data, once")
    specs, calls = task.features(TRAIN), []
    with tf.Graph().as_default():
        inputs = {n: v1.placeholder(s.dtype, s.shape, n) for n, s in specs.items()}

        def catch(*arguments: tf.Tensor, training: bool = False, **options: Any):
            del training
            encoded = build_encoder(*arguments, training=False, **options)
            calls.append((encoded, given_encoder.watch(encoded)))
            return calls[-1][1]

        task.build(inputs, TRAIN, catch)
        if len(calls) != 1 or inputs["input_ids"].shape.rank != 2:
            raise UserError(
                "--encoder_training=frozen is for tasks that encode an example at once"
            )
        encoded, watched = calls[0]
        read = given_encoder.find_read(watched)
        kept = given_encoder.keep_outputs(encoded, read)
        widths = given_encoder.Outputs(*(tensor.shape[-1] for tensor in kept))
        outputs = _File(data.lengths, widths)
        with v1.Session(config=one_device_config(replicas)) as session:
            _restore_encoder(session, task.encoder.scope, checkpoint, read.pooled)
            order = np.argsort(data.lengths, kind="stable")
            for start in range(0, len(order), _BATCH):
                numbers = order[start : start + _BATCH]
                batch = data.make_batch(numbers)
                feed = {inputs[name]: batch[name] for name in specs}
                outputs.write(numbers, session.run(kept, feed))
    frozen = given_encoder.GivenEncoderTask(task, widths, read)
    return FrozenEncoder(frozen, FrozenEncoderSource(data, outputs, frozen, seed))
