"""What a training starts from: a checkpoint of ours, or a model of another form."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import socket
from typing import TypeVar

import tensorflow as tf
from absl import logging

from albert import __version__
from albert.base.errors import UserError
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


def _put_in_place(own: str, target: str, prefix: str) -> None:
    """Rename a folder to `target`, unless another process was quicker.

    That one's checkpoint is the same, and may be being read.
    """
    try:
        os.rename(own, target)  # fails where a folder stands that is not empty
    except OSError as error:
        shutil.rmtree(own, ignore_errors=True)
        if not os.path.exists(f"{prefix}.index"):
            raise UserError(f"{target} holds no checkpoint; remove it") from error


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
        own = f"{target}.{socket.gethostname()}-{os.getpid()}"
        notes = convert.write_whole(
            own, lambda name: convert.write_tensorflow(model, name)
        )
        _put_in_place(own, target, prefix)
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


def resolve_init(config: Config, trains: bool) -> Config:
    """Return a config whose `init_checkpoint`, if any, is a checkpoint's prefix.

    It is None where nothing is taken from it: a run that goes on needs neither the
    network nor the folder that its first one started from. To be called after the
    devices are set up, since a conversion computes.

    Args:
        config: names `init_checkpoint` and `output_dir`.
        trains: whether this process trains.

    Raises:
        UserError: there is no checkpoint; see `resolve`.
    """
    if not config.init_checkpoint:
        return config
    if not trains:
        return dataclasses.replace(config, init_checkpoint=None)
    if tf.train.latest_checkpoint(config.output_dir) is not None:
        logging.info("init_checkpoint is not read again in a resumed run")
        return dataclasses.replace(config, init_checkpoint=None)
    found = resolve(config.init_checkpoint, "init_checkpoint")
    return dataclasses.replace(config, init_checkpoint=found)
