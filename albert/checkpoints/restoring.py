"""What of a checkpoint is the model, and what a model takes from a checkpoint."""

from __future__ import annotations

from typing import Iterable, Mapping, NamedTuple, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from albert.base.errors import UserError
from albert.checkpoints.formats import UNCHANGED, Format, map_names
from albert.checkpoints.storage import GLOBAL_STEP, read_shapes, read_variables

v1 = tf.compat.v1

# optimizer -> names of its slots of a variable, as in the reference's checkpoints.
SLOTS = {"adamw": ("adam_m", "adam_v"), "lamb": ("lamb_m", "lamb_v")}
# The slot of a variable's mean over the last steps, where training keeps one: it is
# what the model is then, and the variable itself is where training goes on.
AVERAGE = "average"
SLOT_NAMES = (*(slot for slots in SLOTS.values() for slot in slots), AVERAGE)
# Where the names of pretraining heads begin, BERT's and ELECTRA's.
PRETRAINING_HEADS = ("cls/", "discriminator_predictions/", "generator_predictions/")


def is_training_state(name: str) -> bool:
    """Whether a variable belongs to the optimizer or the loop, not to the model."""
    return name == GLOBAL_STEP or name.rsplit("/", 1)[-1] in SLOT_NAMES


def model_variables() -> list[tf.Variable]:
    """Return what the model in the current graph is made of, trained or not.

    That is what a warm start reads, an evaluation restores and an export writes: all
    global variables but training state.
    """
    return [v for v in v1.global_variables() if not is_training_state(v.op.name)]


def _read_averages(found: Iterable[str]) -> dict[str, str]:
    """Return variable -> its average, of the names in a checkpoint."""
    ending = f"/{AVERAGE}"
    return {n[: -len(ending)]: n for n in found if n.endswith(ending)}


def read_model(checkpoint: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return name -> value of variables of a model: their averages, where there are.

    Args:
        names: see `slim_names`.
    """
    averages = _read_averages(read_shapes(checkpoint))
    sources = {name: averages.get(name, name) for name in names}
    values = read_variables(checkpoint, list(sources.values()))
    return {name: values[source] for name, source in sources.items()}


class InitialisationPlan(NamedTuple):
    """What a warm start takes from a checkpoint.

    Attributes:
        checkpoint: its prefix.
        loaded: variable of the model that is read from it -> its name there, that of
            its average where it has one.
        fresh: variables of the model that it lacks; they keep their initial values.
        unused: variables of it that the model lacks, or that are training state.
    """

    checkpoint: str
    loaded: Mapping[str, str]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]


# The networks of ELECTRA: where their layers begin -> what they are called.
_NETWORKS = {"electra/encoder/": "discriminator", "generator/encoder/": "generator"}


def _check_networks(
    model: Iterable[str], found: Iterable[str], checkpoint: str
) -> None:
    """Stop where a checkpoint holds the other network of ELECTRA alone.

    What both share would be loaded, and a whole network stay random.
    """
    model, found = tuple(model), tuple(found)
    wanted, present = (
        [n for n in _NETWORKS if any(name.startswith(n) for name in names)]
        for names in (model, found)
    )
    missing = [network for network in wanted if network not in present]
    if missing and present:
        raise UserError(
            f"checkpoint {checkpoint} holds a {_NETWORKS[present[0]]} alone, the model "
            f"needs a {_NETWORKS[missing[0]]} ({missing[0]}...); a checkpoint of "
            "ELECTRA's pretraining holds both"
        )


def plan_initialisation(
    model: Mapping[str, Sequence[int]], checkpoint: str, rules: Format = UNCHANGED
) -> InitialisationPlan:
    """Compare a model with a checkpoint to start from.

    Args:
        model: name -> shape of the model's variables.
        checkpoint: its prefix.
        rules: what its names are in the model, see `albert.checkpoints.formats`.

    Raises:
        UserError: no variable is shared, the shape of a shared one differs, or the
            checkpoint holds the other one of two networks alone; or the rules make one
            name of two, or ask for a transposition, which only `formats.convert` makes.
    """
    found = read_shapes(checkpoint)
    sources = map_names(found, rules)
    _check_networks(model, sources, checkpoint)
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
    averages = _read_averages(found)
    used = {name: averages.get(source, source) for name, source in loaded.items()}
    return InitialisationPlan(
        checkpoint,
        used,
        tuple(sorted(set(model) - set(loaded))),
        tuple(sorted(set(found) - set(loaded.values()) - set(used.values()))),
    )


def check_complete(
    model: Mapping[str, Sequence[int]], checkpoint: str
) -> Mapping[str, str]:
    """Return variable -> its name in a checkpoint, which must hold all in their shapes.

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
    return plan.loaded


def make_saver(sources: Mapping[str, str]) -> v1.train.Saver:
    """Return what restores the model in the current graph; see `check_complete`."""
    variables = {v.op.name: v for v in model_variables()}
    return v1.train.Saver({sources[name]: v for name, v in variables.items()})


def check_resumable(
    model: Mapping[str, Sequence[int]],
    checkpoint: str,
    optimizer: str,
    trained: Iterable[str],
    averaged: bool = False,
) -> None:
    """Stop unless training with `optimizer` can go on from a checkpoint.

    Args:
        model: name -> shape of the model's variables.
        trained: the names of those that training updates (see
            `albert.training.step.trained_variables`); only they have slots.
        averaged: whether training keeps their averages.

    Raises:
        UserError: it is of another model, or was trained with another optimizer, or
            with one of `trained` frozen; or averages are kept only there or only now.
    """
    check_complete(model, checkpoint)
    found = read_shapes(checkpoint)
    if averaged != bool(_read_averages(found)):
        raise UserError(
            f"checkpoint {checkpoint} was trained {'without' if averaged else 'with'} "
            "averages of the variables (average_decay); train as before, or give "
            "another output_dir and this checkpoint as init_checkpoint"
        )
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
