"""The configuration of vocabulary training."""

from __future__ import annotations

import dataclasses

from albert.base.checks import check_range


@dataclasses.dataclass(frozen=True)
class VocabTrainingConfig:
    """What goes into a trained vocabulary.

    Attributes:
        vocab_size: number of tokens, exactly.
        do_lower_case: train on text as `Tokenizer(do_lower_case=True)` splits it.
        both_cases: train on the text both as it is and lower-cased, for a vocabulary
            that serves either way; `do_lower_case` is then without effect.
        min_frequency: how often two pieces must meet to be joined.
        min_character_frequency: how often a character must occur to come before all
            joins; rarer ones take what room the joins leave.
        extra_characters: characters that are in whatever the corpus holds: names of
            character sets ("gb2312"), or of UTF-8 files.
    """

    vocab_size: int = 21128
    do_lower_case: bool = True
    both_cases: bool = False
    min_frequency: int = 2
    min_character_frequency: int = 2
    extra_characters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("vocab_size", "min_frequency", "min_character_frequency"):
            check_range(name, getattr(self, name), low=1)

    @property
    def lower_cases(self) -> tuple[bool, ...]:
        """The values of `do_lower_case` that the vocabulary shall serve."""
        return (False, True) if self.both_cases else (self.do_lower_case,)
