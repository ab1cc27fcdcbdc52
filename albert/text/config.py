"""The configuration of vocabulary training."""

from __future__ import annotations

import dataclasses

from albert.base.settings import (
    ANY_PATH,
    INPUT_FILES,
    REQUIRED,
    Settings,
    at_least,
    setting,
)


@dataclasses.dataclass(frozen=True)
class VocabFiles(Settings):
    """What a vocabulary is trained on, and where it goes."""

    input_file: tuple[str, ...] = setting(
        REQUIRED,
        "Text files to train on: names and globs, separated by commas. Further file "
        "names on the command line are such files too.",
        path=INPUT_FILES,
    )
    output_file: str = setting(
        REQUIRED, "The vocabulary to write, one token a line.", path=ANY_PATH
    )


@dataclasses.dataclass(frozen=True)
class VocabTrainingConfig(Settings):
    """What goes into a trained vocabulary."""

    vocab_size: int = setting(21128, "Number of tokens, exactly.", check=at_least(1))
    do_lower_case: bool = setting(
        True, "Train on lower-cased text without accents, for --do_lower_case=True."
    )
    both_cases: bool = setting(
        False,
        "Train on the text both as it is and lower-cased, for a vocabulary that serves "
        "either way; --do_lower_case is then without effect.",
    )
    min_frequency: int = setting(
        2,
        "How often two pieces of words must stand side by side to be merged into one.",
        check=at_least(1),
    )
    min_character_frequency: int = setting(
        2,
        "How often a character must occur to come before all merges; rarer ones take "
        "what room the merges leave.",
        check=at_least(1),
    )
    extra_characters: tuple[str, ...] = setting(
        (),
        "Characters to have even if the text lacks them: character sets such as "
        "gb2312, or UTF-8 text files, separated by commas.",
        path=ANY_PATH,
    )

    @property
    def lower_cases(self) -> tuple[bool, ...]:
        """The values of `do_lower_case` that the vocabulary shall serve."""
        return (False, True) if self.both_cases else (self.do_lower_case,)
