"""Configurations that declare each setting once: type, default, help and checks.

    @dataclasses.dataclass(frozen=True)
    class ScheduleConfig(Settings):
        output_dir: str = setting(REQUIRED, "The model directory.", path=ANY_PATH)
        steps: int = setting(100, "Steps in all.", check=at_least(1))

`albert.base.cli` makes the flags --output_dir and --steps of it, with their types,
defaults and help; the checks hold for every caller. A field without `setting` is no
flag: its value comes from the program.
"""

from __future__ import annotations

import dataclasses
import functools
import numbers
import os
import typing
from typing import Any, Callable, Optional, Sequence

from albert.base.checks import check_choice, check_range
from albert.base.errors import UserError


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()  # in place of a default: the flag must be given

# What a path stands for; `albert.base.files.resolve_path` acts on it.
ANY_PATH = "any path"
INPUT_FILE = "a file that exists"
INPUT_FILES = "files that exist: names and globs, separated by commas"
INPUT_FOLDER = "a folder that exists"

# Type of a setting -> the values it takes, and what they are called. A file of JSON
# gives any; NumPy's numbers are numbers, and a path may be an object.
_VALUES = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    str: ((str, os.PathLike), "text"),
}

_KEY = "setting"
_LARGEST = 2**63 - 1  # TensorFlow counts in 64 bits
_LARGEST_SEED = 2**31 - 1  # NumPy takes no negative seed, and none above 32 bits

Check = Callable[[str, Any], None]


class Setting(typing.NamedTuple):
    """A field as it was declared.

    Attributes:
        name: of the field.
        flag: of its flag, and what messages call it.
        type: bool, int, float or str; that of the elements, for a sequence.
        sequence: whether the value is a tuple; the flag separates by commas.
        optional: whether None is a value: "not given".
        default: of the field; REQUIRED where there is none.
        help: for the person who gives the flag.
        check: called with flag and value (each value of a sequence), not for None.
        choices: the values there are, or None for any.
        path: one of the kinds above where the value is a path, or else None.
    """

    name: str
    flag: str
    type: type
    sequence: bool
    optional: bool
    default: Any
    help: str
    check: Optional[Check]
    choices: Optional[tuple[str, ...]]
    path: Optional[str]


def setting(
    default: Any,
    help: str,
    *,
    check: Optional[Check] = None,
    choices: Optional[Sequence[str]] = None,
    flag: Optional[str] = None,
    path: Optional[str] = None,
) -> Any:
    """Return a dataclass field that is a setting, and so can be a flag.

    Args:
        default: of field and flag, or REQUIRED.
        help, check, choices, path: see `Setting`.
        flag: the flag's name where it is not the field's.
    """
    declared = {
        "default": default,
        "help": help,
        "check": check,
        "choices": None if choices is None else tuple(choices),
        "flag": flag,
        "path": path,
    }
    return _make_field(declared)


def _make_field(declared: dict[str, Any]) -> Any:
    # Python 3.9 wants fields without a default first; None is refused when checked.
    default = None if declared["default"] is REQUIRED else declared["default"]
    return dataclasses.field(default=default, metadata={_KEY: declared})


def setting_of(config_class: type, name: str, default: Any, help: str = "") -> Any:
    """Return a field that is declared as another config's, with its own default.

    Args:
        config_class: the other config.
        name: its field.
        default: as for `setting`.
        help: in place of the other's help, where that would mislead.
    """
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    declared = fields[name].metadata[_KEY]
    own = {"default": default, "help": help or declared["help"]}
    return _make_field({**declared, **own})


def in_range(
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
) -> Check:
    """Return a check that a number lies in a range; see `check_range`."""
    return functools.partial(
        check_range, low=low, high=high, low_open=low_open, high_open=high_open
    )


def is_seed() -> Check:
    """Return a check that a number is a seed that all who draw with it accept."""
    return in_range(0, _LARGEST_SEED)


def at_least(low: float) -> Check:
    """Return a check that a number is `low` or more."""
    return in_range(low=low)


def above(low: float) -> Check:
    """Return a check that a number is more than `low`."""
    return in_range(low=low, low_open=True)


@functools.cache
def list_settings(config_class: type) -> tuple[Setting, ...]:
    """Return the settings among the fields of a dataclass, in their order."""
    hints = typing.get_type_hints(config_class)
    found = []
    for field in dataclasses.fields(config_class):
        declared = field.metadata.get(_KEY)
        if declared is not None:
            values = {**declared, "flag": declared["flag"] or field.name}
            kind, sequence, optional = _take_apart(hints[field.name])
            found.append(
                Setting(
                    name=field.name,
                    type=kind,
                    sequence=sequence,
                    optional=optional,
                    **values,
                )
            )
    return tuple(found)


def _take_apart(hint: Any) -> tuple[type, bool, bool]:
    """Return type, whether a sequence, whether optional of Optional[int] and such."""
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Union:
        kind, sequence, _ = _take_apart(next(x for x in inner if x is not type(None)))
        return kind, sequence, True
    if typing.get_origin(hint) is tuple:
        return inner[0], True, False
    assert hint in (bool, int, float, str), hint
    return hint, False, False


class Settings:
    """Base of a frozen dataclass of settings: checks each, then calls `validate`."""

    def __post_init__(self) -> None:
        """Raise UserError for the first setting whose value breaks its rule."""
        for declared in list_settings(type(self)):
            check_setting(declared, getattr(self, declared.name))
        self.validate()

    def validate(self) -> None:
        """Check what concerns several settings at once; UserError names them."""


def _check_type(declared: Setting, value: Any) -> None:
    kinds, words = _VALUES[declared.type]
    is_bool = isinstance(value, bool)  # which Python takes for a whole number
    if is_bool != (declared.type is bool) or not isinstance(value, kinds):
        raise UserError(f"{declared.flag} must be {words}, got {value!r}")


def check_setting(declared: Setting, value: Any) -> None:
    """Raise UserError unless a setting may have this value."""
    if value is None and declared.optional:
        return
    if declared.default is REQUIRED and value in (None, "", ()):
        raise UserError(f"--{declared.flag} must be given")
    if declared.sequence and not isinstance(value, (list, tuple)):
        raise UserError(f"{declared.flag} must be a list, got {value!r}")
    for one in value if declared.sequence else (value,):
        _check_type(declared, one)
        if declared.choices is not None:
            check_choice(declared.flag, one, declared.choices)
        if declared.type is int:
            check_range(declared.flag, one, low=-_LARGEST, high=_LARGEST)
        if declared.check is not None:
            declared.check(declared.flag, one)
