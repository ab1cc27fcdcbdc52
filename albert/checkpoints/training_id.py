"""Which training the files of a model folder are of.

`best/` and `eval/` outlive the checkpoints of a folder that is cleaned by hand. A
training that starts anew gets an identifier of its own, kept in `model.json` and with
each best checkpoint, and what an earlier training left is moved aside.
"""

from __future__ import annotations

import os
import uuid
from typing import Any, Mapping, Optional

import tensorflow as tf
from absl import logging

from albert.base import files

METADATA_FILE = "model.json"
TRAINING_ID = "training_id"
BEST_FOLDER, EVAL_FOLDER = "best", "eval"


def read_training_id(folder: str) -> Optional[str]:
    """Return the identifier of the training in a folder, None where none is known."""
    path = os.path.join(folder, METADATA_FILE)
    if not os.path.exists(path):
        return None
    metadata = files.read_json(path)
    return metadata.get(TRAINING_ID) if isinstance(metadata, dict) else None


def is_of_training(record: Mapping[str, Any], folder: str) -> bool:
    """Whether a record, such as that of a best checkpoint, is of a folder's training.

    One that names no training (of an earlier version of this program) is.
    """
    known = (record.get(TRAINING_ID), read_training_id(folder))
    return None in known or known[0] == known[1]


def begin_or_continue(folder: str) -> str:
    """Return the identifier of the training that is about to run in a folder.

    Where the folder holds no checkpoint, it is a new one, and what an earlier training
    left of best checkpoints and evaluations is moved aside.
    """
    if tf.train.latest_checkpoint(folder) is not None:
        return read_training_id(folder) or uuid.uuid4().hex
    for name in (BEST_FOLDER, EVAL_FOLDER):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            move_aside(path)
    return uuid.uuid4().hex


def move_aside(path: str) -> None:
    """Rename a folder of another training to `<path>.old-1` or the next number."""
    number = 1
    while os.path.lexists(f"{path}.old-{number}"):
        number += 1
    os.rename(path, f"{path}.old-{number}")
    logging.warning(
        "%s is of another training than this one; it is now %s.old-%d",
        path,
        path,
        number,
    )
