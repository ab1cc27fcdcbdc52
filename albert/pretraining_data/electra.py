"""Examples for replaced token detection: segments of running text, without masks.

As ELECTRA makes them (Clark et al., "ELECTRA", 2020, build_pretraining_dataset): the
sentences of a text are gathered until they reach a target length and are then divided
between two segments. What is masked is drawn anew in each step of training.
"""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from typing import Callable, Iterator, NamedTuple, Sequence

import numpy as np

from albert.pretraining_data.documents import Document
from albert.pretraining_data.electra_config import CHINESE_ELECTRA, ElectraDataConfig
from albert.text.vocabulary import CLS, SEP, Vocabulary

SHORTEST_TARGET = 5
_ONE_SEGMENT_SHARE = 0.1  # of the examples that are one segment
_ONE_SEGMENT_LIMIT = 100_000  # tokens: as good as none
_SHORT_SHARE = 0.05  # of the examples that are followed by a shorter target


class Example(NamedTuple):
    """Two segments, as token ids (int32); either may be empty, not both.

    `lost` counts the tokens of the text that found no room.
    """

    first: np.ndarray
    second: np.ndarray
    lost: int


def _joins_first_google(
    first: int, second: int, sentence: int, limit: int, rng: random.Random
) -> bool:
    if first == 0 or first + sentence < limit:
        return True
    return second == 0 and first < limit and rng.random() < 0.5


def _joins_first_chinese_electra(
    first: int, second: int, sentence: int, limit: int, rng: random.Random
) -> bool:
    if first != 0 or first + sentence < limit:
        return True
    return second != 0 and first < limit and rng.random() < 0.5


def divide_sentences(
    lengths: Sequence[int], limit: int, variant: str, rng: random.Random
) -> list[bool]:
    """Return whether each sentence goes to the first segment.

    A short sentence can go to the first segment after the second has begun.

    Args:
        lengths: tokens of each sentence.
        limit: tokens that the first segment stays below, unless its first sentence is
            longer or a coin adds one that reaches over.
        variant: "google", or "chinese_electra", which tests a first segment that is
            not empty where google's tests an empty one, and the other way round for
            the second: nearly all goes into one segment, or the first stays empty.
        rng: source of randomness; a coin is tossed only where it decides.

    Example: with a limit of 6, of sentences of 4, 3 and 1 tokens the first and the
    third go to the first segment, and the second does if a coin says so.
    """
    joins = _joins_first_google
    if variant == CHINESE_ELECTRA:
        joins = _joins_first_chinese_electra
    first = second = 0
    sides = []
    for length in lengths:
        side = joins(first, second, length, limit, rng)
        first, second = first + side * length, second + (not side) * length
        sides.append(side)
    return sides


def make_example(
    sentences: Sequence[np.ndarray],
    target: int,
    max_seq_length: int,
    variant: str,
    rng: random.Random,
) -> Example:
    """Divide sentences between two segments, and cut what has no room.

    Args:
        sentences: int32, the ids of each.
        target: tokens that were aimed at; half of them are the first segment's.
        max_seq_length: tokens of an example, [CLS] and [SEP] included.
        variant: see `divide_sentences`.
        rng: source of randomness.
    """
    limit = (target - 3) // 2  # [CLS] first [SEP] second [SEP]
    if rng.random() < _ONE_SEGMENT_SHARE:
        limit = _ONE_SEGMENT_LIMIT
    sides = divide_sentences([len(s) for s in sentences], limit, variant, rng)
    none = [np.zeros(0, np.int32)]
    first = np.concatenate(none + [s for s, side in zip(sentences, sides) if side])
    second = np.concatenate(none + [s for s, side in zip(sentences, sides) if not side])
    size = len(first) + len(second)
    first = first[: max_seq_length - 2]
    second = second[: max(0, max_seq_length - len(first) - 3)]
    return Example(first, second, size - len(first) - len(second))


def _split_sentences(document: Document) -> Iterator[np.ndarray]:
    start = 0
    for length in document.sentence_lengths:
        yield document.ids[start : start + length]
        start += length


def _walk(
    documents: Sequence[Document],
    order: Sequence[int],
    blanks_separate_docs: bool,
    advance: Callable[[int], object],
) -> Iterator[np.ndarray | None]:
    """Yield the sentences file by file, and None where an example has to end."""
    in_file: dict[int, list[Document]] = defaultdict(list)
    for document in documents:
        in_file[document.file].append(document)
    for file in order:
        for document in in_file[file]:
            yield from _split_sentences(document)
            if blanks_separate_docs:
                yield None
            advance(1)
        yield None


def create_examples(
    documents: Sequence[Document],
    config: ElectraDataConfig,
    rng: random.Random,
    advance: Callable[[int], object] = lambda count: None,
) -> list[Example]:
    """Return the examples of a shard in the order of its shuffled files.

    With one shard and one job they are those of ELECTRA's build_pretraining_dataset
    after `random.seed`. A sentence is in one example alone. The target length is drawn
    anew after each example, whichever document or file comes next.

    Args:
        documents: in the order of the text.
        config: what to create.
        rng: the shard's random stream, at its start.
        advance: called with 1 after each document.
    """
    order = list(range(len(config.input_file)))
    rng.shuffle(order)
    longest = target = config.max_seq_length
    examples: list[Example] = []
    waiting: list[np.ndarray] = []
    size = 0
    for sentence in _walk(documents, order, config.blanks_separate_docs, advance):
        if sentence is not None:
            waiting.append(sentence)
            size += len(sentence)
        if waiting and (sentence is None or size >= target):
            examples.append(make_example(waiting, target, longest, config.variant, rng))
            waiting, size, target = [], 0, longest
            if rng.random() < _SHORT_SHARE:
                target = rng.randint(SHORTEST_TARGET, longest)
    return examples


def join_example(example: Example, vocabulary: Vocabulary) -> np.ndarray:
    """Return the int32 ids of [CLS] first [SEP] second [SEP], or [CLS] first [SEP]."""
    cls, sep = ([vocabulary.ids[token]] for token in (CLS, SEP))
    parts = [cls, example.first, sep]
    if len(example.second):
        parts += [example.second, sep]
    return np.concatenate(parts).astype(np.int32)


@dataclasses.dataclass
class ExampleCounts:
    """What was written; `add` counts one more example.

    Attributes:
        instances, tokens: examples, and their tokens without padding.
        pairs: examples with a second segment.
        lost: tokens of the text that found no room.
    """

    instances: int = 0
    tokens: int = 0
    pairs: int = 0
    lost: int = 0

    def add(self, example: Example, tokens: np.ndarray) -> None:
        """Count one example."""
        self.instances += 1
        self.tokens += len(tokens)
        self.pairs += len(example.second) > 0
        self.lost += example.lost
