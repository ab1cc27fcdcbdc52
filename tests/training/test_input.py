"""What a resumed run asks of its data."""

from __future__ import annotations

import pytest
import tensorflow as tf

from albert.records.arrays import read_arrays
from albert.training import input as training_input
from albert.training.config import TrainingConfig
from albert.training.task import DataSource


class Numbers(DataSource):
    """Batches 0, 1, 2, ...; notes from where they are read."""

    def read(self, mode, batch_size):
        return tf.data.Dataset.range(100)

    def read_from(self, *asked):
        self.asked = asked
        return super().read_from(*asked)


@pytest.mark.parametrize(
    # Less than 3 steps of 16 examples are passed over: 2 replicas of 2 parts with 4.
    ("start", "asked"),
    [(0, (4, 0, 0, 4)), (1, (4, 4, 4, 4)), (5, (4, 8, 20, 4))],
)
def test_batches_keep_their_number_where_the_input_begins_again(
    monkeypatch, start, asked
):
    monkeypatch.setattr(training_input, "_MOST_PASSED_OVER", 63)
    data = Numbers()
    config = TrainingConfig("m", train_batch_size=16, gradient_accumulation_steps=2)
    source = training_input.TrainingInput(data, config, 4, 2, start)
    first = next(read_arrays(lambda: source.read()))
    assert data.asked == asked
    assert first.tolist() == [asked[1], asked[1] + 1]
