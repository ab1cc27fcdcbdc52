"""An encoder that is not trained: its outputs are computed once, and read from a file.

What BERT's authors call the feature-based approach (Devlin et al., 2019, section 5.3):
each epoch then costs only what stands above the encoder. The encoder's variables stay
in the graph, and so in every checkpoint, but nothing computes with them.
"""

from __future__ import annotations

import tempfile
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional

import numpy as np
import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints import restoring
from albert.modeling.encoder import EncoderBuilder
from albert.modeling.output import EncoderOutput
from albert.tasks.example_source import ExampleSource
from albert.tasks.finetuning_task import FineTuningTask
from albert.training.config import ReplicaConfig
from albert.training.rates import RateRule
from albert.training.replicas import one_device_config
from albert.training.task import TRAIN, Features, Task, TaskOutput

v1 = tf.compat.v1

_TOKENS, _POOLED = "frozen_tokens", "frozen_pooled"  # inputs in place of the encoder
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


class _Outputs(NamedTuple):
    """What is kept of an encoder's outputs for a batch.

    Attributes:
        tokens: float32, [B, T, W]: the sequence, or the embeddings and all layers side
            by side, where a task reads them.
        pooled: float32, [B, H].
    """

    tokens: tf.Tensor
    pooled: tf.Tensor


def _keep(encoded: EncoderOutput, all_layers: bool) -> _Outputs:
    parts = [encoded.sequence]
    if all_layers:
        parts += [encoded.embedding_output, *encoded.layers]
    return _Outputs(tf.concat(parts, axis=2), encoded.pooled)


def _give_back(
    encoded: EncoderOutput, kept: _Outputs, all_layers: bool
) -> EncoderOutput:
    """Return an encoder's output with what was kept in place of what it computes."""
    if not all_layers:
        return encoded._replace(sequence=kept.tokens, pooled=kept.pooled)
    computed = [encoded.sequence, encoded.embedding_output, *encoded.layers]
    parts = tf.split(kept.tokens, [each.shape[-1] for each in computed], axis=2)
    return encoded._replace(
        sequence=parts[0],
        embedding_output=parts[1],
        layers=tuple(parts[2:]),
        pooled=kept.pooled,
    )


class FrozenEncoderTask(Task):
    """A task whose encoder's outputs come with the features; for training alone."""

    def __init__(self, task: FineTuningTask, widths: _Outputs, all_layers: bool):
        """Keep the task, and how wide the outputs are."""
        self._task = task
        self._widths = widths
        self._all_layers = all_layers

    def features(self, mode: str) -> dict[str, tf.TensorSpec]:
        """See `Task.features`; with the outputs of the encoder."""
        return {
            **self._task.features(mode),
            _TOKENS: tf.TensorSpec([None, None, self._widths.tokens], tf.float32),
            _POOLED: tf.TensorSpec([None, self._widths.pooled], tf.float32),
        }

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`; the encoder is built, and nothing reads its output."""
        features = dict(features)
        kept = _Outputs(features.pop(_TOKENS), features.pop(_POOLED))

        def give_back(*inputs: tf.Tensor, training: bool = False, **options: Any):
            del training
            encoded = build_encoder(*inputs, training=False, **options)
            return _give_back(encoded, kept, self._all_layers)

        return self._task.build(features, mode, give_back)

    def score(
        self, batches: Iterable[Mapping[str, np.ndarray]], data: ExampleSource
    ) -> dict[str, float]:
        """See `Task.score`."""
        return self._task.score(batches, data)


class _File:
    """The outputs of all examples, in a file that has no name and goes with us."""

    def __init__(self, lengths: np.ndarray, widths: _Outputs):
        """Make room for examples of these lengths."""
        self._ends = np.cumsum(lengths)
        self._lengths = lengths
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, it lives on
        shape = (int(self._ends[-1]), widths.tokens)
        self._tokens = np.memmap(self._file, np.float32, "w+", shape=shape)
        self._pooled = np.zeros((len(lengths), widths.pooled), np.float32)

    def write(self, numbers: np.ndarray, kept: _Outputs) -> None:
        """Keep the outputs of some examples."""
        for number, tokens, pooled in zip(numbers, *kept):
            length, end = self._lengths[number], self._ends[number]
            self._tokens[end - length : end] = tokens[:length]
            self._pooled[number] = pooled

    def read(self, numbers: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs of some examples, float32 [B, length, W] and [B, H]."""
        tokens = np.zeros((len(numbers), length, self._tokens.shape[1]), np.float32)
        for target, number in zip(tokens, numbers):
            size, end = self._lengths[number], self._ends[number]
            target[:size] = self._tokens[end - size : end]
        return tokens, self._pooled[numbers]


class FrozenEncoderSource(ExampleSource):
    """Examples with the outputs of an encoder."""

    def __init__(
        self, data: ExampleSource, outputs: _File, task: FrozenEncoderTask, seed: int
    ):
        """Keep examples, and the file of their outputs."""
        super().__init__(task.features, data.lengths, seed)
        self.num_examples = data.num_examples
        self._data = data
        self._outputs = outputs

    def make_batch(self, numbers: np.ndarray) -> Mapping[str, np.ndarray]:
        """See `ExampleSource.make_batch`."""
        batch = self._data.make_batch(numbers)
        length = batch["input_ids"].shape[1]
        tokens, pooled = self._outputs.read(numbers, length)
        return {**batch, _TOKENS: tokens, _POOLED: pooled}


class FrozenEncoder(NamedTuple):
    """A task and its training data, with the encoder's outputs computed."""

    task: FrozenEncoderTask
    data: FrozenEncoderSource


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
        UserError: the checkpoint lacks the encoder.
    """
    logging.info("Computing the encoder's outputs of the training data, once")
    specs, kept = task.features(TRAIN), []
    with tf.Graph().as_default():
        inputs = {n: v1.placeholder(s.dtype, s.shape, n) for n, s in specs.items()}

        def catch(*arguments: tf.Tensor, training: bool = False, **options: Any):
            del training
            encoded = build_encoder(*arguments, training=False, **options)
            kept.append(_keep(encoded, task.reads_all_layers))
            return encoded

        task.build(inputs, TRAIN, catch)
        if len(kept) != 1:
            raise UserError("encoder_training frozen needs a task that encodes once")
        scope = task.encoder.scope
        variables = {
            v.op.name: v
            for v in restoring.model_variables()
            if v.op.name.startswith(f"{scope}/")
        }
        shapes = {name: v.shape.as_list() for name, v in variables.items()}
        sources = restoring.check_complete(shapes, checkpoint)
        saver = v1.train.Saver({sources[name]: v for name, v in variables.items()})
        widths = _Outputs(*(tensor.shape[-1] for tensor in kept[0]))
        outputs = _File(data.lengths, widths)
        with v1.Session(config=one_device_config(replicas)) as session:
            saver.restore(session, checkpoint)
            order = np.argsort(data.lengths, kind="stable")
            for start in range(0, len(order), _BATCH):
                numbers = order[start : start + _BATCH]
                batch = data.make_batch(numbers)
                feed = {inputs[name]: batch[name] for name in specs}
                outputs.write(numbers, session.run(kept[0], feed))
    frozen = FrozenEncoderTask(task, widths, task.reads_all_layers)
    return FrozenEncoder(frozen, FrozenEncoderSource(data, outputs, frozen, seed))
