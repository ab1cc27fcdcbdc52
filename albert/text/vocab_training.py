"""Training a WordPiece vocabulary; the only file that imports tokenizers.

The pieces are found by byte pair encoding over the words of the corpus, with `##` on
all but a word's first (Schuster and Nakajima, 2012; Sennrich et al., 2016). Everything
that decides what a word is comes from `albert.text.tokenization`, so what is trained is
what data creation will look up.
"""

from __future__ import annotations

import itertools
import os
import re
import string
import types
from collections import Counter
from typing import Iterable, Iterator, NamedTuple, Sequence

from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.base.optional import extra
from albert.text.config import VocabTrainingConfig
from albert.text.tokenization import is_punctuation, split_pieces, split_words
from albert.text.vocabulary import CLS, CONTINUATION, MASK, PAD, SEP, UNK, Vocabulary

# Ids of the published Chinese vocabularies: [PAD] 0, [UNK] 100, then these three.
_FIRST_TOKENS = (PAD, *(f"[unused{n}]" for n in range(1, 100)), UNK, CLS, SEP, MASK)
_ASCII = string.punctuation + string.digits + string.ascii_letters
# What Chinese typesetting uses beside ASCII, so that no text lacks it.
_TYPOGRAPHY = (
    "、。，．：；！？·‧•…—–～〜‘’“”（）《》〈〉「」『』【】〔〕［］￥€°℃‰′″±×÷≤≥≠≈→©®™"
)
# A space or an ideograph ends a word, so what stands between them can be split alone;
# such runs repeat, and each is split once. Other ideographs merely stay inside a run.
_RUN = re.compile("[\u4e00-\u9fff]|[^\u4e00-\u9fff ]+")
_LONGEST_WORD = 100  # longer ones are addresses and keys; they teach no pieces
_SHOWN = 20


class Coverage(NamedTuple):
    """How much of a corpus a vocabulary covers under one tokenisation.

    Attributes:
        words, characters: how many the corpus holds, white space not counted.
        unknown_words: word -> count, of the words that become `[UNK]`.
        unknown_characters: character -> count, of the characters that become `[UNK]`
            when each is tokenised alone, as for labelling characters.
    """

    words: int
    characters: int
    unknown_words: Counter
    unknown_characters: Counter


def gb2312_characters() -> list[str]:
    """Return the 7,445 characters of GB 2312 (6,763 of them hanzi), sorted."""
    cells = itertools.product(range(0xA1, 0xF8), range(0xA1, 0xFF))
    decoded = (bytes(cell).decode("gb2312", errors="ignore") for cell in cells)
    return sorted(character for character in decoded if character)


CHARACTER_SETS = {"gb2312": gb2312_characters}


def load_characters(names: Iterable[str]) -> set[str]:
    """Return the characters of named sets and of UTF-8 text files.

    Raises:
        UserError: a name is neither a key of `CHARACTER_SETS` nor a readable file.
    """
    characters: set[str] = set()
    for name in names:
        if name in CHARACTER_SETS:
            characters.update(CHARACTER_SETS[name]())
        elif os.path.isfile(name):
            characters.update(itertools.chain.from_iterable(files.read_lines(name)))
        else:
            raise UserError(
                f"--extra_characters: {name!r} is neither a file nor a character set "
                f"({', '.join(CHARACTER_SETS)})"
            )
    return characters


def count_words(lines: Iterable[str], lower_cases: Sequence[bool]) -> list[Counter]:
    """Count the words of `lines` as `split_words` cuts them.

    Returns:
        For each value of `do_lower_case` in `lower_cases`, word -> count.
    """
    runs: Counter = Counter()
    for line in lines:
        runs.update(_RUN.findall(line))
    counts: list[Counter] = [Counter() for _ in lower_cases]
    for run, count in runs.items():
        for words, lower_case in zip(counts, lower_cases):
            for word in split_words(run, lower_case):
                words[word] += count
    return counts


def count_characters(words: Counter) -> Counter:
    """Return character -> count for word -> count."""
    characters: Counter = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    return characters


def list_base_tokens(characters: Iterable[str]) -> list[str]:
    """Return the tokens that need no training, in the order of the file.

    Args:
        characters: what to have beside ASCII and typographic punctuation. White space
            and control characters, which never reach the vocabulary, are left out.

    Returns:
        The special and unused tokens, the characters by code point, then the `##` form
        of each that can stand inside a word (all but punctuation) or inside a Chinese
        word that is masked whole.
    """
    kept = sorted(
        character
        for character in {*_ASCII, *_TYPOGRAPHY, *characters}
        if split_words(character, do_lower_case=False) == [character]
    )
    inner = [CONTINUATION + c for c in kept if not is_punctuation(c)]
    return [*_FIRST_TOKENS, *kept, *inner]


def load_tokenizers() -> types.ModuleType:
    """Import the package `tokenizers`; UserError where it is missing."""
    with extra("vocab"):
        import tokenizers
    return tokenizers


