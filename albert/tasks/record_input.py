"""Reading records for pretraining, in batches of like length.

Records are as long as the longest may be, and often half of one is padding. Examples of
like length are therefore put into a batch together, which is then trimmed to what it
needs. Padding has no part in attention, so losses stay what they were.
"""

from __future__ import annotations

import types
from typing import Callable, Mapping, Optional, Sequence

import tensorflow as tf

from albert.records import features as records

OpenFile = Callable[[tf.Tensor], tf.data.Dataset]

_FILES_READ_AT_ONCE = 8
_MEASURED_AT_ONCE = 256  # records whose length is read together
_WIDTHS = 16  # different lengths of trimmed batches, at most
_TOKEN_FEATURES = ("input_ids", "input_mask", "segment_ids")
_MASK_FEATURES = ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights")


def bucket_step(max_length: int, multiple: int = 1) -> int:
    """Return by how many positions the widths of buckets differ.

    Args:
        max_length: the width of the last bucket, of 16 at most.
        multiple: what the step must be a multiple of.
    """
    return -(-max_length // (_WIDTHS * multiple)) * multiple


def used_length(values: tf.Tensor) -> tf.Tensor:
    """Return where the last value that is not 0 ends; values [B, T], result int32 [B].

    Example: [[1, 1, 0, 0], [0, 0, 0, 0]] gives [2, 0].
    """
    ends = tf.range(1, tf.shape(values)[1] + 1)
    return tf.reduce_max(
        tf.cast(tf.not_equal(values, tf.zeros_like(values)), tf.int32) * ends, axis=1
    )


def _round_up(length: tf.Tensor, step: int, most: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.maximum(-(-length // step), 1) * step, most)


def trim(features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Cut padding off that no example of the batch needs.

    Args:
        features: a batch of records of known width, see `records.feature_spec`.

    Returns:
        The same with fewer columns: tokens up to the longest example, masked positions,
        where there are any, up to the most of one, both rounded up to the width of a
        bucket.
    """
    mask = features["input_mask"]
    longest = tf.reduce_max(used_length(mask))
    widths = {}
    if "masked_lm_weights" in features:
        last = tf.reduce_max(features["masked_lm_positions"])
        longest = tf.maximum(longest, last + 1)
        weights = features["masked_lm_weights"]
        most = tf.reduce_max(used_length(weights))
        masks = _round_up(most, bucket_step(weights.shape[1]), tf.shape(weights)[1])
        widths.update(dict.fromkeys(_MASK_FEATURES, masks))
    tokens = _round_up(longest, bucket_step(mask.shape[1], 8), tf.shape(mask)[1])
    widths.update(dict.fromkeys(_TOKEN_FEATURES, tokens))
    return {
        name: value[:, : widths[name]] if name in widths else value
        for name, value in features.items()
    }


def _measure(serialized: tf.Tensor, spec: Sequence[records.Feature]) -> tf.Tensor:
    """Return the bucket of each serialised record."""
    mask = next(feature for feature in spec if feature.name == "input_mask")
    used = used_length(records.parse(serialized, [mask])["input_mask"])
    return tf.cast((used - 1) // bucket_step(mask.length, 8), tf.int64)


def _make_whole(dataset: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Join partial batches to whole ones; whole ones pass.

    What is left of an epoch waits for the next one's rest, so nothing is lost.
    """

    def join(rest: tf.Tensor, batch: tf.Tensor):
        pool = tf.concat([rest, batch], axis=0)
        taken = tf.where(tf.size(pool) >= batch_size, batch_size, 0)
        return pool[taken:], pool[:taken]

    def step(rest: tf.Tensor, batch: tf.Tensor):
        whole = tf.equal(tf.size(batch), batch_size)
        return tf.cond(whole, lambda: (rest, batch), lambda: join(rest, batch))

    dataset = dataset.scan(tf.constant([], tf.string), step)
    dataset = dataset.filter(lambda batch: tf.size(batch) > 0)
    return dataset.map(lambda batch: tf.ensure_shape(batch, [batch_size]))


def _group_by_length(
    dataset: tf.data.Dataset, spec: Sequence[records.Feature], batch_size: int
) -> tf.data.Dataset:
    """Return batches of records of like length, partial ones at the end.

    Args:
        dataset: of serialised records, one epoch.
    """
    dataset = dataset.batch(_MEASURED_AT_ONCE).map(
        lambda serialized: (serialized, _measure(serialized, spec)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return dataset.unbatch().group_by_window(
        key_func=lambda _, bucket: bucket,
        reduce_func=lambda _, window: window.map(lambda record, _: record).batch(
            batch_size
        ),
        window_size=batch_size,
    )


def read_shuffled(
    input_files: Sequence[str],
    spec: Sequence[records.Feature],
    batch_size: int,
    shuffle_buffer: int,
    seed: Optional[int] = None,
    length_buckets: bool = False,
    open_file: OpenFile = tf.data.TFRecordDataset,
    passed_over: int = 0,
    highest: Mapping[str, int] = types.MappingProxyType({}),
) -> tf.data.Dataset:
    """Return batches for training, repeated endlessly; every batch is whole.

    Each record is read once an epoch. Those left over at its end, fewer than a batch,
    belong to a batch of the next.

    Args:
        input_files: TFRecord files; they are shuffled too.
        spec: see `records.feature_spec`.
        batch_size: records in a batch.
        shuffle_buffer: records to shuffle among, before they are put into buckets.
        seed: of the shuffling; with it, each run reads the same batches.
        length_buckets: whether the records of a batch are of like length. They are as
            wide as in the files, see `trim`.
        open_file: a file's name -> the dataset of its serialised records.
        passed_over: batches to leave out at the beginning, before they are parsed.
        highest: feature -> its highest value, where that is checked; 0 is the lowest. A
            batch with another one raises InvalidArgumentError.

    Returns:
        A dataset of dicts: name -> int32 or float32 [batch, length].
    """
    dataset = tf.data.Dataset.from_tensor_slices(list(input_files))
    dataset = dataset.shuffle(len(input_files), seed=seed)
    dataset = dataset.interleave(
        open_file,
        cycle_length=min(len(input_files), _FILES_READ_AT_ONCE),
    )
    dataset = dataset.shuffle(shuffle_buffer, seed=seed)
    if length_buckets:
        dataset = _group_by_length(dataset, spec, batch_size).repeat()
        dataset = _make_whole(dataset, batch_size)
    else:
        dataset = dataset.repeat().batch(batch_size, drop_remainder=True)
    return _parse(dataset.skip(passed_over), spec, highest)


def read_in_order(
    input_files: Sequence[str],
    spec: Sequence[records.Feature],
    batch_size: int,
    open_file: OpenFile = tf.data.TFRecordDataset,
    highest: Mapping[str, int] = types.MappingProxyType({}),
) -> tf.data.Dataset:
    """Return batches of each record once, in order, the last possibly smaller.

    Arguments and result as `read_shuffled`.
    """
    dataset = tf.data.Dataset.from_tensor_slices(list(input_files))
    dataset = dataset.flat_map(open_file)
    return _parse(dataset.batch(batch_size), spec, highest)


def _parse(
    dataset: tf.data.Dataset,
    spec: Sequence[records.Feature],
    highest: Mapping[str, int],
) -> tf.data.Dataset:
    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        features = records.parse(serialized, spec)
        for name in sorted(set(highest) & set(features)):
            values = features[name]
            # A look-up on a GPU gives zeros for a row that the table lacks, in silence.
            inside = (tf.reduce_min(values) >= 0) & (
                tf.reduce_max(values) <= highest[name]
            )
            tf.debugging.Assert(inside, [f"{name} are not in 0 to {highest[name]}"])
        return features

    dataset = dataset.map(
        parse,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return dataset.prefetch(tf.data.AUTOTUNE)
