"""What counting reaches on held-out records, so that nobody trains a model that copies.

A masked language model is worth something once it predicts more than the most frequent
token, and more than a table of the tokens to the left and to the right.
"""

from __future__ import annotations

import functools
import math
from typing import Iterable, Iterator, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf

from albert.base.errors import UserError
from albert.records.arrays import read_arrays
from albert.records.features import read_metadata
from albert.training import failures
from albert.training.task import EVAL, DataSource

_BATCH = 1024
SAMPLE = 100_000  # training records that are counted, at most
_MOST_TOKENS = 5_000_000  # of these; counting them takes some 300 MB
_UNKNOWN = -1  # in place of a neighbour that is masked
_MARGIN = 2.0  # standard errors above a baseline that count as more


class Tokens(NamedTuple):
    """Tokens and their neighbours, int32 [N] each; _UNKNOWN for a masked neighbour.

    Attributes:
        left, label, right: ids.
        seen: what the model sees in the token's own place; _UNKNOWN for [MASK].
    """

    left: np.ndarray
    label: np.ndarray
    right: np.ndarray
    seen: np.ndarray


class BestLabels(NamedTuple):
    """The most frequent label of each key; keys rise."""

    keys: np.ndarray
    labels: np.ndarray

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the label of each key, _UNKNOWN for a key that is not there."""
        if not len(self.keys):
            return np.full(len(keys), _UNKNOWN)
        places = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.labels[places], _UNKNOWN)


class Counts(NamedTuple):
    """What was counted: the best label overall, and by neighbours on known sides."""

    frequent: int
    both: BestLabels
    left: BestLabels
    right: BestLabels
    vocab_size: int


class Baselines(NamedTuple):
    """Accuracy on the masked positions of held-out records.

    Attributes:
        frequency: of copying what is not hidden, else the most frequent token.
        neighbours: of copying, else what stood most often between these neighbours;
            beside the one that is known, where the other is masked or both were never
            met.
        num_tokens: masked positions.
        num_records: training records that were counted.
    """

    frequency: float
    neighbours: float
    num_tokens: int
    num_records: int


def find_mask_id(batch: Mapping[str, np.ndarray]) -> int:
    """Return the id of [MASK]: the most frequent one at masked positions, if any."""
    seen = np.take_along_axis(batch["input_ids"], batch["masked_lm_positions"], axis=1)
    seen = seen[batch["masked_lm_weights"] > 0]
    return int(np.bincount(seen).argmax()) if len(seen) else _UNKNOWN


def masked_tokens(batch: Mapping[str, np.ndarray], mask_id: int) -> Tokens:
    """Return the masked tokens of a batch of records, with what the model sees."""
    ids = batch["input_ids"].astype(np.int32)
    ids[ids == mask_id] = _UNKNOWN
    rows, columns = np.nonzero(batch["masked_lm_weights"] > 0)
    places = batch["masked_lm_positions"][rows, columns]
    last = ids.shape[1] - 1
    return Tokens(
        ids[rows, np.maximum(places - 1, 0)],
        batch["masked_lm_ids"][rows, columns].astype(np.int32),
        ids[rows, np.minimum(places + 1, last)],
        ids[rows, places],
    )


def restore(batch: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return input_ids before masking, int [B, T], where labels are plain tokens."""
    ids = batch["input_ids"].copy()
    rows, columns = np.nonzero(batch["masked_lm_weights"] > 0)
    places = batch["masked_lm_positions"][rows, columns]
    ids[rows, places] = batch["masked_lm_ids"][rows, columns]
    return ids


def all_tokens(batch: Mapping[str, np.ndarray]) -> Tokens:
    """Return every token of a batch but the first and last of each record."""
    ids = restore(batch).astype(np.int32)
    inside = batch["input_mask"][:, 2:] == 1
    left, label, right = ids[:, :-2], ids[:, 1:-1], ids[:, 2:]
    return Tokens(left[inside], label[inside], right[inside], label[inside])


def _join_sides(left: np.ndarray, right: np.ndarray, vocab_size: int) -> np.ndarray:
    """Return one key for two neighbours, int64: 32 bits do not hold it."""
    return left.astype(np.int64) * vocab_size + right


def _find_best(keys: np.ndarray, labels: np.ndarray, vocab_size: int) -> BestLabels:
    pairs, counts = np.unique(_join_sides(keys, labels, vocab_size), return_counts=True)
    keys, labels = pairs // vocab_size, pairs % vocab_size
    order = np.lexsort((counts, keys))
    last = np.append(keys[order][1:] != keys[order][:-1], True)
    chosen = order[last[: len(order)]]
    return BestLabels(keys[chosen], labels[chosen])


def count_tokens(tokens: Tokens, vocab_size: int) -> Counts:
    """Count labels overall and by their neighbours; at least one token."""
    left, label, right, _ = tokens
    known_left, known_right = left >= 0, right >= 0
    both = known_left & known_right
    best = functools.partial(_find_best, vocab_size=vocab_size)
    return Counts(
        int(np.bincount(label).argmax()),
        best(_join_sides(left[both], right[both], vocab_size), label[both]),
        best(left[known_left], label[known_left]),
        best(right[known_right], label[known_right]),
        vocab_size,
    )


