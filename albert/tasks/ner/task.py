"""Named entity recognition: a label for every character.

Each window of a sentence gives scores for the characters it answers for; a sentence's
scores are joined and decoded as one, so a long sentence is decoded like a short one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf

from albert.modeling import crf, heads
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.conll import Sentence
from albert.tasks.ner.examples import Examples
from albert.tasks.ner.output import make_report
from albert.tasks.ner.tag_schemes import LabelSet
from albert.training.task import PREDICT, TRAIN, Features, LossTerm, Task, TaskOutput

_POOL_BATCHES = 16  # batches that are cut from one sorted pool of windows


class Labelling(NamedTuple):
    """Tags of each sentence, and the mean loss of a character (NaN without gold)."""

    tags: list[list[str]]
    loss: float


def _ragged(rows: Sequence[Sequence[int]]) -> tf.RaggedTensor:
    values = np.concatenate([np.asarray(row, np.int32) for row in rows])
    return tf.RaggedTensor.from_row_lengths(values, [len(row) for row in rows])


def _sort_by_length(batch: Mapping[str, Any]) -> dict[str, Any]:
    order = tf.argsort(batch["input_ids"].row_lengths())
    return {name: tf.gather(value, order) for name, value in batch.items()}


def _shuffle_by_length(
    dataset: tf.data.Dataset, count: int, batch_size: int, seed: int
) -> tf.data.Dataset:
    """Return shuffled batches without end, each of windows of like length.

    Little is then spent on padding. Batches are cut from a pool that is sorted by
    length, and shuffled; a pool is never larger than the data, so that a batch does not
    fill with copies of one window.
    """
    batches = min(_POOL_BATCHES, max(1, count // batch_size))
    dataset = dataset.shuffle(count, seed=seed).repeat()
    dataset = dataset.batch(batches * batch_size).map(_sort_by_length).unbatch()
    return dataset.batch(batch_size).shuffle(batches, seed=seed)


def read_examples(
    examples: Examples, batch_size: int, shuffle_seed: Optional[int] = None
) -> tf.data.Dataset:
    """Return batches of windows, padded to the longest of the batch.

    Args:
        examples: windows, held in memory.
        batch_size: windows in a batch.
        shuffle_seed: given, windows are shuffled anew in each pass, without end, in
            whole batches of like length; else each comes once, in order.

    Returns:
        A dataset of dicts, all int32: `input_ids` and `input_mask` [B, T], `label_ids`
        [B, C] for at most C characters that a window answers for, `length` [B] (how
        many there are), `offset` [B] (where the first stands in T), `sentence` [B].
    """
    dataset = tf.data.Dataset.from_tensor_slices(
        {
            "input_ids": _ragged(examples.input_ids),
            "label_ids": _ragged(examples.label_ids),
            "offset": np.asarray(examples.offset, np.int32),
            "sentence": np.asarray(examples.sentence, np.int32),
        }
    )
    if shuffle_seed is None:
        dataset = dataset.batch(batch_size)
    else:
        count = len(examples.sentence)
        dataset = _shuffle_by_length(dataset, count, batch_size, shuffle_seed)
    return dataset.map(_pad, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def _pad(batch: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    ids, labels = batch["input_ids"], batch["label_ids"]
    return {
        "input_ids": ids.to_tensor(),
        "input_mask": tf.sequence_mask(ids.row_lengths(), dtype=tf.int32),
        "label_ids": labels.to_tensor(),
        "length": tf.cast(labels.row_lengths(), tf.int32),
        "offset": batch["offset"],
        "sentence": batch["sentence"],
    }


def gather_answered(
    sequence: tf.Tensor, offset: tf.Tensor, max_length: tf.Tensor
) -> tf.Tensor:
    """Take the characters that each window answers for.

    Args:
        sequence: [B, T, H].
        offset: int32, [B]; where the first of them stands.
        max_length: int32 scalar, C.

    Returns:
        [B, C, H]; rows past a window's end repeat its last token.
    """
    places = offset[:, None] + tf.range(max_length)[None]
    places = tf.minimum(places, tf.shape(sequence)[1] - 1)
    return tf.gather(sequence, places, batch_dims=1)


def _softmax_loss(
    emissions: tf.Tensor, labels: tf.Tensor, lengths: tf.Tensor
) -> tf.Tensor:
    """Return the negative log-likelihood of each example, [B]."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=emissions
    )
    mask = tf.sequence_mask(lengths, tf.shape(labels)[1], losses.dtype)
    return tf.reduce_sum(losses * mask, axis=1)


