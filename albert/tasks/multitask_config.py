"""What a run of several tasks is told: its files, and the tasks that a file names."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Iterable, Mapping, NamedTuple, Optional

from albert.base import files
from albert.base.errors import UserError
from albert.base.settings import (
    INPUT_FILE,
    REQUIRED,
    Settings,
    in_range,
    setting,
    setting_of,
)
from albert.tasks.finetuning_config import FineTuningRun
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.linear_schedule import Schedule, parse_schedule

_KEYS = {"task", "data_dir", "weight", "settings"}
_NAME = re.compile(r"[A-Za-z][\w-]*")  # of a scope and a folder


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
    settings: Mapping[str, Any]


def read_entries(path: str, classes: Iterable[type[FineTuningTask]]) -> list[Entry]:
    """Return the tasks of a file, in its order.

    Raises:
        UserError: a part is missing, unknown or wrong, or every weight is 0.
    """
    known = {task_class.name: task_class for task_class in classes}
    value = files.read_json(path)
    if not isinstance(value, dict) or not value:
        raise UserError(f"{path}: a JSON object of tasks is expected, by their names")
    entries = []
    for name, part in value.items():
        where = f"{path}: {name}"
        if not _NAME.fullmatch(name):
            raise UserError(f"{where}: a name has letters, digits, _ and - alone")
        if not isinstance(part, dict) or set(part) - _KEYS or "data_dir" not in part:
            raise UserError(f"{where}: an object of {', '.join(sorted(_KEYS))}")
        task = part.get("task", "classification")
        if task not in known:
            raise UserError(f"{where}: task {task!r} is none of {', '.join(known)}")
        weight = parse_schedule(str(part.get("weight", 1)), f"{where}: weight")
        settings = part.get("settings", {})
        fields = {f.name for f in dataclasses.fields(known[task].settings_class)}
        for unknown in sorted(set(settings) - fields):
            raise UserError(f"{where}: there is no setting {unknown!r}")
        entries.append(Entry(name, known[task], part["data_dir"], weight, settings))
    if not any(entry.weight.start or entry.weight.end for entry in entries):
        raise UserError(f"{path}: every weight is 0")
    return entries
