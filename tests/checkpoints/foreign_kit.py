"""Random models of each architecture, and what they and others say of a text."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from albert.base import files
from albert.checkpoints import storage
from albert.modeling import heads
from albert.modeling.config import AlbertConfig
from albert.modeling.encoder import make_encoder_builder
from albert.modeling.published_config import BertConfig, GoogleAlbertConfig
from albert.text.vocabulary import SPECIAL_TOKENS
from tests.golden import load_values, plain_session

v1 = tf.compat.v1

TOKENS = (*SPECIAL_TOKENS, *"用图像向量机做分类,abc1", "##b", "##c", "##1")
SIZES = {
    "vocab_size": len(TOKENS),
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 16,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
CONFIGS = {
    "albert_zh": AlbertConfig(**SIZES, embedding_size=8),
    "albert_zh_unshared": AlbertConfig(
        **SIZES, embedding_size=8, layer_sharing="attention"
    ),
    "bert": BertConfig(**SIZES),
    "bert_exact_gelu": BertConfig(**SIZES, hidden_act="gelu_erf"),
    "albert": GoogleAlbertConfig(**SIZES, embedding_size=8),
    "albert_groups": GoogleAlbertConfig(**SIZES, embedding_size=8, num_hidden_groups=3),
}
LABELS = ("O", "B-A", "I-A", "B-B", "I-B")
IDS = np.int32([[2, 5, 6, 7, 8, 9, 3, 0], [2, 10, 3, 11, 12, 13, 14, 3]])
MASK = np.int32(IDS > 0)
SEGMENTS = np.int32([[0] * 8, [0] * 3 + [1] * 5])


def build(config, labels=0):
    """Return the outputs of a model in the default graph, by name."""
    ids, mask, segments = (tf.constant(x) for x in (IDS, MASK, SEGMENTS))
    encoded = make_encoder_builder(config)(ids, mask, segments)
    outputs = {"sequence": encoded.sequence}
    if labels:
        outputs["labels"] = heads.token_label_logits(
            encoded.sequence, labels, 0.02, 0.0, training=False
        )
        return outputs
    hidden = tf.reshape(encoded.sequence, [-1, config.hidden_size])
    logits = heads.masked_lm_logits(hidden, encoded.token_decoder, config)
    outputs["masked_lm"] = tf.reshape(logits, [*IDS.shape, -1])
    outputs["pooled"] = encoded.pooled
    outputs["order"] = heads.sentence_order_logits(encoded.pooled, 0.02)
    return outputs


def random_variables(config, labels=0, seed=1):
    """Return name -> value of a model, drawn so that every layer matters."""
    rng = np.random.default_rng(seed)
    with tf.Graph().as_default():
        build(config, labels)
        shapes = {v.op.name: v.shape.as_list() for v in v1.trainable_variables()}
    values = {
        name: rng.normal(0, 0.2, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    for name in values:
        if name.endswith("gamma"):
            values[name] += 1
    return values


def run(config, variables, labels=0):
    """Return the outputs of a model with these variables, by name."""
    with tf.Graph().as_default(), plain_session() as session:
        outputs = build(config, labels)
        trained = v1.trainable_variables()
        load_values(session, [(v, variables[v.op.name]) for v in trained])
        return session.run(outputs)


def write_model(folder, config, variables, labels=None):
    """Write a folder as an export is, with `labels.json` where labels are given."""
    folder.mkdir()
    storage.write_variables(str(folder / "albert_model.ckpt"), variables)
    storage.write_state(str(folder), "albert_model.ckpt")
    files.write_json(str(folder / "albert_config.json"), config.to_dict())
    (folder / "vocab.txt").write_text(
        "".join(f"{token}\n" for token in TOKENS), encoding="utf-8"
    )
    if labels:
        value = {"labels": list(labels), "config": {"do_lower_case": True}}
        files.write_json(str(folder / "labels.json"), value)
    return folder


def run_theirs(model):
    """Return the outputs of a model of Hugging Face's, by the names of ours."""
    import torch

    model.eval()
    with torch.no_grad():
        found = model(
            input_ids=torch.tensor(IDS, dtype=torch.long),
            attention_mask=torch.tensor(MASK, dtype=torch.long),
            token_type_ids=torch.tensor(SEGMENTS, dtype=torch.long),
            output_hidden_states=True,
        )
    outputs = {"sequence": found.hidden_states[-1].numpy()}
    if hasattr(found, "prediction_logits"):
        outputs["masked_lm"] = found.prediction_logits.numpy()
        order = getattr(found, "sop_logits", None)
        order = found.seq_relationship_logits if order is None else order
        outputs["order"] = order.numpy()
    elif hasattr(found, "logits"):
        outputs["labels"] = found.logits.numpy()
    return outputs


def largest_difference(ours, theirs):
    """Return name -> largest difference at tokens, over the largest value there."""
    return {
        name: float(np.abs(ours[name] - value).max() / np.abs(value).max())
        for name, value in theirs.items()
    }
