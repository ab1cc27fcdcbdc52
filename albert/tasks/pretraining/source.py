"""Records of `create_pretraining_data.py` as a source of batches."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import tensorflow as tf

from albert.records import features as records
from albert.tasks.pretraining.dynamic_masking import (
    DynamicMasking,
    mask_dataset,
    with_plain_labels,
)
from albert.tasks.record_files import RecordFiles


class RecordSource(RecordFiles):
    """Records with masks, which may be drawn anew."""

    def __init__(
        self, *args: Any, dynamic_masking: Optional[DynamicMasking] = None, **kwargs
    ):
        """Keep what to read.

        Args:
            *args: as those of `RecordFiles`.
            dynamic_masking: how to mask anew what is trained on; what is evaluated on
                keeps its masks and gets the labels that are trained for. None for the
                masks and labels of the records.
            **kwargs: as those of `RecordFiles`.
        """
        super().__init__(*args, **kwargs)
        self._dynamic_masking = dynamic_masking

    def training_spec(self) -> Sequence[records.Feature]:
        """See `RecordFiles.training_spec`."""
        how = self._dynamic_masking
        lengths = self._expected.max_seq_length, self._expected.max_predictions_per_seq
        word_boundaries = how is not None and how.needs_word_boundaries
        return records.feature_spec(*lengths, word_boundaries)

    def finish_training(
        self, dataset: tf.data.Dataset, number: int, batch_size: int
    ) -> tf.data.Dataset:
        """See `RecordFiles.finish_training`; masks depend on a batch's true number."""
        del batch_size
        return mask_dataset(dataset, self._dynamic_masking, number)

    def finish_evaluation(
        self, dataset: tf.data.Dataset, batch_size: int
    ) -> tf.data.Dataset:
        """See `RecordFiles.finish_evaluation`."""
        del batch_size
        return with_plain_labels(dataset, self._dynamic_masking)
