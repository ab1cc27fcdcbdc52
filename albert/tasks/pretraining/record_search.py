"""Finding the records that a batch was made of."""

from __future__ import annotations

from typing import Iterable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from albert.records import features as records
from albert.records.arrays import read_arrays
from albert.tasks.pretraining.input import OpenFile, read_in_order
from albert.training.task import RecordPlace

_READ_AT_ONCE = 256  # records
# Two examples with the same ones are taken for the same.
_TELLING_FEATURES = ("input_ids", "masked_lm_positions", "masked_lm_ids")


def _example_keys(batch: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    columns = [np.asarray(batch[name]) for name in _TELLING_FEATURES]
    columns = [values.reshape(-1, values.shape[-1]) for values in columns]
    for row in zip(*columns):
        yield b"".join(values.tobytes() for values in row)


def find_examples(
    batches: Iterable[Mapping[str, np.ndarray]],
    input_files: Sequence[str],
    spec: Sequence[records.Feature],
    open_file: OpenFile = tf.data.TFRecordDataset,
) -> list[RecordPlace]:
    """Return where the examples of some batches come from, in the order of files.

    Reads files until all are found. Of equal records the first counts.

    Args:
        batches: name -> [..., length], as wide as in the files.
        input_files, spec, open_file: see `pretraining_input.read_in_order`.
    """
    wanted = {key for batch in batches for key in _example_keys(batch)}
    found = []
    for file in input_files:
        number = 0
        for batch in read_arrays(
            lambda file=file: read_in_order([file], spec, _READ_AT_ONCE, open_file)
        ):
            for key in _example_keys(batch):
                number += 1
                if key in wanted:
                    wanted.remove(key)
                    found.append(RecordPlace(file, number))
            if not wanted:
                return found
    return found
