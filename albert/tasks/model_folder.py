"""The folder of a fine-tuned model: `labels.json`, and what must fit together.

The folder holds, beside what training writes there, the labels and settings of the
model, so that it can predict by itself.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import types
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import tensorflow as tf

from albert.base import files
from albert.base.compare import first_difference
from albert.base.errors import UserError
from albert.base.settings import list_settings
from albert.checkpoints import guard
from albert.checkpoints.storage import check_name
from albert.checkpoints.training_id import BEST_FOLDER, METADATA_FILE
from albert.modeling.encoder import load_encoder_config
from albert.tasks.finetuning_config import FineTuningRun, ModelSettings
from albert.tasks.finetuning_task import FineTuningTask
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import identify, load_vocabulary

LABELS_FILE = "labels.json"
_FACTS = "facts"
COMPANIONS = (*guard.COMPANIONS, LABELS_FILE)


class StoredModel(NamedTuple):
    """What `labels.json` says of a model."""

    labels: Any
    settings: ModelSettings


def save_labels(
    output_dir: str,
    task: FineTuningTask,
    facts: Mapping[str, str] = types.MappingProxyType({}),
) -> None:
    """Write the labels and settings of a model to its folder.

    Args:
        facts: what files of its scores say beside these.
    """
    value = {**describe_model(task), _FACTS: dict(facts)}
    files.write_json(os.path.join(output_dir, LABELS_FILE), value)


def describe_model(task: FineTuningTask) -> dict[str, Any]:
    """Return the labels and settings of a model as JSON values."""
    return {
        "task": task.name,
        **task.labels_to_json(task.labels),
        "config": _settings_as_json(task.settings),
    }


def _settings_as_json(settings: ModelSettings) -> dict[str, Any]:
    """Return settings without the folders of files: what is in them is kept itself."""
    value = dataclasses.asdict(settings)
    for declared in list_settings(type(settings)):
        if declared.path is not None and value[declared.name]:
            value[declared.name] = os.path.basename(value[declared.name])
    return value


def load_labels(folder: str, task_class: type[FineTuningTask]) -> Optional[StoredModel]:
    """Return what `save_labels` wrote, None where there is nothing.

    Raises:
        UserError: it is not what it should be, or of another task.
    """
    path = os.path.join(folder, LABELS_FILE)
    if not os.path.exists(path):
        return None
    value = files.read_json(path)
    try:
        name = value.get("task", task_class.name)  # absent in the first models of NER
        if name == task_class.name:
            settings = task_class.settings_class(**value["config"])
            return StoredModel(task_class.labels_from_json(value), settings)
    except (AttributeError, KeyError, TypeError, UserError) as error:
        raise UserError(f"{path} does not hold a model's labels: {error}") from error
    raise UserError(f"{folder} holds a model of the task {name}")


def load_facts(folder: str) -> Optional[Mapping[str, str]]:
    """Return the facts that `save_labels` wrote; None where there are no labels.

    Also for labels of an earlier version, which kept no facts.
    """
    path = os.path.join(folder, LABELS_FILE)
    return files.read_json(path).get(_FACTS) if os.path.exists(path) else None


def choose_facts(folder: str, facts: Mapping[str, str]) -> Mapping[str, str]:
    """Return the facts of a model to be trained: its own, where training goes on."""
    goes_on = tf.train.latest_checkpoint(folder) is not None
    stored = load_facts(folder) if goes_on else None
    return facts if stored is None else stored


def has_checkpoint(folder: str) -> bool:
    """Whether a folder holds a checkpoint, its best one in `best/` included."""
    folders = (folder, os.path.join(folder, BEST_FOLDER))
    return any(tf.train.latest_checkpoint(f) is not None for f in folders)


def describe_folder(folder: str) -> str:
    """Return what a folder holds that is no fine-tuned model, for a message."""
    if not os.path.isdir(folder):
        return "there is no such folder"
    names = sorted(os.listdir(folder))
    if not names:
        return "the folder is empty"
    if LABELS_FILE in names:
        return f"it has {LABELS_FILE}, but no checkpoint: training had not saved one"
    if has_checkpoint(folder):
        made = "pretraining" if METADATA_FILE in names else "an export of it"
        return (
            f"its checkpoint is an encoder from {made}, or the model's {LABELS_FILE} "
            "is missing"
        )
    if glob.glob(os.path.join(glob.escape(folder), "*.index")):
        return "it has checkpoints, but no file `checkpoint` that names the newest"
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"it has {shown}, but no checkpoint"


def _show(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _check_same(
    folder: str,
    stored: StoredModel,
    new: StoredModel,
    task_class: type[FineTuningTask],
) -> None:
    """Stop when a model directory was trained for other labels or otherwise."""
    fixed = [
        {
            **task_class.labels_to_json(model.labels),
            **{n: getattr(model.settings, n) for n in task_class.fixed_settings},
        }
        for model in (stored, new)
    ]
    difference = first_difference(*fixed)
    if difference is not None:
        name, before, now = difference
        if isinstance(before, dict) or isinstance(now, dict):
            raise UserError(
                f"{folder} holds a model with another {name}; give another output_dir "
                f"or the same {name}"
            )
        raise UserError(
            f"{folder} holds a model with {name} {_show(before)}, this run has "
            f"{_show(now)}; give another output_dir or the same {name}"
        )


def choose_settings(
    task_class: type[FineTuningTask], run: FineTuningRun, given: Mapping[str, Any]
) -> ModelSettings:
    """Return the settings with which data files are read; arguments as `open_model`.

    In training those that the user named and the defaults; else those of the trained
    model, where there is one, in place of the defaults.
    """
    stored = None if run.do_train else load_labels(run.model_folder, task_class)
    if stored is None:
        return task_class.settings_class(**given)
    return dataclasses.replace(stored.settings, **given)


def choose_labels(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    given: Mapping[str, Any],
    train_file: Any,
) -> StoredModel:
    """Return labels and settings: of the training data, or of the trained model.

    Arguments as those of `open_model`.

    Raises:
        UserError: there is no model to use, or one that was trained otherwise, or the
            folder's name is a pattern to TensorFlow.
    """
    folder = run.model_folder
    check_name(folder, run.model_flag)
    trained = has_checkpoint(folder)
    if train_file is not None:  # it may start anew beside an old best checkpoint
        trained = tf.train.latest_checkpoint(folder) is not None
    stored = load_labels(folder, task_class) if trained else None
    if train_file is not None:
        settings = task_class.settings_class(**given)
        labels = task_class.collect_labels(train_file)
        labels = task_class.complete_labels(labels, train_file, settings)
        if stored is not None:
            labels = task_class.continue_labels(labels, stored.labels)
        model = StoredModel(labels, settings)
    elif stored is not None:
        settings = dataclasses.replace(stored.settings, **given)
        model = stored._replace(settings=settings)
    else:
        raise UserError(
            f"--{run.model_flag}: {folder} holds no trained model: "
            f"{describe_folder(folder)}; give --do_train, or the folder of one"
        )
    if stored is not None:
        _check_same(folder, stored, model, task_class)
    return model


def open_trained(
    task_class: type[FineTuningTask], folder: str, flag: str = "model_dir"
) -> FineTuningTask:
    """Return the trained model of a folder; see `open_model`.

    Args:
        flag: names the folder in messages.
    """
    check_name(folder, flag)
    stored = load_labels(folder, task_class) if has_checkpoint(folder) else None
    if stored is None:
        raise UserError(
            f"--{flag}: {folder} holds no trained model: {describe_folder(folder)}"
        )
    return _put_together(
        task_class,
        stored,
        os.path.join(folder, guard.CONFIG_FILE),
        os.path.join(folder, guard.VOCABULARY_FILE),
        [tf.train.latest_checkpoint(folder)],
    )


def open_model(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    given: Mapping[str, Any],
    train_file: Any = None,
) -> FineTuningTask:
    """Return the model to train, or the trained one; check that all fits together.

    Args:
        task_class: the task.
        run: names the folder, config and vocabulary.
        given: settings of the model that the user named; the others are the defaults
            in training, and the model's own without.
        train_file: the training data, None where the trained model is to be used.

    Raises:
        UserError: there is no model to use, or one that was trained otherwise; a file
            is missing or wrong; the vocabulary or config is not the one that lies
            beside the checkpoint.
    """
    model = choose_labels(task_class, run, given, train_file)
    folder = run.model_folder
    config_file = run.config_file or os.path.join(folder, guard.CONFIG_FILE)
    vocab_file = run.vocab_file or os.path.join(folder, guard.VOCABULARY_FILE)
    checkpoints = [tf.train.latest_checkpoint(folder), run.init_checkpoint]
    return _put_together(task_class, model, config_file, vocab_file, checkpoints)


def _put_together(
    task_class: type[FineTuningTask],
    model: StoredModel,
    config_file: str,
    vocab_file: str,
    checkpoints: Sequence[Optional[str]],
) -> FineTuningTask:
    """Return a model; check config and vocabulary against those of its checkpoints."""
    encoder = load_encoder_config(config_file, "bert_config_file")
    vocabulary = load_vocabulary(vocab_file)
    guard.check_vocabulary_size(identify(vocabulary), encoder)
    for checkpoint in checkpoints:
        if checkpoint:
            guard.check_pair(encoder, vocabulary, checkpoint)
    guard.check_length(model.settings.max_seq_length, encoder)
    tokenizer = Tokenizer(vocabulary, model.settings.do_lower_case)
    return task_class(model.settings, model.labels, tokenizer, encoder)
