"""Checkpoints: finding, comparing with a model, slimming, writing."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
from typing import Iterable, Mapping, NamedTuple, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints.file_trouble import find_file_trouble
from albert.checkpoints.formats import UNCHANGED, Format, map_names

v1 = tf.compat.v1

# What TensorFlow raises for a damaged checkpoint (IndexError: a short data file).
_DAMAGED = (tf.errors.OpError, ValueError, RuntimeError, IndexError)

GLOBAL_STEP = "global_step"
# optimizer -> names of its slots of a variable, as in the reference's checkpoints.
SLOTS = {"adamw": ("adam_m", "adam_v"), "lamb": ("lamb_m", "lamb_v")}
SLOT_NAMES = tuple(slot for slots in SLOTS.values() for slot in slots)
PRETRAINING_HEADS = "cls/"  # where the names of both pretraining heads begin


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


def is_training_state(name: str) -> bool:
    """Whether a variable belongs to the optimizer or the loop, not to the model."""
    return name == GLOBAL_STEP or name.rsplit("/", 1)[-1] in SLOT_NAMES


def model_variables() -> list[tf.Variable]:
    """Return what the model in the current graph is made of, trained or not.

    That is what a warm start reads, an evaluation restores and an export writes: all
    global variables but training state.
    """
    return [v for v in v1.global_variables() if not is_training_state(v.op.name)]


class InitialisationPlan(NamedTuple):
    """What a warm start takes from a checkpoint.

    Attributes:
        checkpoint: its prefix.
        loaded: variable of the model that is read from it -> its name there.
        fresh: variables of the model that it lacks; they keep their initial values.
        unused: variables of it that the model lacks, or that are training state.
    """

    checkpoint: str
    loaded: Mapping[str, str]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]


def plan_initialisation(
    model: Mapping[str, Sequence[int]], checkpoint: str, rules: Format = UNCHANGED
) -> InitialisationPlan:
    """Compare a model with a checkpoint to start from.

    Args:
        model: name -> shape of the model's variables.
        checkpoint: its prefix.
        rules: what its names are in the model, see `albert.checkpoints.formats`.

    Raises:
        UserError: no variable is shared, or the shape of a shared one differs; or the
            rules make one name of two, or ask for a transposition, which only
            `formats.convert` makes.
    """
    found = read_shapes(checkpoint)
    sources = map_names(found, rules)
    loaded = {name: sources[name].name for name in sorted(set(model) & set(sources))}
    if not loaded:
        raise UserError(
            f"checkpoint {checkpoint} shares no variable with the model: it has "
            f"{', '.join(sorted(found)[:3])}, the model {', '.join(sorted(model)[:3])}"
        )
    for name, source in loaded.items():
        if sources[name].transposed:
            raise UserError(
                f"checkpoint {checkpoint}: {source} is transposed; convert it first"
            )
        if list(found[source]) != list(model[name]):
            raise UserError(
                f"checkpoint {checkpoint}: {source} has shape {list(found[source])}, "
                f"the model's is {list(model[name])}; is it the checkpoint's config?"
            )
    return InitialisationPlan(
        checkpoint,
        loaded,
        tuple(sorted(set(model) - set(loaded))),
        tuple(sorted(set(found) - set(loaded.values()))),
    )


def check_complete(model: Mapping[str, Sequence[int]], checkpoint: str) -> None:
    """Stop unless a checkpoint holds every variable of a model in its shape.

    A Saver restores a variable of another shape without a word.

    Args:
        model: name -> shape of the model's variables.

    Raises:
        UserError: the first variable that is missing or has another shape.
    """
    plan = plan_initialisation(model, checkpoint)
    if plan.fresh:
        raise UserError(
            f"checkpoint {checkpoint} lacks {plan.fresh[0]}"
            f"{' and others' if len(plan.fresh) > 1 else ''}: it is of another model"
        )


def check_resumable(
    model: Mapping[str, Sequence[int]],
    checkpoint: str,
    optimizer: str,
    trained: Iterable[str],
) -> None:
    """Stop unless training with `optimizer` can go on from a checkpoint.

    Args:
        model: name -> shape of the model's variables.
        trained: the names of those that training updates (see
            `albert.training.step.trained_variables`); only they have slots.

    Raises:
        UserError: it is of another model, or was trained with another optimizer, or
            with one of `trained` frozen.
    """
    check_complete(model, checkpoint)
    found = read_shapes(checkpoint)
    missing = [f"{n}/{s}" for n in sorted(trained) for s in SLOTS[optimizer]]
    missing = [name for name in missing if name not in found]
    if not missing:
        return
    slots = SLOTS[optimizer]
    why = f"was not trained with {optimizer}: it lacks {missing[0]}"
    if any(name.rsplit("/", 1)[-1] in slots for name in found):
        variable = missing[0].rsplit("/", 1)[0]
        why = f"lacks {missing[0]}: {variable} was not trained before"
    raise UserError(
        f"checkpoint {checkpoint} {why}; train as before, or give another output_dir "
        "and this checkpoint as init_checkpoint"
    )


def log_plan(plan: InitialisationPlan) -> None:
    """Log what a warm start loads, and what of either side not; the rest for debug."""
    state = [name for name in plan.unused if is_training_state(name)]
    logging.info(
        "Warm start from %s: %d variables loaded", plan.checkpoint, len(plan.loaded)
    )
    for name, source in plan.loaded.items():
        logging.debug("  loaded        %s from %s", name, source)
    for name in plan.fresh:
        logging.info("  initialised   %s (not in the checkpoint)", name)
    for name in plan.unused:
        if name not in state:
            logging.info("  not loaded    %s (not in this model)", name)
    if state:
        logging.info("  not loaded    training state (%d variables)", len(state))


def initialise(plan: InitialisationPlan) -> None:
    """Make the model's initialisers read from the plan's checkpoint.

    To be called in the model's graph, in replica context under a strategy.
    """
    names = {source: name for name, source in plan.loaded.items()}
    v1.train.init_from_checkpoint(plan.checkpoint, names)


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
        try:
            session.run(save, {h: variables[n] for h, n in zip(holders, names)})
        except tf.errors.OpError as error:
            trouble = find_file_trouble(str(error))
            if trouble is None:
                raise
            raise trouble.as_error() from error


def write_state(folder: str, name: str) -> None:
    """Write the file `checkpoint`, which names the newest one beside it.

    Of a relative folder TensorFlow takes the name for one in the working directory.
    """
    v1.train.update_checkpoint_state(os.path.abspath(folder), name)


def slim_names(checkpoint: str, keep_pretraining_heads: bool = True) -> list[str]:
    """Return the names of a checkpoint's model variables, without training state.

    Raises:
        UserError: there is none.
    """
    names = [
        name
        for name in sorted(read_shapes(checkpoint))
        if not is_training_state(name)
        and (keep_pretraining_heads or not name.startswith(PRETRAINING_HEADS))
    ]
    if not names:
        raise UserError(f"checkpoint {checkpoint} holds no variable of a model")
    return names
