"""Windows of sentences as a source of batches."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import numpy as np
import tensorflow as tf

from albert.tasks.ner.conll import Sentence
from albert.tasks.ner.examples import Examples
from albert.training.task import TRAIN, DataSource

_POOL_BATCHES = 16  # batches that are cut from one sorted pool of windows


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


class NerSource(DataSource):
    """The sentences of one file."""

    def __init__(
        self, sentences: Sequence[Sentence], examples: Examples, seed: int = 12345
    ):
        """Keep what to label.

        Args:
            sentences: what `NerTask.score` compares with.
            examples: the windows of these sentences.
            seed: of the shuffling in TRAIN.
        """
        self.sentences = sentences
        self._examples = examples
        self._seed = seed

    def read(self, mode: str, batch_size: int) -> tf.data.Dataset:
        """See `DataSource.read`; the batches of `read_examples`."""
        seed = self._seed if mode == TRAIN else None
        return read_examples(self._examples, batch_size, seed)