def guess_by_neighbours(counts: Counts, tokens: Tokens) -> np.ndarray:
    """Return the label that the counts speak for at each token, int64 [N]."""
    left, _, right, seen = tokens
    both = counts.both.find(_join_sides(left, right, counts.vocab_size))
    guess = np.where((left >= 0) & (right >= 0), both, _UNKNOWN)
    for side, table in ((left, counts.left), (right, counts.right)):
        guess = np.where(guess == _UNKNOWN, table.find(side), guess)
    guess = np.where(guess == _UNKNOWN, counts.frequent, guess)
    return np.where(seen >= 0, seen, guess)


def _join(parts: Sequence[Tokens]) -> Tokens:
    return Tokens(*map(np.concatenate, zip(*parts)))


def _read(data: DataSource, count: Optional[int]) -> Iterator[Mapping]:
    def dataset():
        read = data.read(EVAL, _BATCH)
        return read if count is None else read.unbatch().take(count).batch(_BATCH)

    try:
        yield from read_arrays(dataset)
    except tf.errors.OpError as error:
        cause = failures.describe(error, data.find_bad_input)
        if cause is None:
            raise
        raise UserError(
            f"counting what the scores are worth stopped: {cause}; the scores "
            "themselves are written"
        ) from error


def _read_share(
    sample: DataSource, num_samples: int, count_all: bool
) -> Iterable[Mapping]:
    """Yield the records of one of several sources that are to be counted."""
    read, most = 0, -(-SAMPLE // num_samples)
    for batch in _read(sample, most):
        width = batch["input_ids" if count_all else "masked_lm_ids"].shape[1]
        limit = min(most, max(1, _MOST_TOKENS // (width * num_samples)))
        yield {name: value[: limit - read] for name, value in batch.items()}
        read += len(batch["input_ids"])
        if read >= limit:
            return


def labels_are_plain(file: str) -> Optional[bool]:
    """Whether no label of a file is the ## form of what stands in the text.

    None where no metadata lie beside the file, or they do not say.
    """
    metadata = read_metadata(file) or {}
    continuation = metadata.get("parameters", {}).get("continuation_labels")
    return None if continuation is None else not continuation


def labels_are_tokens(files: Sequence[str]) -> bool:
    """Whether metadata say that no label is the ## form of what stands in the text."""
    return all(map(labels_are_plain, files))


def measure_baselines(
    samples: Sequence[DataSource],
    held_out: DataSource,
    vocab_size: int,
    count_all: bool,
    max_held_out: Optional[int] = None,
) -> Optional[Baselines]:
    """Count the training records and guess the masked tokens of the held-out ones.

    Args:
        samples: the training records, a source a file; of all together SAMPLE at most
            are counted.
        held_out: records that keep their masks.
        vocab_size: every id is below it.
        count_all: whether to count tokens that are not masked too, see
            `labels_are_tokens`; otherwise masked ones alone.
        max_held_out: records to guess at most.

    Returns:
        None where there is nothing to count or to guess.
    """
    count, train, held = 0, [], []
    for sample in samples:
        for batch in _read_share(sample, len(samples), count_all):
            count += len(batch["input_ids"])
            find = all_tokens if count_all else masked_tokens
            mask = {} if count_all else {"mask_id": find_mask_id(batch)}
            train.append(find(batch, **mask))
    for batch in _read(held_out, max_held_out):
        held.append(masked_tokens(batch, find_mask_id(batch)))
    tokens, counted = _join(held), _join(train)
    if not (len(tokens.label) and len(counted.label)):
        return None
    counts = count_tokens(counted, vocab_size)
    copied = np.where(tokens.seen >= 0, tokens.seen, counts.frequent)
    return Baselines(
        float(np.mean(copied == tokens.label)),
        float(np.mean(guess_by_neighbours(counts, tokens) == tokens.label)),
        len(tokens.label),
        count,
    )


def has_learned_more(accuracy: float, baselines: Baselines) -> bool:
    """Whether an accuracy is above that of the neighbours by two standard errors."""
    rate = max(baselines.neighbours, baselines.frequency)
    error = math.sqrt(rate * (1 - rate) / baselines.num_tokens)
    return accuracy > rate + _MARGIN * error


def describe(accuracy: float, baselines: Baselines) -> str:
    """Return a sentence on what a masked LM accuracy is worth."""
    verdict = "more" if has_learned_more(accuracy, baselines) else "no more"
    return (
        f"the model predicts {accuracy:.1%} of {baselines.num_tokens:,} masked tokens; "
        f"the most frequent token gives {baselines.frequency:.1%}, a table of left and "
        f"right neighbours in {baselines.num_records:,} training records "
        f"{baselines.neighbours:.1%}: the model has learned {verdict} than that table"
    )


def compare_with_counting(
    accuracy: Optional[float],
    samples: Sequence[DataSource],
    held_out: DataSource,
    vocab_size: int,
    count_all: bool,
    max_held_out: Optional[int] = None,
) -> dict[str, float | str]:
    """Return what `eval_results.txt` says of a masked LM beside its accuracy.

    Args:
        accuracy: on `held_out`; None where there is no masked LM, and nothing to say.

    Other arguments as `measure_baselines`.
    """
    if accuracy is None:
        return {}
    found = measure_baselines(samples, held_out, vocab_size, count_all, max_held_out)
    if found is None:
        return {}
    return {
        "baseline_frequency_accuracy": found.frequency,
        "baseline_neighbours_accuracy": found.neighbours,
        "conclusion": describe(accuracy, found),
    }
