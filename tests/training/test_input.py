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

    def read_from(self, batch_size, passed_over, number):
        self.asked = (batch_size, passed_over, number)
        return super().read_from(batch_size, passed_over, number)


@pytest.mark.parametrize(
    # 7 batches of 4 examples are passed over at most; 2 replicas of 2 parts.
    ("start", "asked"),
    [(0, (4, 0, 0)), (1, (4, 4, 4)), (5, (4, 6, 20))],
)
def test_batches_keep_their_number_where_the_input_begins_again(
    monkeypatch, start, asked
):
    monkeypatch.setattr(training_input, "_MOST_PASSED_OVER", 28)
    data = Numbers()
    config = TrainingConfig("m", train_batch_size=16, gradient_accumulation_steps=2)
    source = training_input.TrainingInput(data, config, 4, 2, start)
    first = next(read_arrays(lambda: source.read()))
    assert data.asked == asked
    assert first.tolist() == [asked[1], asked[1] + 1]
