"""Which annotations are converted into which form."""

from __future__ import annotations

import dataclasses

from albert.base.settings import ANY_PATH, INPUT_FILE, REQUIRED, Settings, setting
from albert.tasks.ner.annotations.convert import FORMATS

_FORMATS = (
    "bio, bmes, bioes (a character and its tag a line), doccano (JSON lines), "
    "label_studio (JSON), cluener (JSON lines), predictions (our JSON lines)"
)


@dataclasses.dataclass(frozen=True)
class ConversionConfig(Settings):
    """Two files and their formats."""

    input_file: str = setting(REQUIRED, "The file to convert.", path=INPUT_FILE)
    output_file: str = setting(REQUIRED, "The file to write.", path=ANY_PATH)
    source_format: str = setting(
        REQUIRED,
        f"The format of the input: {_FORMATS}.",
        choices=tuple(FORMATS),
        flag="from",
    )
    target_format: str = setting(
        REQUIRED, "The format of the output.", choices=tuple(FORMATS), flag="to"
    )
