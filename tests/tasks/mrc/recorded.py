"""What the reference's machine reading gave for texts of our own (ELECTRA.md, 7, 8)."""

from __future__ import annotations

import functools
import gzip
import json
import pathlib
from typing import Any

from albert.tasks.mrc.examples import Example, make_examples
from albert.tasks.mrc.squad import read_squad
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import load_vocabulary

ROOT = pathlib.Path(__file__).parents[2] / "testdata" / "electra"
FOLDER = ROOT / "mrc"


@functools.cache
def load(name: str) -> Any:
    """Return the value of a recorded JSON file, plain or gzip."""
    data = (FOLDER / name).read_bytes()
    return json.loads(gzip.decompress(data) if name.endswith(".gz") else data)


@functools.cache
def tokenizer() -> Tokenizer:
    """Return the tokeniser of all recordings."""
    return Tokenizer(load_vocabulary(str(ROOT / "vocab.txt")))


def examples(name: str, settings: Any, training: bool) -> list[Example]:
    """Return the examples of a recorded data file."""
    data = read_squad(str(FOLDER / name))
    return make_examples(data, tokenizer(), settings, training)
