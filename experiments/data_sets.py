"""What a run is trained and scored on: a set as it is, a fold of it, a share of it."""

from __future__ import annotations

import hashlib
import os
import random
from typing import NamedTuple, Optional, Sequence

from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.tasks.data_files import find_splits
from albert.tasks.ner.conll import SUFFIXES, Sentence, read_conll

SOURCE_FILE = "source.json"  # written last: tells what the files were made of
_SPLITS = ("train", "val", "test")
_VAL_SHARE = 0.1  # of the sentences outside of a fold: they choose the checkpoint
_SEED = 0  # of the folds: the same for all arms and seeds


class DataSet(NamedTuple):
    """Labelled sentences, and which of them a run has.

    Attributes:
        data_dir: the folder of the train, val and test files.
        folds: into how many parts all sentences together are divided; None for the
            division into files as it is.
        fold: the part that is the test file.
        train_share: of the training sentences, drawn with `seed`.
        seed: None where all are used.
    """

    data_dir: str
    folds: Optional[int] = None
    fold: Optional[int] = None
    train_share: float = 1.0
    seed: Optional[int] = None

    @property
    def is_whole(self) -> bool:
        """Whether the files are used as they are."""
        return self.folds is None and self.seed is None


class Split(NamedTuple):
    """Sentences to train on, to choose a checkpoint by, and to score."""

    train: list[Sentence]
    val: list[Sentence]
    test: list[Sentence]


def _deal(sentences: Sequence[Sentence], sizes: Sequence[float]) -> list[list[int]]:
    """Divide sentences by the seed; ones of equal text stay together.

    Args:
        sizes: the share that each part is to have of the whole.

    Returns:
        For each part the numbers of its sentences, in order.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, sentence in enumerate(sentences):
        groups.setdefault(sentence.columns, []).append(number)
    order = list(groups.values())
    random.Random(_SEED).shuffle(order)
    parts: list[list[int]] = [[] for _ in sizes]
    for group in order:
        fullness = [len(part) / size for part, size in zip(parts, sizes)]
        parts[fullness.index(min(fullness))] += group
    return [sorted(part) for part in parts]


def split_folds(sentences: Sequence[Sentence], folds: int, fold: int) -> Split:
    """Return a fold as test, and the other ones divided into train and val.

    Sentences of equal text are in the same fold, and in the same of train and val.

    Raises:
        UserError: there are fewer different sentences than parts.
    """
    parts = _deal(sentences, [1 / folds] * folds)
    rest = sorted(n for i, part in enumerate(parts) if i != fold for n in part)
    others = [sentences[n] for n in rest]
    train, val = _deal(others, [1 - _VAL_SHARE, _VAL_SHARE])
    if not all((*parts, train, val)):
        raise UserError(f"{len(sentences)} sentences are too few for {folds} folds")
    test = [sentences[n] for n in parts[fold]]
    return Split([others[n] for n in train], [others[n] for n in val], test)


def take_share(
    sentences: Sequence[Sentence], share: float, seed: int
) -> list[Sentence]:
    """Return a share of the sentences, at least one, in their order.

    With the same seed a smaller share is part of a larger one.
    """
    numbers = list(range(len(sentences)))
    random.Random(seed).shuffle(numbers)
    kept = sorted(numbers[: max(1, round(share * len(sentences)))])
    return [sentences[n] for n in kept]


def _format(sentences: Sequence[Sentence]) -> str:
    """Return the text of a file of columns."""
    return "\n".join(
        "".join(f"{column}\t{tag}\n" for column, tag in zip(s.columns, s.tags))
        for s in sentences
    )


def find_files(data_dir: str, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, str]:
    """Return split -> file of a folder that holds training and test data.

    Args:
        suffixes: of such files.

    Raises:
        UserError: one is missing.
    """
    found = find_splits(data_dir, suffixes)
    for name in ("train", "test"):
        if name not in found:
            raise UserError(f"{data_dir} holds no {name} file")
    return found


def _digest(paths: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with files.open_binary(path) as file:
            digest.update(file.read())
    return digest.hexdigest()


def prepare(data_set: DataSet, folder: str) -> str:
    """Return the folder of a run's train, val and test files, made where need be.

    Args:
        data_set: what they hold.
        folder: where they go where they are not the set's own.

    Raises:
        UserError: a file is missing or malformed, or `folder` was made of other data.
    """
    if data_set.is_whole:
        return data_set.data_dir
    found = find_files(data_set.data_dir)
    paths = [found[name] for name in _SPLITS if name in found]
    # Not the folder's name: the same data may lie elsewhere tomorrow.
    made_of = {**data_set._asdict(), "data_dir": None, "sha256": _digest(paths)}
    record = os.path.join(folder, SOURCE_FILE)
    if os.path.exists(record):
        if files.read_json(record) != made_of:
            raise UserError(
                f"{folder} was made of other data than {data_set.data_dir}; give "
                "another output_dir"
            )
        return folder
    split = {name: list(read_conll(path).sentences) for name, path in found.items()}
    if data_set.folds is not None:
        every = [s for name in _SPLITS for s in split.get(name, ())]
        split = split_folds(every, data_set.folds, data_set.fold)._asdict()
    if data_set.seed is not None:
        split["train"] = take_share(split["train"], data_set.train_share, data_set.seed)
    os.makedirs(folder, exist_ok=True)
    for name, sentences in split.items():
        files.write_text(os.path.join(folder, f"{name}.conll"), _format(sentences))
    files.write_json(record, made_of)
    counts = ", ".join(f"{name} {len(part)}" for name, part in split.items())
    logging.info("%s: %s sentences", folder, counts)
    return folder
