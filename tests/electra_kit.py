"""Recorded cases of the reference ELECTRA, for several tests."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import tensorflow as tf

from albert.modeling.encoder import parse_encoder_config

v1 = tf.compat.v1

OWN = "base"  # the case that lies in the repository; the others in ../shared
CASES = ("base", "small", "tied_generator", "masked_lm_only")


class Recorded:
    """One case: its configurations, checkpoint, inputs and outputs."""

    def __init__(self, folder):
        self.values = json.loads((folder / "config.json").read_text())
        self.checkpoint = str(folder / "model.ckpt")
        self.arrays = dict(np.load(folder / "reference.npz"))
        self.hparams = self.values["hparams"]

    def encoder_config(self, network: str):
        """The config of "discriminator" or "generator", with the width of the table."""
        words = "electra/embeddings/word_embeddings"
        width = self.values["variables"][words][1]
        values = {"architecture": "electra", "embedding_size": width}
        return parse_encoder_config({**self.values[network], **values}, network)

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays below `prefix`, by the rest of their names."""
        return {
            name[len(prefix) :]: value
            for name, value in self.arrays.items()
            if name.startswith(prefix)
        }

    @contextlib.contextmanager
    def session(self, variables=None):
        """A session with the recorded checkpoint loaded into the default graph."""
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            variables = v1.trainable_variables() if variables is None else variables
            v1.train.Saver(variables).restore(session, self.checkpoint)
            yield session


def find_case(name: str, request) -> Recorded:
    """A case of pretraining; skips where third-party data are needed and missing."""
    if name == OWN:
        return Recorded(
            request.getfixturevalue("testdata") / "electra/pretraining/base"
        )
    shared = request.getfixturevalue("shared")
    return Recorded(shared / "reference/electra/modeling/pretraining" / name)