class NerTask(Task):
    """Labels the characters of one file's sentences."""

    def __init__(
        self,
        config: NerConfig,
        label_set: LabelSet,
        sentences: Sequence[Sentence],
        examples: Examples,
        initializer_range: float = 0.02,
        seed: int = 12345,
    ):
        """Keep what to label.

        Args:
            config: the head and its settings.
            label_set: of the training data.
            sentences: what `score` compares with.
            examples: the windows of these sentences.
            initializer_range: of the head's weights.
            seed: of the shuffling in TRAIN.
        """
        self._config = config
        self._label_set = label_set
        self._labels = label_set.labels
        self._legal = label_set.legal_transitions()
        self._sentences = sentences
        self._examples = examples
        self._initializer_range = initializer_range
        self._seed = seed

    def read(self, mode: str, batch_size: int) -> tf.data.Dataset:
        """See `Task.read`; the batches of `read_examples`."""
        seed = self._seed if mode == TRAIN else None
        return read_examples(self._examples, batch_size, seed)

    def build(
        self, features: Features, mode: str, build_encoder: Callable[..., Any]
    ) -> TaskOutput:
        """See `Task.build`; the loss "label_loss" is the mean over characters.

        Predictions: `emissions` float32 [B, C, L], `length` and `sentence` int32 [B];
        with a CRF `transitions` float32 [B, L, L], the same for all; except in PREDICT
        `label_loss` float32 [B], the sum over an example's characters.
        """
        labels, lengths = features["label_ids"], features["length"]
        encoded = build_encoder(
            features["input_ids"],
            features["input_mask"],
            tf.zeros_like(features["input_ids"]),
            training=mode == TRAIN,
        )
        emissions = heads.token_label_logits(
            gather_answered(encoded.sequence, features["offset"], tf.shape(labels)[1]),
            len(self._labels),
            self._initializer_range,
            self._config.dropout_prob,
            training=mode == TRAIN,
        )
        predictions = {
            "emissions": emissions,
            "length": lengths,
            "sentence": features["sentence"],
        }
        if self._config.head == "crf":
            scores = crf.transition_scores(self._legal)
            losses = -crf.log_likelihood(emissions, labels, lengths, scores)
            copies = [tf.shape(lengths)[0], 1, 1]
            predictions["transitions"] = tf.tile(scores[None], copies)
        else:
            losses = _softmax_loss(emissions, labels, lengths)
        if mode == PREDICT:
            return TaskOutput({}, predictions)
        weight = tf.cast(tf.reduce_sum(lengths), tf.float32)
        terms = {"label_loss": LossTerm(tf.reduce_sum(losses), weight)}
        if mode == TRAIN:
            return TaskOutput(terms, {})
        return TaskOutput(terms, {**predictions, "label_loss": losses})

    def label(self, batches: Iterable[Mapping[str, np.ndarray]]) -> Labelling:
        """Return the tags of every sentence from the predictions of all its windows."""
        emissions: dict[int, list[np.ndarray]] = defaultdict(list)
        transitions = None
        loss = characters = 0.0
        for batch in batches:
            lengths = batch["length"]
            for row, sentence in enumerate(batch["sentence"]):
                emissions[sentence].append(batch["emissions"][row, : lengths[row]])
            if "transitions" in batch:
                transitions = batch["transitions"][0]
            loss += float(np.sum(batch.get("label_loss", np.nan), dtype=np.float64))
            characters += float(np.sum(lengths))
        tags = [
            self._decode(np.concatenate(emissions[index]), transitions)
            for index in range(len(self._sentences))
        ]
        return Labelling(tags, loss / characters)

    def _decode(
        self, emissions: np.ndarray, transitions: Optional[np.ndarray]
    ) -> list[str]:
        """Return the tags of one sentence; emissions float32 [characters, L]."""
        if transitions is None:
            path = emissions.argmax(axis=-1)
        else:
            path = crf.viterbi(emissions, transitions, self._legal)
        return [self._labels[index] for index in path]

    def score(self, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """See `Task.score` and `albert.tasks.ner.output.Report.metrics`."""
        labelling = self.label(batches)
        gold = [sentence.tags for sentence in self._sentences]
        return make_report(
            gold, labelling.tags, labelling.loss, self._label_set.scheme
        ).metrics()
