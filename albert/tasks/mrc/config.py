"""How questions about passages are answered."""

from __future__ import annotations

import dataclasses

from albert.base.errors import UserError
from albert.base.settings import at_least, setting, setting_of
from albert.tasks.finetuning_config import ModelSettings

JOINT, INDEPENDENT = "joint", "independent"
HEADS = (JOINT, INDEPENDENT)


@dataclasses.dataclass(frozen=True)
class MrcConfig(ModelSettings):
    """The reading model over an encoder; kept with the model."""

    head: str = setting(
        JOINT,
        "What finds the answer: joint, where its end depends on its start, or "
        "independent, a start and an end apart.",
        choices=HEADS,
    )
    answerable_classifier: bool = setting(
        True, "Also learn whether the passage answers the question at all."
    )
    answerable_uses_start_logits: bool = setting(
        True,
        "That classifier reads, beside the first vector, the mean of the vectors by "
        "the probability of the answer's start.",
    )
    answerable_weight: float = setting(
        0.5, "Weight of the classifier's loss.", check=at_least(0)
    )
    max_seq_length: int = setting_of(
        ModelSettings,
        "max_seq_length",
        512,
        "Tokens that the encoder sees at once: question, a window of the passage, "
        "[CLS] and two [SEP].",
    )
    max_query_length: int = setting(
        64, "Tokens of a question; the rest is cut off.", check=at_least(1)
    )
    doc_stride: int = setting(
        128, "Tokens between the beginnings of two windows.", check=at_least(1)
    )
    max_answer_length: int = setting(
        30, "Tokens of the longest answer that is given.", check=at_least(1)
    )
    n_best_size: int = setting(
        20, "Answers that are kept of each question.", check=at_least(1)
    )
    beam_size: int = setting(
        20,
        "Starts, and for each of them ends, that the joint head looks at.",
        check=at_least(1),
    )
    null_score_threshold: float = setting(
        0.0,
        "The question is said to have no answer where the score of that is higher; "
        "only of models that have seen questions without an answer.",
    )
    reference_features: bool = setting(
        False,
        "Read passages and cut answers as the programs of ELECTRA do, by words, in "
        "place of offsets of characters.",
    )
    write_n_best: bool = setting(
        False, "With predictions, also write all answers that are kept, with scores."
    )
    dropout_prob: float = setting_of(ModelSettings, "dropout_prob", 0.0)

    def validate(self) -> None:
        """A question must leave room for a window."""
        if self.beam_size > self.max_seq_length:
            raise UserError(
                f"beam_size must be at most max_seq_length {self.max_seq_length}, got "
                f"{self.beam_size}"
            )
