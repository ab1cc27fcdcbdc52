"""What a run asks of its records: their features, and what they were made for."""

from __future__ import annotations

from typing import Any, Collection, Mapping, NamedTuple, Optional

from albert.base.errors import UserError
from albert.records import features as records
from albert.text.vocabulary import VocabularyId


class ExpectedRecords(NamedTuple):
    """What the flags and the config of a run ask of its records.

    Attributes:
        max_seq_length, max_predictions_per_seq: as the flags give them; None for what
            the first file holds.
        vocab_size: the config's.
        vocabulary: the vocabulary that the run is known to use, or None.
        objective: what the records are to be made for. Those of ELECTRA hold no masked
            tokens, and max_predictions_per_seq is then None.
    """

    max_seq_length: Optional[int]
    max_predictions_per_seq: Optional[int]
    vocab_size: int
    vocabulary: Optional[VocabularyId] = None
    objective: str = records.MASKED_LM

    @property
    def spec(self) -> tuple[records.Feature, ...]:
        """The features of each record."""
        if self.objective == records.ELECTRA:
            return records.electra_spec(self.max_seq_length)
        return records.feature_spec(self.max_seq_length, self.max_predictions_per_seq)

    @property
    def lengths(self) -> tuple[str, ...]:
        """The fields that hold lengths of features."""
        if self.objective == records.ELECTRA:
            return ("max_seq_length",)
        return ("max_seq_length", "max_predictions_per_seq")

    @property
    def highest(self) -> dict[str, int]:
        """Feature -> the highest value that the model has a place for; 0 is the lowest.

        Of every objective; a record may lack some of them.
        """
        return {
            "input_ids": self.vocab_size - 1,
            "masked_lm_ids": self.vocab_size - 1,
            "masked_lm_positions": self.max_seq_length - 1,
            "next_sentence_labels": 1,
        }


class _Origin(NamedTuple):
    """Who makes the records of an objective, who trains on them, and for what."""

    maker: str
    trainer: str
    purpose: str


_ORIGINS = {
    records.MASKED_LM: _Origin(
        *("create_pretraining_data.py", "run_pretraining.py"),
        "the masked language model",
    ),
    records.ELECTRA: _Origin(
        *("create_electra_data.py", "run_electra_pretraining.py"),
        "replaced token detection",
    ),
}
_MASKED_FEATURE = "masked_lm_positions"  # of a record whose tokens are masked already
# Field -> the feature whose length it is.
LENGTH_OF = {
    "max_seq_length": "input_ids",
    "max_predictions_per_seq": "masked_lm_ids",
}


def _other_objective(file: str, found: str, wanted: str) -> UserError:
    origin = _ORIGINS.get(found)
    if origin is None:
        return UserError(
            f"{file}: made for the objective {found!r}, which this version does not "
            "know"
        )
    return UserError(
        f"{file}: made by {origin.maker} for {origin.purpose}, which "
        f"{origin.trainer} trains; this run needs records of {_ORIGINS[wanted].maker}"
    )


def check_objective(
    file: str, metadata: Optional[Mapping[str, Any]], wanted: str
) -> None:
    """Raise UserError for a file whose metadata name another objective."""
    if metadata is not None and records.objective_of(metadata) != wanted:
        raise _other_objective(file, records.objective_of(metadata), wanted)


def check_masking(file: str, features: Collection[str], wanted: str) -> None:
    """Raise UserError for a record that is masked already, where none is to be.

    For files without metadata, which do not name their objective.

    Args:
        file: it is in, for the message.
        features: the names of the record's features.
        wanted: the objective of the run.
    """
    if wanted == records.ELECTRA and _MASKED_FEATURE in features:
        raise _other_objective(file, records.MASKED_LM, wanted)


def find_maker(objective: str) -> str:
    """Return the script that makes the records of an objective."""
    return _ORIGINS[objective].maker
