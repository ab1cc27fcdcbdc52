"""What is predicted, from where to where, and how."""

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
    in_range,
    setting,
)

TEXT, JSONL, CONLL, HTML = "text", "jsonl", "conll", "html"
INPUT_FORMATS = (TEXT, JSONL, CONLL)
OUTPUT_FORMATS = (JSONL, CONLL, HTML)
FLOAT32, BFLOAT16 = "float32", "bfloat16"  # of matrix products


@dataclasses.dataclass(frozen=True)
class PredictionConfig(Settings):
    """A trained model, the texts that it labels, and the form of the results."""

    model_dir: str = setting(
        REQUIRED,
        "The folder of a fine-tuning run, its best/, or an export; it says the task.",
        path=INPUT_FOLDER,
    )
    input_file: tuple[str, ...] = setting(
        (),
        "Files, names and globs separated by commas, plain or gzip; without it, "
        "standard input.",
        path=INPUT_FILES,
    )
    input_format: str = setting(
        TEXT,
        "text (one text a line; for models that take two, a tab between them), jsonl "
        "(a JSON object a line), or conll (a character a line, first field; a blank "
        "line between sentences).",
        choices=INPUT_FORMATS,
    )
    text_field: str = setting(
        "text", "The field of the JSON objects that holds the text."
    )
    second_field: Optional[str] = setting(
        None,
        "The field of the second text, for models that take two. Default: as the "
        "model calls it, text_b for pairs.",
    )
    output_file: Optional[str] = setting(
        None,
        "Where the results go; without it, standard output. Until all is done it is "
        "called NAME.partial.",
        path=ANY_PATH,
    )
    output_format: str = setting(
        JSONL,
        "jsonl (a JSON object a text); for entities also conll (a character and its "
        "tag a line) and html (a page with the entities highlighted).",
        choices=OUTPUT_FORMATS,
    )
    resume: bool = setting(
        False,
        "Go on with the results that an earlier run left unfinished; if there are "
        "none, begin.",
    )
    min_score: float = setting(
        0.0,
        "Entities of a lower probability are left out.",
        check=in_range(low=0.0, high=1.0),
    )
    dictionary: Optional[str] = setting(
        None,
        "A file of terms, a tab and a type in each line: the term is such an entity "
        "wherever it stands; the type - forbids it as an entity.",
        path=INPUT_FILE,
    )
    batch_size: int = setting(
        64, "Sentences that the model labels at once.", check=at_least(1)
    )
    precision: str = setting(
        FLOAT32,
        "The type of matrix products; bfloat16 is two to three times as fast on CPUs "
        "and GPUs that have it, and changes scores in the third digit.",
        choices=(FLOAT32, BFLOAT16),
    )

    def validate(self) -> None:
        """Check what concerns several settings at once."""
        if self.resume and not self.output_file:
            raise UserError(
                "--resume needs --output_file: results on standard output are not kept"
            )