def train_pieces(
    words: Counter, base: Sequence[str], vocab_size: int, min_frequency: int
) -> list[str]:
    """Return up to `vocab_size - len(base)` pieces, in the order of their merges.

    Args:
        words: word -> count; words with a character that `base` lacks are skipped.
        base: the tokens that are there already, each character in both forms.
        vocab_size: where to stop.
        min_frequency: how often two pieces must occur side by side to be merged.
    """
    tokenizers = load_tokenizers()
    known = set(base)
    repeated = (
        itertools.repeat(word, count)
        for word, count in words.items()
        if 1 < len(word) <= _LONGEST_WORD and known.issuperset(word)
    )
    # As special tokens the characters have fixed ids. Left to the trainer, their ids
    # follow a hash map's order, and so does the order of equally frequent merges.
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(base),
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    model = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token=UNK))
    model.train_from_iterator(itertools.chain.from_iterable(repeated), trainer)
    ids = model.get_vocab()
    return sorted(ids.keys() - known, key=ids.__getitem__)


def build_vocabulary(
    counts: Sequence[Counter], extra_characters: set[str], config: VocabTrainingConfig
) -> Vocabulary:
    """Return a vocabulary of exactly `config.vocab_size` tokens.

    Room that the merges leave goes to the rarer characters, most frequent first. What
    is still missing, since a model's configuration names a fixed size, is filled with
    `[unused100]` and so on, with a warning.

    Args:
        counts: word -> count for each tokenisation it shall serve. A word counts as
            often as where it is most frequent, not once for each.
        extra_characters: in, whatever `counts` hold.
        config: sizes and thresholds.

    Raises:
        UserError: the characters alone do not fit, or `tokenizers` is missing.
    """
    words: Counter = Counter()
    characters: Counter = Counter()
    for counted in counts:
        words |= counted
        characters |= count_characters(counted)
    ranked = sorted(characters, key=lambda c: (-characters[c], c))
    kept = [c for c in ranked if characters[c] >= config.min_character_frequency]
    base = list_base_tokens(extra_characters.union(kept))
    if len(base) > config.vocab_size:
        raise UserError(
            f"vocab_size must be at least {len(base)} (special tokens, characters and "
            f"their ## forms), got {config.vocab_size}; raise it, or "
            f"min_character_frequency (now {config.min_character_frequency})"
        )
    pieces = train_pieces(words, base, config.vocab_size, config.min_frequency)
    missing = config.vocab_size - len(base) - len(pieces)
    if missing and len(kept) < len(ranked):
        kept = ranked[: len(kept) + missing // 2]  # two tokens a character at most
        base = list_base_tokens(extra_characters.union(kept))
        pieces = train_pieces(words, base, config.vocab_size, config.min_frequency)
        missing = config.vocab_size - len(base) - len(pieces)
    if missing:
        logging.warning("Too little text for more tokens: %d are unused ones", missing)
    unused = [f"[unused{number}]" for number in range(100, 100 + missing)]
    return Vocabulary([*base, *pieces, *unused])


def measure_coverage(words: Counter, vocabulary: Vocabulary) -> Coverage:
    """Return how many of the counted words and characters become `[UNK]`."""
    characters = count_characters(words)
    return Coverage(
        words=sum(words.values()),
        characters=sum(characters.values()),
        unknown_words=Counter(
            {w: n for w, n in words.items() if UNK in split_pieces(w, vocabulary)}
        ),
        unknown_characters=Counter(
            {c: n for c, n in characters.items() if c not in vocabulary}
        ),
    )


def format_coverage(title: str, coverage: Coverage) -> str:
    """Return a coverage as lines of text: shares, and the most frequent [UNK]."""
    lines = [f"{title}:"]
    for noun, total, unknown in (
        ("words", coverage.words, coverage.unknown_words),
        ("characters", coverage.characters, coverage.unknown_characters),
    ):
        count = sum(unknown.values())
        share = count / max(total, 1)
        lines.append(f"  {total:,} {noun}, {count:,} become {UNK} ({share:.4%})")
        if unknown:
            ranked = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))
            shown = ", ".join(f"{text} {number}" for text, number in ranked[:_SHOWN])
            lines.append(f"    most frequent: {shown}")
    return "\n".join(lines)


def _read_corpus(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        logging.info("Reading %s", path)
        yield from files.read_lines(path)


def train_vocabulary(
    paths: Sequence[str], config: VocabTrainingConfig
) -> tuple[Vocabulary, list[Coverage]]:
    """Train a vocabulary on text files.

    The same files and configuration give the same vocabulary.

    Args:
        paths: UTF-8 text files, as for data creation.
        config: what to train.

    Returns:
        The vocabulary, and its coverage of the files for each of `config.lower_cases`.

    Raises:
        UserError: a file is not UTF-8 or all are empty, `vocab_size` is too small, an
            extra character set is unknown, or `tokenizers` is missing.
    """
    load_tokenizers()  # a missing package is known before hours of reading
    extra_characters = load_characters(config.extra_characters)
    counts = count_words(_read_corpus(paths), config.lower_cases)
    if not any(counts):
        raise UserError(f"no text to train on in {', '.join(paths)}")
    logging.info("Training on %d different words", len(counts[0]))
    vocabulary = build_vocabulary(counts, extra_characters, config)
    return vocabulary, [measure_coverage(words, vocabulary) for words in counts]
