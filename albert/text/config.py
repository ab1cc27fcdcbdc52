"""The configuration of vocabulary training."""

from __future__ import annotations

import dataclasses

from albert.base.settings import (
    ANY_PATH,
    INPUT_FILE,
    INPUT_FILES,
    REQUIRED,
    Settings,
    at_least,
    is_seed,
    setting,
)
from albert.text.word_segmentation import SEGMENTERS


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


VECTOR_UNITS = ("token", "bigram", "word")


@dataclasses.dataclass(frozen=True)
class VectorFiles(Settings):
    """What vectors are trained on, and where they go."""

    input_file: tuple[str, ...] = setting(
        REQUIRED,
        "Text files to train on, one sentence a line: names and globs, separated by "
        "commas. Further file names on the command line are such files too.",
        path=INPUT_FILES,
    )
    output_file: str = setting(
        REQUIRED, "The vectors to write, in the text format of word2vec.", path=ANY_PATH
    )
    vocab_file: str = setting(
        REQUIRED, "The vocabulary whose tokens the text is split into.", path=INPUT_FILE
    )


@dataclasses.dataclass(frozen=True)
class VectorTrainingConfig(Settings):
    """What vectors are of, and how they are trained."""

    unit: str = setting(
        "token",
        "What a vector is of: token (the vocabulary's; Chinese characters and pieces "
        "of other words), bigram (two tokens in a row, written together) or word (by "
        "the segmenter).",
        choices=VECTOR_UNITS,
    )
    vector_size: int = setting(
        128,
        "Width of the vectors: embedding_size of the model that starts from them.",
        check=at_least(1),
    )
    window: int = setting(
        5, "Units to each side that a vector predicts.", check=at_least(1)
    )
    min_count: int = setting(
        5, "How often a unit must occur to get a vector.", check=at_least(1)
    )
    epochs: int = setting(5, "Passes over the text.", check=at_least(1))
    do_lower_case: bool = setting(
        True, "Lower-case the text and strip its accents, as the vocabulary wants."
    )
    segmenter: str = setting(
        "jieba", "What finds Chinese words for --unit=word.", choices=SEGMENTERS
    )
    random_seed: int = setting(12345, "Seed of the vectors.", check=is_seed())
