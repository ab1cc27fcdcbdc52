"""What a training starts from: a checkpoint of ours, or a model of another form."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from typing import TypeVar

from absl import logging

from albert import __version__
from albert.checkpoints import convert, hub, huggingface, storage
from albert.checkpoints.export import CHECKPOINT_NAME

Config = TypeVar("Config")

_CACHE = os.path.join("albert", "converted")


def _fingerprint(folder: str) -> str:
    """Return what changes with a folder's files, or with how they are converted."""
    found = [__version__]
    for name in sorted(os.listdir(folder)):
        path = os.path.realpath(os.path.join(folder, name))
        if os.path.isfile(path):
            stat = os.stat(path)
            found.append(f"{name} {path} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:32]


def _convert(folder: str) -> str:
    """Return the prefix of a checkpoint with the weights of a folder, made once.

    It lies in the user's cache, with config and vocabulary beside it, so that these are
    checked like any other's.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    target = os.path.join(cache, _CACHE, _fingerprint(folder))
    prefix = os.path.join(target, CHECKPOINT_NAME)
    if not os.path.exists(f"{prefix}.index"):
        model = convert.read_huggingface(folder)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        notes = convert.write_whole(
            target, lambda name: convert.write_tensorflow(model, name)
        )
        for note in (*model.notes, *notes):
            logging.info("%s: %s", folder, note)
    logging.info("%s as a checkpoint: %s", folder, prefix)
    return prefix


def resolve(path: str, flag: str) -> str:
    """Return the prefix of the checkpoint that a user named, converted if need be.

    Args:
        path: as in `storage.resolve`; or a folder of Hugging Face's, or the address
            of one (see `albert.checkpoints.hub`).
        flag: the flag's name, for messages.

    Raises:
        UserError: there is no checkpoint, or it cannot be converted.
    """
    if path.startswith(hub.SCHEME):
        path = hub.download(path, flag)
    if os.path.isdir(path) and huggingface.is_folder(path):
        return _convert(path)
    return storage.resolve(path, flag)


def resolve_init(config: Config) -> Config:
    """Return a config whose `init_checkpoint`, if any, is a checkpoint's prefix.

    Raises:
        UserError: there is no checkpoint; see `resolve`.
    """
    if not config.init_checkpoint:
        return config
    found = resolve(config.init_checkpoint, "init_checkpoint")
    return dataclasses.replace(config, init_checkpoint=found)
