"""Cut a sample out of a file in the layout of SQuAD: whole passages, in their order.

python3 -m experiments.cut_squad --input_file=cmrc2018_dev.json --output_file=train.json
    --questions=400
"""

from __future__ import annotations

import dataclasses
from typing import Any, Iterable, Mapping

from absl import logging

from albert.base import cli, files
from albert.base.errors import UserError
from albert.base.settings import (
    ANY_PATH,
    INPUT_FILE,
    REQUIRED,
    Settings,
    at_least,
    setting,
)
from albert.tasks.mrc.squad import read_squad


@dataclasses.dataclass(frozen=True)
class CutConfig(Settings):
    """What is cut out of which file."""

    input_file: str = setting(
        REQUIRED, "Passages and questions, in the layout of SQuAD.", path=INPUT_FILE
    )
    output_file: str = setting(REQUIRED, "The sample, laid out alike.", path=ANY_PATH)
    questions: int = setting(
        REQUIRED,
        "Take the passages whose first question is one of so many.",
        check=at_least(1),
    )
    skip: int = setting(0, "Begin after so many questions.", check=at_least(0))


def cut_passages(
    passages: Iterable[Mapping[str, Any]], skip: int, questions: int
) -> list[Mapping[str, Any]]:
    """Return the passages ("paragraphs" of a file) of a sample.

    A passage is in the sample that its first question falls in, so samples of which
    one skips what the others ask for share no passage, however many there are.

    Raises:
        UserError: there are too few questions, or one passage holds them all.
    """
    taken: list[Mapping[str, Any]] = []
    count = 0
    for passage in passages:
        if skip <= count < skip + questions:
            taken.append(passage)
        count += len(passage["qas"])
    if count < skip + questions:
        raise UserError(
            f"there are {count} questions, asked are {questions} after the first {skip}"
        )
    if not taken:
        raise UserError(
            f"no passage begins among the {questions} questions after the first {skip}"
        )
    return taken


def run(config: CutConfig) -> None:
    """Write the sample."""
    read_squad(config.input_file)  # names what is wrong with it
    value = files.read_json(config.input_file)
    passages = (p for document in value["data"] for p in document["paragraphs"])
    taken = cut_passages(passages, config.skip, config.questions)
    # A document a passage: which passages were one article does not matter here.
    value = {**value, "data": [{"paragraphs": [passage]} for passage in taken]}
    files.write_json(config.output_file, value)
    count = sum(len(passage["qas"]) for passage in taken)
    logging.info("%s: %d passages, %d questions", config.output_file, len(taken), count)


def main(words: list[str]) -> None:
    """Read the flags and run."""
    cli.refuse_extra_arguments(words)
    run(cli.read_flags(CutConfig))


if __name__ == "__main__":
    cli.define_flags(CutConfig)
    cli.run_main(main)
