"""What `run_pretraining.py` is asked to do."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.checks import check_range
from albert.base.errors import UserError

# Batches evaluated when the training files stand in for held-out ones.
STAND_IN_EVAL_STEPS = 100


@dataclasses.dataclass(frozen=True)
class PretrainingFiles:
    """The files of a run; names, not globs.

    Attributes:
        config_file: of the model.
        train_files: records to train on.
        eval_files: held-out records; empty where the training files stand in.
        vocab_file: the records' vocabulary, or None.
        eval_checkpoint: what to evaluate, a checkpoint or a folder, of which the newest
            is meant; None for the model directory.
    """

    config_file: str
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...] = ()
    vocab_file: Optional[str] = None
    eval_checkpoint: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class PretrainingConfig:
    """The run as the flags give it.

    Attributes:
        do_train, do_eval: what to do; at least one.
        max_seq_length: tokens of a record; None for what the records hold.
        max_predictions_per_seq: masked positions of a record; None likewise.
        eval_batch_size: records in an evaluation batch.
        max_eval_steps: evaluation batches at most; None for all of the held-out
            records.
        shuffle_buffer: training records to shuffle among.
        length_buckets: whether training batches hold examples of like length.
        skip_corrupt_records: whether to do without records that are damaged.
        use_tpu: must be False.
    """

    do_train: bool
    do_eval: bool
    max_seq_length: Optional[int] = None
    max_predictions_per_seq: Optional[int] = None
    eval_batch_size: int = 8
    max_eval_steps: Optional[int] = None
    shuffle_buffer: int = 10_000
    length_buckets: bool = True
    skip_corrupt_records: bool = False
    use_tpu: bool = False

    def __post_init__(self) -> None:
        if not (self.do_train or self.do_eval):
            raise UserError(
                "nothing to do: give --do_train=True, --do_eval=True or both"
            )
        if self.use_tpu:
            raise UserError("use_tpu must be false: TPUs are not supported")
        for name in ("max_seq_length", "max_predictions_per_seq", "max_eval_steps"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), low=1)
        check_range("eval_batch_size", self.eval_batch_size, low=1)
        check_range("shuffle_buffer", self.shuffle_buffer, low=1)
