"""Files of records as a source of batches."""

from __future__ import annotations

import types
from typing import Callable, Optional, Sequence

import tensorflow as tf

from albert.records import compression, damage, inspection
from albert.records import features as records
from albert.records.expected import ExpectedRecords
from albert.tasks.record_input import OpenFile, read_in_order, read_shuffled
from albert.training.task import TRAIN, DataSource


class RecordFiles(DataSource):
    """Files of records, to train on or to evaluate on.

    What a kind of pretraining does with its batches is said by its subclass.
    """

    def __init__(
        self,
        files: Sequence[str],
        expected: ExpectedRecords,
        shuffle_buffer: int = 10_000,
        seed: int = 12345,
        readable: damage.Readable = types.MappingProxyType({}),
        length_buckets: bool = True,
        record_shard: tuple[int, int] = (0, 1),
    ):
        """Keep what to read; the files were checked (see `albert.records.inspection`).

        Args:
            files: TFRecord files.
            expected: of the records; all lengths are known.
            shuffle_buffer: training records to shuffle among.
            seed: of the shuffling.
            readable: damaged files, and what to read of them; others are read whole.
            length_buckets: whether training batches hold examples of like length.
            record_shard: (index, num_shards): the records i of each file with
                i % num_shards = index are trained on; see `input_shard`.
        """
        self._files = tuple(files)
        self._expected = expected
        self._shuffle_buffer = shuffle_buffer
        self._seed = seed
        self._readable = readable
        self._length_buckets = length_buckets
        self._record_shard = record_shard

    def training_spec(self) -> Sequence[records.Feature]:
        """Return the features to read in training."""
        return self._expected.spec

    def finish_training(
        self, dataset: tf.data.Dataset, number: int, batch_size: int
    ) -> tf.data.Dataset:
        """Return batches to train on, made of those that were read.

        Args:
            number: of the first batch, see `DataSource.read_from`.
        """
        del number, batch_size
        return dataset

    def finish_evaluation(
        self, dataset: tf.data.Dataset, batch_size: int
    ) -> tf.data.Dataset:
        """Return batches to evaluate on, made of those that were read."""
        del batch_size
        return dataset

    def read(self, mode: str, batch_size: int) -> tf.data.Dataset:
        """See `DataSource.read`."""
        if mode == TRAIN:
            return self.read_from(batch_size, 0, 0, 1)
        dataset = read_in_order(
            self._files,
            self._expected.spec,
            batch_size,
            self._make_opener(),
            self._expected.highest,
        )
        return self.finish_evaluation(dataset, batch_size)

    def read_from(
        self, batch_size: int, passed_over: int, number: int, step_batches: int
    ) -> tf.data.Dataset:
        """See `DataSource.read_from`."""
        del step_batches
        dataset = read_shuffled(
            self._files,
            self.training_spec(),
            batch_size,
            self._shuffle_buffer,
            self._seed,
            self._length_buckets,
            self._open_shard(self._make_opener()),
            passed_over,
            self._expected.highest,
        )
        return self.finish_training(dataset, number, batch_size)

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
