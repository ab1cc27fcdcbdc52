"""Training word vectors; the only file that imports gensim.

Skip-gram with negative sampling: Mikolov et al., "Distributed Representations of Words
and Phrases and their Compositionality" (2013). The text is split by the tokeniser of
data creation, so vectors of tokens are those of a model's embeddings.
"""

from __future__ import annotations

import zlib
from typing import Callable, Iterable, Iterator, Sequence

import numpy as np
from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.base.optional import extra
from albert.text.config import VectorTrainingConfig
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import UNK, Vocabulary
from albert.text.word_segmentation import load_segmenter

Split = Callable[[str], list[str]]  # a sentence -> its units


def pair_tokens(tokens: Sequence[str]) -> list[str]:
    """Return each two tokens in a row as one unit.

    Example: 神 经 网 gives 神经 经网.
    """
    return [first + second for first, second in zip(tokens, tokens[1:])]


def make_splitter(vocabulary: Vocabulary, config: VectorTrainingConfig) -> Split:
    """Return what splits a sentence into the units that vectors are of."""
    tokenizer = Tokenizer(vocabulary, config.do_lower_case)
    if config.unit == "token":
        return tokenizer.tokenize
    if config.unit == "bigram":
        return lambda text: pair_tokens(tokenizer.tokenize(text))
    cut = load_segmenter(config.segmenter, [])

    def split_words(text: str) -> list[str]:
        words = [word for word, _ in tokenizer.tokenize_words(text)]
        return [word for word in cut("".join(words)) if word.strip()]

    return split_words


class _Sentences:
    """The units of each line of some files, read anew in each pass."""

    def __init__(self, paths: Sequence[str], split: Split):
        self._paths = paths
        self._split = split

    def __iter__(self) -> Iterator[list[str]]:
        for path in self._paths:
            for line in files.read_lines(path):
                units = [unit for unit in self._split(line) if unit != UNK]
                if units:
                    yield units


def format_vectors(units: Sequence[str], values: np.ndarray) -> Iterable[str]:
    """Yield the lines of a file in the text format of word2vec."""
    yield f"{len(units)} {values.shape[1]}\n"
    for unit, row in zip(units, values):
        yield " ".join([unit, *(f"{value:.6g}" for value in row)]) + "\n"


def train_vectors(
    paths: Sequence[str], vocabulary: Vocabulary, config: VectorTrainingConfig
) -> tuple[list[str], np.ndarray]:
    """Train vectors on text files; the same files and configuration give the same.

    Returns:
        The units, the most frequent first, and float32 [units, vector_size].

    Raises:
        UserError: gensim is missing, a file is not UTF-8, or no unit is frequent
            enough.
    """
    with extra("vectors"):
        from gensim.models import Word2Vec
    model = Word2Vec(
        vector_size=config.vector_size,
        window=config.window,
        min_count=config.min_count,
        seed=config.random_seed,
        sg=1,
        workers=1,  # with more, their order decides
        hashfxn=lambda text: zlib.crc32(text.encode()),  # hash() differs between runs
    )
    sentences = _Sentences(paths, make_splitter(vocabulary, config))
    model.build_vocab(sentences)
    if not len(model.wv):
        raise UserError(
            f"no {config.unit} occurs {config.min_count} times (min_count) in "
            f"{', '.join(paths)}"
        )
    logging.info("Training vectors of %d units", len(model.wv))
    model.train(sentences, total_examples=model.corpus_count, epochs=config.epochs)
    return list(model.wv.index_to_key), np.asarray(model.wv.vectors, np.float32)
