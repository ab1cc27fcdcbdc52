"""What a run of several tasks is told: its files, and the tasks that a file names."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Iterable, Mapping, NamedTuple, Optional

from albert.base import files
from albert.base.errors import UserError, prefix_errors
from albert.base.settings import (
    INPUT_FILE,
    INPUT_FOLDER,
    REQUIRED,
    Settings,
    in_range,
    list_settings,
    setting,
    setting_of,
)
from albert.checkpoints.training_id import BEST_FOLDER, EVAL_FOLDER
from albert.tasks.finetuning_config import FineTuningRun, ModelSettings
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.linear_schedule import Schedule, parse_schedule

_KEYS = {"task", "data_dir", "weight", "settings"}
_NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)  # of a scope and a folder
# What a run itself writes beside the folders of the tasks.
_TAKEN = (BEST_FOLDER, EVAL_FOLDER, "checkpoint")


@dataclasses.dataclass(frozen=True)
class MultiTaskRun(Settings):
    """What a run does, and with which files."""

    tasks: str = setting(
        REQUIRED,
        "A JSON file: name -> task, data_dir, weight and settings of each task.",
        path=INPUT_FILE,
    )
    output_dir: str = setting_of(FineTuningRun, "output_dir", REQUIRED)
    config_file: str = setting_of(FineTuningRun, "config_file", REQUIRED)
    vocab_file: str = setting_of(FineTuningRun, "vocab_file", REQUIRED)
    init_checkpoint: Optional[str] = setting_of(FineTuningRun, "init_checkpoint", None)
    alpha: float = setting(
        0.5,
        "A batch is of a task in proportion to its examples to this power: 1 is by "
        "size, 0 is all alike.",
        check=in_range(low=0, high=1),
    )


class Entry(NamedTuple):
    """A task as the file names it."""

    name: str
    task_class: type[FineTuningTask]
    data_dir: str
    weight: Schedule
    settings: ModelSettings


def _read_settings(given: Any, settings_class: type[ModelSettings]) -> ModelSettings:
    """Return the settings of a task; a column may be given as a number."""
    if not isinstance(given, dict):
        raise UserError(f"settings must be an object, got {given!r}")
    known = {declared.name: declared for declared in list_settings(settings_class)}
    values = {}
    for name, value in given.items():
        if name not in known:
            raise UserError(f"there is no setting {name!r}")
        if known[name].type is str and type(value) is int:
            value = str(value)
        if known[name].path is not None and isinstance(value, str):
            value = files.resolve_path(value, known[name].path, name)
        values[name] = value
    return settings_class(**values)


def _read_entry(
    name: str, part: Any, known: Mapping[str, type[FineTuningTask]]
) -> Entry:
    """Return a task of the file; messages do not name it."""
    if not isinstance(part, dict) or set(part) - _KEYS or "data_dir" not in part:
        raise UserError(f"an object of {', '.join(sorted(_KEYS))}")
    task, folder = part.get("task", "classification"), part["data_dir"]
    if task not in list(known):
        raise UserError(f"task {task!r} is none of {', '.join(known)}")
    weight = parse_schedule(str(part.get("weight", 1)), "weight")
    settings = _read_settings(part.get("settings", {}), known[task].settings_class)
    if not isinstance(folder, str):
        raise UserError(f"data_dir must be text, got {folder!r}")
    folder = files.resolve_path(folder, INPUT_FOLDER, "data_dir")
    return Entry(name, known[task], folder, weight, settings)


def read_entries(
    path: str, classes: Iterable[type[FineTuningTask]], encoder_scope: str
) -> list[Entry]:
    """Return the tasks of a file, in its order.

    Args:
        path: a JSON file.
        classes: the kinds of tasks there are.
        encoder_scope: of the encoder's variables, beside which the heads' scopes lie.

    Raises:
        UserError: a part is missing, unknown or wrong, or every weight is 0.
    """
    known = {task_class.name: task_class for task_class in classes}
    taken = (*_TAKEN, encoder_scope)
    value = files.read_json(path)
    if not isinstance(value, dict) or not value:
        raise UserError(f"{path}: a JSON object of tasks is expected, by their names")
    entries = []
    for name, part in value.items():
        with prefix_errors(f"{path}: {name}"):
            if not _NAME.fullmatch(name):
                raise UserError("a name has letters of ASCII, digits, _ and - alone")
            if name in taken:
                raise UserError(f"a task is called none of {', '.join(taken)}")
            entries.append(_read_entry(name, part, known))
    if not any(entry.weight.start or entry.weight.end for entry in entries):
        raise UserError(f"{path}: every weight is 0")
    return entries
