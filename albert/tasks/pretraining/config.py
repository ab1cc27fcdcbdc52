"""What `run_pretraining.py` is asked to do."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.errors import UserError
from albert.base.settings import INPUT_FILE, in_range, setting
from albert.tasks.linear_schedule import parse_schedule
from albert.tasks.pretraining.objectives import (
    DEFAULT_OBJECTIVES,
    parse_objectives,
)
from albert.tasks.pretraining_config import RunConfig, RunFiles


@dataclasses.dataclass(frozen=True)
class PretrainingFiles(RunFiles):
    """The files of a run; names, not globs."""

    init_vectors: Optional[str] = setting(
        None,
        "Vectors for the word embeddings to start from, in the text format of word2vec "
        "(see tools/train_vectors.py); their width is embedding_size or hidden_size.",
        path=INPUT_FILE,
    )


@dataclasses.dataclass(frozen=True)
class PretrainingConfig(RunConfig):
    """What to do with the files, as the flags say."""

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
    use_tpu: bool = setting(False, "Must be false: TPUs are not supported.")
    iterations_per_loop: int = setting(1000, "Without effect (it was for TPUs).")

    def validate(self) -> None:
        """Check that there is something to do, and that settings go together."""
        super().validate()
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
