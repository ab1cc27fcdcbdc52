"""Small models of every row of the tables, encoder and head, and data for them."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from albert.modeling.encoder import ARCHITECTURES
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.tag_schemes import LabelSet, find_scheme
from albert.tasks.ner.task import NerTask
from albert.tasks.pretraining.task import PretrainingTask
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from albert.training.task import TRAIN, DataSource

TOKENS = [*SPECIAL_TOKENS, *"用支持向量机识别图像中的文字模型数据"]
LENGTH, MASKED, LABELLED, EXAMPLES = 8, 2, 6, 12
SMALL = {
    "vocab_size": len(TOKENS),
    "hidden_size": 12,
    "embedding_size": 6,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_attention_layers": 1,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
}


def small_config(architecture: str):
    """A config of a few hundred weights."""
    config_class = ARCHITECTURES[architecture].config_class
    fields = {field.name for field in dataclasses.fields(config_class)}
    return config_class(**{k: v for k, v in SMALL.items() if k in fields})


def _label_task(head: str):
    def make(config):
        labels = LabelSet(find_scheme("BIO"), ("A", "B"))
        settings = NerConfig(head=head, dropout_prob=0.0)
        return NerTask(settings, labels, Tokenizer(Vocabulary(TOKENS)), config)

    return make


HEADS = {
    # Untrimmed: a bucket's longest example depends on the batch.
    "pretraining": lambda config: PretrainingTask(config, LENGTH, MASKED, False),
    "labels_crf": _label_task("crf"),
    "labels_softmax": _label_task("softmax"),
}


class FixedExamples(DataSource):
    """The same examples in the same order: in TRAIN over and over, else once."""

    def __init__(self, head: str):
        rng = np.random.default_rng(11)
        tokens = rng.integers(4, LENGTH + 1, EXAMPLES)
        tokens[::3] = LENGTH  # a replica's share of a batch holds a full one
        mask = (np.arange(LENGTH) < tokens[:, None]).astype(np.int32)
        ids = rng.integers(5, len(TOKENS), (EXAMPLES, LENGTH)).astype(np.int32) * mask
        if head == "pretraining":
            masked = 1 + rng.integers(0, 2, EXAMPLES)  # one or two an example
            self.examples = {
                "input_ids": ids,
                "input_mask": mask,
                "segment_ids": mask * (np.arange(LENGTH) > 2).astype(np.int32),
                "masked_lm_positions": np.tile(np.int32([1, 2]), (EXAMPLES, 1)),
                "masked_lm_ids": ids[:, 1:3],
                "masked_lm_weights": np.float32(np.arange(2) < masked[:, None]),
                "next_sentence_labels": rng.integers(0, 2, (EXAMPLES, 1), np.int32),
            }
        else:
            labels = rng.integers(0, 5, (EXAMPLES, LABELLED)).astype(np.int32)
            self.examples = {
                "input_ids": ids,
                "input_mask": mask,
                "length": (tokens - 2).astype(np.int32),
                "offset": np.ones(EXAMPLES, np.int32),
                "sentence": np.arange(EXAMPLES, dtype=np.int32),
                "label_ids": labels,
            }

    def read(self, mode, batch_size):
        dataset = tf.data.Dataset.from_tensor_slices(self.examples)
        if mode == TRAIN:
            return dataset.repeat().batch(batch_size, drop_remainder=True).map(dict)
        return dataset.batch(batch_size)
