"""A trained model as a folder that other tools load, in the published form."""

from __future__ import annotations

import os
import shutil
from typing import Sequence

from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import guard, networks, restoring, storage
from albert.checkpoints.average import read_mean
from albert.modeling.encoder import load_encoder_config

CHECKPOINT_NAME = "albert_model.ckpt"
# Files beside a checkpoint that belong to the model; the first two are needed.
_COMPANIONS = (guard.CONFIG_FILE, guard.VOCABULARY_FILE, "labels.json")


def _find_companions(folders: list[str], given: dict[str, str]) -> dict[str, str]:
    """Return file name -> where it lies, from `given` or the first folder with it."""
    found = {}
    for name in _COMPANIONS:
        candidates = [os.path.join(folder, name) for folder in folders]
        existing = [path for path in candidates if os.path.exists(path)]
        if given.get(name):
            found[name] = given[name]
        elif existing:
            found[name] = existing[0]
    return found


def check_target(output_dir: str, checkpoint: str, mark: str, overwrite: bool) -> None:
    """Stop where making a folder would lose what is no export, or is not to be lost.

    Args:
        output_dir: the folder.
        checkpoint: what is exported.
        mark: a file that an export of this kind holds.
        overwrite: whether an export may be replaced.

    Raises:
        UserError: names the folder.
    """
    target, source = os.path.realpath(output_dir), os.path.realpath(checkpoint)
    if os.path.commonpath([target, source]) == target:
        raise UserError(
            f"{output_dir} holds the checkpoint itself; give another folder"
        )
    if os.path.islink(output_dir) or os.path.isfile(output_dir):
        raise UserError(f"{output_dir} is not a folder; give another name")
    names = os.listdir(output_dir) if os.path.isdir(output_dir) else []
    if names and mark not in names:
        raise UserError(f"{output_dir} exists and holds no export; give another folder")
    if os.path.lexists(output_dir) and not overwrite:
        raise UserError(
            f"{output_dir} exists; nothing is overwritten unless --overwrite"
        )


def _write_companions(
    folder: str, companions: dict[str, str], network: str | None, shapes: dict
) -> None:
    """Copy what belongs to a model; the config is that of `network`, if any."""
    for name, path in companions.items():
        shutil.copyfile(path, os.path.join(folder, name))
    if network is not None:
        config = load_encoder_config(companions[guard.CONFIG_FILE])
        config = networks.network_config(network, config, shapes)
        files.write_json(os.path.join(folder, guard.CONFIG_FILE), config.to_dict())


def export(
    checkpoint: str,
    output_dir: str,
    config_file: str | None = None,
    vocab_file: str | None = None,
    keep_pretraining_heads: bool = True,
    overwrite: bool = False,
    averaged: Sequence[str] = (),
    network: str | None = None,
) -> dict[str, list[int]]:
    """Write `albert_model.ckpt.*`, `checkpoint`, config and `vocab.txt` to a folder.

    Optimizer slots and the global step are left out.

    Args:
        checkpoint: prefix of the checkpoint to export.
        output_dir: the folder to make; it appears whole.
        config_file, vocab_file: where they do not lie in the checkpoint's folder or
            the one above.
        keep_pretraining_heads: whether the heads of pretraining stay.
        overwrite: whether an existing folder is replaced.
        averaged: checkpoints whose mean is exported in place of `checkpoint`, which is
            one of them.
        network: the one of ELECTRA's two to export alone, see `networks.NETWORKS`.

    Returns:
        name -> shape of the variables written.

    Raises:
        UserError: the folder exists, a companion is missing or is not the model's, or
            the checkpoint holds no model variable.
    """
    storage.check_name(output_dir, "output_dir")
    output_dir = os.path.normpath(output_dir)
    check_target(output_dir, checkpoint, f"{CHECKPOINT_NAME}.index", overwrite)
    folder = os.path.dirname(checkpoint) or "."
    parent = os.path.dirname(os.path.abspath(folder))
    given = {guard.CONFIG_FILE: config_file, guard.VOCABULARY_FILE: vocab_file}
    companions = _find_companions([folder, parent], given)
    for name, flag in zip(_COMPANIONS, ("bert_config_file", "vocab_file")):
        if name not in companions:
            raise UserError(f"no {name} beside {checkpoint}; give --{flag}")
    shapes = storage.read_shapes(checkpoint)
    names = restoring.slim_names(checkpoint, keep_pretraining_heads)
    if network is not None:
        names = networks.network_names(network, names, checkpoint)
    guard.check_companions(
        companions[guard.CONFIG_FILE],
        companions[guard.VOCABULARY_FILE],
        checkpoint,
        shapes,
    )
    temporary = f"{output_dir}.tmp-{os.getpid()}"
    try:
        os.makedirs(temporary)
        variables = read_mean(averaged or [checkpoint], names)
        storage.write_variables(os.path.join(temporary, CHECKPOINT_NAME), variables)
        storage.write_state(temporary, CHECKPOINT_NAME)
        _write_companions(temporary, companions, network, shapes)
        files.replace_folder(temporary, output_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    logging.info("Exported %d variables of %s", len(names), checkpoint)
    return {name: shapes[name] for name in names}
