"""Checkpoints as files: finding, reading and writing them."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import shutil
from typing import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints.file_trouble import find_file_trouble

v1 = tf.compat.v1

# What TensorFlow raises for a damaged checkpoint (IndexError: a short data file).
_DAMAGED = (tf.errors.OpError, ValueError, RuntimeError, IndexError)

GLOBAL_STEP = "global_step"


def check_name(path: str, flag: str) -> None:
    """Stop where TensorFlow would take a checkpoint's name for a pattern.

    It finds no checkpoint there then, or removes those of other folders.
    """
    if re.search(r"[*?\[\]\\]", path):
        raise UserError(
            f"--{flag}: {path!r} holds one of * ? [ ] \\, which TensorFlow takes for a "
            "pattern in the names of checkpoints; rename the folder"
        )


def resolve(path: str, flag: str) -> str:
    """Return the prefix of the checkpoint that a user named.

    Args:
        path: a prefix ("albert_model.ckpt"), the .index file, or a folder, of which
            the newest checkpoint is meant.
        flag: the flag's name, for messages.

    Raises:
        UserError: there is no checkpoint.
    """
    check_name(path, flag)
    prefix = path[: -len(".index")] if path.endswith(".index") else path
    if os.path.isdir(prefix):
        newest = tf.train.latest_checkpoint(prefix)
        if not newest:
            raise UserError(f"--{flag}: the folder {prefix} holds no checkpoint")
        prefix = newest
    if not os.path.exists(f"{prefix}.index"):
        raise UserError(
            f"--{flag}: no checkpoint {prefix}: {prefix}.index does not exist"
        )
    if not glob.glob(f"{glob.escape(prefix)}.data-*"):
        raise UserError(f"--{flag}: checkpoint {prefix} lacks its .data file")
    return prefix


def read_shapes(checkpoint: str) -> dict[str, list[int]]:
    """Return name -> shape of everything in a checkpoint; UserError if unreadable."""
    try:
        return dict(tf.train.list_variables(checkpoint))
    except _DAMAGED as error:
        raise UserError(f"checkpoint {checkpoint} cannot be read: {error}") from error


def read_variables(checkpoint: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return name -> value of some variables of a checkpoint."""
    try:
        reader = tf.train.load_checkpoint(checkpoint)
        return {name: reader.get_tensor(name) for name in names}
    except _DAMAGED as error:
        raise UserError(f"checkpoint {checkpoint} cannot be read: {error}") from error


def identify_values(checkpoint: str) -> str:
    """Return what tells the values in a checkpoint from others, a hex digest.

    It is the SHA-256 of the index, which holds a CRC-32C of each variable: that takes
    no time however large the variables are. Files that hold other variables beside
    equal ones differ in it too.
    """
    with open(f"{checkpoint}.index", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def latest_step(model_dir: str) -> int | None:
    """Return the global step of the newest checkpoint in a folder, None without one."""
    newest = tf.train.latest_checkpoint(model_dir)
    if newest is None:
        return None
    return int(read_variables(newest, [GLOBAL_STEP])[GLOBAL_STEP])


def remove_unfinished(model_dir: str) -> None:
    """Remove what a run that was killed, or met a full disk, left of checkpoints."""
    folder = glob.escape(model_dir)
    for path in glob.glob(os.path.join(folder, "model.ckpt-*_temp")):
        shutil.rmtree(path, ignore_errors=True)
    for path in glob.glob(os.path.join(folder, "model.ckpt-*.meta.tmp*")):
        with contextlib.suppress(OSError):
            os.unlink(path)


@contextlib.contextmanager
def raising_file_errors() -> Iterator[None]:
    """Let file operations of TensorFlow that fail raise OSError, as Python's do."""
    try:
        yield
    except tf.errors.OpError as error:
        trouble = find_file_trouble(str(error))
        if trouble is None:
            raise
        raise trouble.as_error() from error


def write_variables(prefix: str, variables: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint of `variables` under `prefix` (.index and .data files).

    Raises:
        OSError: a file cannot be written.
    """
    with tf.Graph().as_default(), v1.Session() as session:
        names = sorted(variables)
        holders = [
            v1.placeholder(variables[n].dtype, variables[n].shape) for n in names
        ]
        save = tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=holders,
        )
        with raising_file_errors():
            session.run(save, {h: variables[n] for h, n in zip(holders, names)})


def write_state(folder: str, name: str) -> None:
    """Write the file `checkpoint`, which names the newest one beside it.

    Of a relative folder TensorFlow takes the name for one in the working directory.
    """
    v1.train.update_checkpoint_state(os.path.abspath(folder), name)
