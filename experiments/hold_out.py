"""Hold documents out of a corpus, and keep what is like them out of other texts.

python3 -m experiments.hold_out --held_out_from=abstracts.txt --output_dir=texts \
    --input_file='papers*.txt' --labelled_files='ner/*.conll'

Writes `held_out.txt`, and each text under its own name, `abstracts.txt` without the
documents held out; all of them without the sentences that are like one of these, or
like a labelled sentence.
"""

from __future__ import annotations

import dataclasses
import os
import random
from typing import Iterable, Optional, Sequence

from absl import logging

from albert.base import cli, files
from albert.base.errors import UserError
from albert.base.settings import (
    ANY_PATH,
    INPUT_FILE,
    INPUT_FILES,
    REQUIRED,
    Settings,
    at_least,
    setting,
)
from albert.tasks.ner.conll import read_conll

HELD_OUT = "held_out.txt"
_GRAM = 12  # characters; shorter sentences are like no other
_LIKE = 0.3  # share of a sentence's grams that stand in what is held out
_SEED = 1


@dataclasses.dataclass(frozen=True)
class HoldOutConfig(Settings):
    """What is held out, and of which texts the rest is made."""

    held_out_from: str = setting(
        REQUIRED, "The corpus to hold documents out of.", path=INPUT_FILE
    )
    output_dir: str = setting(
        REQUIRED, "The folder for the texts; they replace earlier ones.", path=ANY_PATH
    )
    input_file: tuple[str, ...] = setting(
        (),
        "Other texts, to be without what is like the documents held out: names and "
        "globs, separated by commas.",
        path=INPUT_FILES,
    )
    labelled_files: tuple[str, ...] = setting(
        (),
        "NER files (CoNLL): no text keeps what is like one of their sentences.",
        path=INPUT_FILES,
    )
    every: int = setting(
        24, "Hold out the first document, and so many on the next.", check=at_least(2)
    )
    max_characters: Optional[int] = setting(
        None,
        "Write of each of --input_file documents drawn at random, until they have so "
        "many characters. Default: all.",
        check=at_least(1),
    )


def _grams(characters: str) -> set[str]:
    last = max(1, len(characters) - _GRAM + 1)
    return {characters[start : start + _GRAM] for start in range(last)}


def _characters(sentence: str) -> str:
    return "".join(sentence.split())  # labelled files hold no blanks


def read_documents(path: str) -> list[list[str]]:
    """Return the sentences of each document, between blank lines."""
    documents: list[list[str]] = [[]]
    for line in files.read_lines(path):
        if line.strip():
            documents[-1].append(line)
        elif documents[-1]:
            documents.append([])
    return [document for document in documents if document]


def remove_like(
    documents: Iterable[Sequence[str]], held_out: Iterable[Sequence[str]]
) -> tuple[list[list[str]], int]:
    """Return documents without the sentences like held-out ones, and their number.

    A sentence is like them when more than 30 % of its sequences of 12 characters stand
    in one of them; blanks do not count.
    """
    lines = (_characters(line) for document in held_out for line in document)
    seen = {gram for line in lines for gram in _grams(line)}
    kept, removed = [], 0
    for document in documents:
        rest = []
        for sentence in document:
            characters = _characters(sentence)
            grams = _grams(characters)
            like = len(characters) >= _GRAM and len(grams & seen) > _LIKE * len(grams)
            removed += like
            if not like:
                rest.append(sentence)
        kept.append(rest)
    return [document for document in kept if document], removed


def draw(documents: Sequence[list[str]], max_characters: int) -> list[list[str]]:
    """Return documents drawn at random, the last one reaching so many characters."""
    order = list(documents)
    random.Random(_SEED).shuffle(order)
    drawn, size = [], 0
    for document in order:
        if size >= max_characters:
            break
        drawn.append(document)
        size += sum(map(len, document))
    return drawn


def _read_labelled(paths: Iterable[str]) -> list[list[str]]:
    """Return the sentences of NER files, as one document a file."""
    blocks = (read_conll(path).sentences for path in paths)
    return [["".join(sentence.columns) for sentence in block] for block in blocks]


def _write(path: str, documents: Sequence[Sequence[str]]) -> None:
    text = "\n\n".join("\n".join(document) for document in documents)
    files.write_text(path, text + "\n")
    characters = sum(len(line) for document in documents for line in document)
    logging.info("%s: %d documents, %d characters", path, len(documents), characters)


def _clean(
    path: str, documents: Iterable[Sequence[str]], unwanted: Iterable[Sequence[str]]
) -> list[list[str]]:
    kept, removed = remove_like(documents, unwanted)
    logging.info("%s: %d sentences are like held-out or labelled ones", path, removed)
    return kept


def run(config: HoldOutConfig) -> None:
    """Write the texts; UserError where two would have one name."""
    paths = (config.held_out_from, *config.input_file)
    names = [os.path.basename(path) for path in paths]
    if len({*names, HELD_OUT}) <= len(names):
        raise UserError(
            f"texts of one name: {', '.join(sorted([*names, HELD_OUT]))}; "
            f"{HELD_OUT} is for what is held out"
        )
    documents = read_documents(config.held_out_from)
    held_out = documents[:: config.every]
    rest = [d for n, d in enumerate(documents) if n % config.every]
    labelled = _read_labelled(config.labelled_files)
    os.makedirs(config.output_dir, exist_ok=True)
    _write(os.path.join(config.output_dir, HELD_OUT), held_out)
    unwanted = held_out + labelled
    own = os.path.join(config.output_dir, names[0])
    _write(own, _clean(config.held_out_from, rest, unwanted))
    for name, path in zip(names[1:], config.input_file):
        kept = _clean(path, read_documents(path), unwanted)
        if config.max_characters is not None:
            kept = draw(kept, config.max_characters)
        _write(os.path.join(config.output_dir, name), kept)


def main(words: list[str]) -> None:
    """Read the flags and run."""
    run(cli.read_flags(HoldOutConfig, words))


if __name__ == "__main__":
    cli.define_flags(HoldOutConfig)
    cli.run_main(main)
