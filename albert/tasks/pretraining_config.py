"""What every pretraining run is asked to do, and with which files."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.errors import UserError
from albert.base.settings import (
    ANY_PATH,
    INPUT_FILE,
    INPUT_FILES,
    REQUIRED,
    Settings,
    at_least,
    setting,
)

# Batches evaluated when the training files stand in for held-out ones.
STAND_IN_EVAL_STEPS = 100


@dataclasses.dataclass(frozen=True)
class RunFiles(Settings):
    """The files of a run; names, not globs."""

    config_file: str = setting(
        REQUIRED,
        "The model's config, a JSON file.",
        path=INPUT_FILE,
        flag="bert_config_file",
    )
    train_files: tuple[str, ...] = setting(
        REQUIRED,
        "TFRecord files to train on: names and globs, separated by commas. Further "
        "file names on the command line, as from a glob that the shell expands, are "
        "such files too.",
        path=INPUT_FILES,
        flag="input_file",
    )
    eval_files: tuple[str, ...] = setting(
        (),
        "Held-out TFRecord files. Default: the training files stand in, for --do_eval.",
        path=INPUT_FILES,
        flag="eval_input_file",
    )
    vocab_file: Optional[str] = setting(
        None,
        "The vocabulary of the records, to be compared with theirs and kept with the "
        "model.",
        path=INPUT_FILE,
    )
    eval_checkpoint: Optional[str] = setting(
        None,
        "What --do_eval evaluates: a checkpoint, or a folder, of which the newest is "
        "meant. Default: --output_dir.",
        path=ANY_PATH,
    )


@dataclasses.dataclass(frozen=True)
class RunConfig(Settings):
    """What to do with the files, and how to read them."""

    do_train: bool = setting(False, "Train.")
    do_eval: bool = setting(False, "Evaluate --eval_checkpoint, after any training.")
    max_seq_length: Optional[int] = setting(
        None,
        "Tokens of a record. Default: what the records hold; another value is refused.",
        check=at_least(1),
    )
    max_predictions_per_seq: Optional[int] = setting(
        None,
        "Masked positions of a record. Default: what the records hold; another value "
        "is refused.",
        check=at_least(1),
    )
    eval_batch_size: int = setting(
        8, "Examples of an evaluation batch.", check=at_least(1)
    )
    max_eval_steps: Optional[int] = setting(
        None,
        "Evaluation batches at most. Default: all of --eval_input_file; "
        f"{STAND_IN_EVAL_STEPS} where the training files stand in for it.",
        check=at_least(1),
    )
    shuffle_buffer: int = setting(
        10_000,
        "Training records held in memory, of which the next is drawn at random.",
        check=at_least(1),
    )
    length_buckets: bool = setting(
        True,
        "Make training batches of examples of like length, cut to the longest, so that "
        "less padding is computed. Losses are the same.",
    )
    skip_corrupt_records: bool = setting(
        False,
        "Leave damaged records out, counting them; all files are read through first. "
        "Otherwise a damaged record ends the run.",
    )

    def validate(self) -> None:
        """Check that there is something to do."""
        if not (self.do_train or self.do_eval):
            raise UserError(
                "nothing to do: give --do_train=True, --do_eval=True or both"
            )
