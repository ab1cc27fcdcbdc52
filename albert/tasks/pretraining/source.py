"""Records of `create_pretraining_data.py` as a source of batches."""

from __future__ import annotations

import types
from typing import Callable, Optional, Sequence

import tensorflow as tf

from albert.records import compression, damage, inspection
from albert.records import features as records
from albert.records.expected import ExpectedRecords
from albert.tasks.pretraining.dynamic_masking import (
    DynamicMasking,
    mask_dataset,
    with_plain_labels,
)
from albert.tasks.pretraining.input import OpenFile, read_in_order, read_shuffled
from albert.training.task import TRAIN, DataSource


class RecordSource(DataSource):
    """Files of records, to train on or to evaluate on."""

    def __init__(
        self,
        files: Sequence[str],
        expected: ExpectedRecords,
        shuffle_buffer: int = 10_000,
        seed: int = 12345,
        readable: damage.Readable = types.MappingProxyType({}),
        length_buckets: bool = True,
        record_shard: tuple[int, int] = (0, 1),
        dynamic_masking: Optional[DynamicMasking] = None,
    ):
        """Keep what to read; the files were checked (see `albert.records.inspection`).

        Args:
            files: TFRecord files.
            expected: of the records; both lengths are known.
            shuffle_buffer: training records to shuffle among.
            seed: of the shuffling.
            readable: damaged files, and what to read of them; others are read whole.
            length_buckets: whether training batches hold examples of like length.
            record_shard: (index, num_shards): the records i of each file with
                i % num_shards = index are trained on; see `input_shard`.
            dynamic_masking: how to mask anew what is trained on; what is evaluated on
                keeps its masks and gets the labels that are trained for. None for the
                masks and labels of the records.
        """
        self._files = tuple(files)
        self._expected = expected
        self._dynamic_masking = dynamic_masking
        self._shuffle_buffer = shuffle_buffer
        self._seed = seed
        self._readable = readable
        self._length_buckets = length_buckets
        self._record_shard = record_shard

    def read(self, mode: str, batch_size: int) -> tf.data.Dataset:
        """See `DataSource.read`."""
        if mode == TRAIN:
            return self.read_from(batch_size, 0, 0)
        spec = self._make_spec(word_boundaries=False)
        dataset = read_in_order(self._files, spec, batch_size, self._make_opener())
        return with_plain_labels(dataset, self._dynamic_masking)

    def read_from(
        self, batch_size: int, passed_over: int, number: int
    ) -> tf.data.Dataset:
        """See `DataSource.read_from`; masks depend on a batch's true number."""
        how = self._dynamic_masking
        dataset = read_shuffled(
            self._files,
            self._make_spec(how is not None and how.needs_word_boundaries),
            batch_size,
            self._shuffle_buffer,
            self._seed,
            self._length_buckets,
            self._open_shard(self._make_opener()),
            passed_over,
        )
        return mask_dataset(dataset, how, number)

    def _make_spec(self, word_boundaries: bool) -> Sequence[records.Feature]:
        lengths = self._expected.max_seq_length, self._expected.max_predictions_per_seq
        return records.feature_spec(*lengths, word_boundaries)

    def _make_opener(self) -> OpenFile:
        gzip_files = compression.find_compressed(self._files)
        return damage.record_opener(self._readable, gzip_files)

    def _open_shard(self, open_file: OpenFile) -> OpenFile:
        """Return what opens a file and keeps this machine's records of it."""
        index, num_shards = self._record_shard
        if num_shards == 1:
            return open_file
        return lambda path: open_file(path).shard(num_shards, index)

    def find_bad_input(self, give_up: Callable[[], bool]) -> Optional[str]:
        """See `DataSource.find_bad_input`."""
        return inspection.find_bad_record(
            self._files, self._expected, give_up, self._readable
        )
