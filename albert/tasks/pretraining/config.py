"""What `run_pretraining.py` is asked to do."""

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
    in_range,
    setting,
)
from albert.tasks.pretraining.objectives import (
    DEFAULT_OBJECTIVES,
    parse_objectives,
    parse_schedule,
)

# Batches evaluated when the training files stand in for held-out ones.
STAND_IN_EVAL_STEPS = 100


@dataclasses.dataclass(frozen=True)
class PretrainingFiles(Settings):
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
    init_vectors: Optional[str] = setting(
        None,
        "Vectors for the word embeddings to start from, in the text format of word2vec "
        "(see tools/train_vectors.py); their width is embedding_size or hidden_size.",
        path=INPUT_FILE,
    )
    eval_checkpoint: Optional[str] = setting(
        None,
        "What --do_eval evaluates: a checkpoint, or a folder, of which the newest is "
        "meant. Default: --output_dir.",
        path=ANY_PATH,
    )


@dataclasses.dataclass(frozen=True)
class PretrainingConfig(Settings):
    """What to do with the files, as the flags say."""

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
    objectives: str = setting(
        DEFAULT_OBJECTIVES,
        "What to learn, and the weight of each loss: masked_lm, and sentence_order or "
        "(where the records hold it) next_sentence. 1..0 is a weight that falls "
        "linearly over the run; what is not named, or has weight 0, is left out.",
    )
    dynamic_masking: bool = setting(
        False,
        "Draw fresh masks for every batch, in place of those that the training records "
        "hold. Held-out records keep theirs. Labels are those of training, plain "
        "tokens, in both, so give it for an evaluation alone as well.",
    )
    masked_lm_prob: Optional[float] = setting(
        None,
        "With --dynamic_masking: share of the tokens to mask. Default: as many as the "
        "records have room for.",
        check=in_range(0, 1, low_open=True),
    )
    whole_word_share: str = setting(
        "0",
        "With --dynamic_masking: share of the examples that are masked by whole words, "
        "the others by single tokens; 0..1 rises linearly over the run. More than 0 "
        "needs records with word boundaries.",
    )
    skip_corrupt_records: bool = setting(
        False,
        "Leave damaged records out, counting them; all files are read through first. "
        "Otherwise a damaged record ends the run.",
    )
    use_tpu: bool = setting(False, "Must be false: TPUs are not supported.")
    iterations_per_loop: int = setting(1000, "Without effect (it was for TPUs).")

    def validate(self) -> None:
        """Check that there is something to do."""
        if not (self.do_train or self.do_eval):
            raise UserError(
                "nothing to do: give --do_train=True, --do_eval=True or both"
            )
        if self.use_tpu:
            raise UserError("use_tpu must be false: TPUs are not supported")
        parse_objectives(self.objectives)
        words = parse_schedule(self.whole_word_share, "whole_word_share")
        if max(words) > 1:
            raise UserError(
                f"whole_word_share must be at most 1, got {self.whole_word_share!r}"
            )
        if not self.dynamic_masking and (any(words) or self.masked_lm_prob):
            name = "whole_word_share" if any(words) else "masked_lm_prob"
            raise UserError(f"{name} needs dynamic_masking, which draws the masks")
