"""Recorded outputs of the reference model, for several tests."""

from __future__ import annotations

import contextlib

import numpy as np
import tensorflow as tf

from albert.modeling.encoder import load_encoder_config, make_encoder_builder
from albert.tasks.pretraining.task import PretrainingTask

v1 = tf.compat.v1

INPUTS = (
    "input_ids",
    "input_mask",
    "segment_ids",
    "masked_lm_positions",
    "masked_lm_ids",
    "masked_lm_weights",
    "next_sentence_labels",
)


def plain_session() -> v1.Session:
    """A session that runs graphs as they were built: small ones take longer to rewrite.

    Scripts that tests start as processes have them rewritten, as users do.
    """
    config = v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return v1.Session(config=config)


class Recording:
    """A recorded run: its checkpoint, and its arrays by name."""

    def __init__(self, folder):
        self.checkpoint = str(folder / "model.ckpt")
        self.arrays = dict(np.load(folder / "reference.npz"))

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays below `prefix`, by the rest of their names."""
        return {
            name[len(prefix) :]: value
            for name, value in self.arrays.items()
            if name.startswith(prefix)
        }

    @contextlib.contextmanager
    def session(self, variables=None):
        """A session with the recorded checkpoint loaded into the default graph.

        Args:
            variables: what to load, if not all that is trained.
        """
        with plain_session() as session:
            session.run(v1.global_variables_initializer())
            variables = v1.trainable_variables() if variables is None else variables
            v1.train.Saver(variables).restore(session, self.checkpoint)
            yield session


class Golden(Recording):
    """One recorded layout: config, checkpoint, inputs and outputs."""

    def __init__(self, folder):
        super().__init__(folder)
        self.config = load_encoder_config(str(folder / "albert_config.json"))
        self.build_encoder = make_encoder_builder(self.config)
        self.task = PretrainingTask(self.config, 40, 6)

    def batch(self, index: int) -> dict[str, np.ndarray]:
        return {n: self.arrays[f"batch{index}/input/{n}"] for n in INPUTS}


def load_values(session, pairs) -> None:
    """Give variables values, pairs of both, in one run; `load` takes one for each."""
    feed = {variable.initializer.inputs[1]: value for variable, value in pairs}
    session.run([variable.initializer for variable, _ in pairs], feed)


def placeholders(batch: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    """Placeholders of a batch's types and shapes."""
    return {
        name: v1.placeholder(value.dtype, value.shape, name)
        for name, value in batch.items()
    }


def relative_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference over the largest wanted value."""
    return float(np.max(np.abs(found - wanted)) / max(np.max(np.abs(wanted)), 1e-30))
