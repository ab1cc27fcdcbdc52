"""Models of random variables, in folders as training leaves them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from albert.checkpoints import guard, restoring, storage
from albert.modeling.encoder import load_encoder_config, make_encoder_builder
from albert.tasks.model_folder import save_labels
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme
from albert.tasks.ner.task import NerTask
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, identify, load_vocabulary
from albert.training.task import PREDICT

v1 = tf.compat.v1

CHARACTERS = "用支持向量机做图像分类的方法，。！ab1"
ENCODER = {
    "vocab_size": len(SPECIAL_TOKENS) + len(CHARACTERS),
    "hidden_size": 16,
    "embedding_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 64,
    "initializer_range": 0.6,  # so that labels differ
}


def write_model(
    folder, head="crf", scheme="BIO", latin_columns="characters", seed=5, **settings
):
    """Write a folder of a model for entities; return it."""
    labels = LabelSet(find_scheme(scheme), ("A", "B"), latin_columns)
    settings = NerConfig(head=head, max_seq_length=24, do_lower_case=False, **settings)
    return write_random(folder, NerTask, settings, labels, seed)


def write_random(folder, task_class, settings, labels, seed=5):
    """Write a folder of a model of any task, of random variables; return it."""
    folder.mkdir(parents=True)
    (folder / "given.json").write_text(json.dumps(ENCODER))
    vocab_file = folder / "given.txt"
    vocab_file.write_text("\n".join([*SPECIAL_TOKENS, *CHARACTERS]) + "\n", "utf-8")
    encoder = load_encoder_config(str(folder / "given.json"))
    vocabulary = load_vocabulary(str(vocab_file))
    task = task_class(settings, labels, Tokenizer(vocabulary, False), encoder)
    guard.prepare(str(folder), encoder, identify(vocabulary), str(vocab_file))
    save_labels(str(folder), task)
    with tf.Graph().as_default(), v1.Session() as session:
        features = {
            name: v1.placeholder(spec.dtype, spec.shape)
            for name, spec in task.features(PREDICT).items()
        }
        task.build(features, PREDICT, make_encoder_builder(encoder))
        shapes = {v.op.name: v.shape.as_list() for v in restoring.model_variables()}
        session.close()
    random = np.random.default_rng(seed)
    values = {
        name: random.normal(size=shape).astype(np.float32) * np.float32(0.6)
        for name, shape in sorted(shapes.items())
    }
    values[storage.GLOBAL_STEP] = np.int64(7)
    storage.write_variables(str(folder / "model.ckpt-7"), values)
    storage.write_state(str(folder), "model.ckpt-7")
    return folder


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory):
    """A CRF over BIO labels."""
    return str(write_model(tmp_path_factory.mktemp("models") / "ner"))
