"""What is read and shown of NER data and predictions."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.errors import UserError
from albert.base.settings import (
    ANY_PATH,
    INPUT_FILE,
    INPUT_FILES,
    INPUT_FOLDER,
    REQUIRED,
    Settings,
    at_least,
    is_seed,
    setting,
)
from albert.tasks.ner.analysis.pairs import READINGS


@dataclasses.dataclass(frozen=True)
class AnalysisConfig(Settings):
    """Which files are compared, and how much is shown."""

    gold_file: str = setting(
        REQUIRED, "The right labels, in CoNLL form.", path=INPUT_FILE
    )
    prediction_file: Optional[str] = setting(
        None, "The labels to judge, as run_ner.py writes them.", path=INPUT_FILE
    )
    compare: tuple[str, ...] = setting(
        (),
        "Two prediction files, to be compared by a paired bootstrap over sentences.",
        path=INPUT_FILES,
    )
    train_file: Optional[str] = setting(
        None,
        "The training data: entities seen there and others are scored apart.",
        path=INPUT_FILE,
    )
    output_file: Optional[str] = setting(
        None,
        "A JSON file to write, with the scores and every error.",
        path=ANY_PATH,
    )
    reading: str = setting(
        "strict",
        "How tags are read: strict takes what the tag scheme does not allow for no "
        "entity; default reads it as the conlleval script does.",
        choices=READINGS,
    )
    examples: int = setting(
        5, "How many errors of each kind are printed.", check=at_least(0)
    )
    samples: int = setting(
        10_000, "How many samples the bootstrap draws.", check=at_least(1)
    )
    random_seed: int = setting(12345, "Seeds the bootstrap.", check=is_seed())

    def validate(self) -> None:
        """One prediction file is judged, or two are compared."""
        if bool(self.prediction_file) == bool(self.compare):
            raise UserError("one of --prediction_file and --compare must be given")
        if len(self.compare) not in (0, 2):
            raise UserError(
                f"compare must name two different files, got {', '.join(self.compare)}"
            )


@dataclasses.dataclass(frozen=True)
class DataCheckConfig(Settings):
    """Which data are looked through, and what counts as odd."""

    data_dir: str = setting(
        REQUIRED,
        "The folder of the train, val (or dev) and test files, as for run_ner.py.",
        path=INPUT_FOLDER,
    )
    max_seq_length: int = setting(
        128, "Sentences of more tokens are named.", check=at_least(4)
    )
    least_entities: int = setting(
        10, "A type with fewer training entities is rare.", check=at_least(1)
    )
    examples: int = setting(
        5, "How many findings of each kind are printed.", check=at_least(0)
    )
