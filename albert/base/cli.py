"""What the scripts share: flags made of configs, errors as one line and exit status 1.

define_flags(TrainingConfig, leave_out=["init_checkpoint"])
define_flags(ReplicaConfig)

def main(extra_arguments):
    run(read_flags(TrainingConfig), read_flags(ReplicaConfig, cluster=None))
"""

from __future__ import annotations

import functools
import logging as standard_logging
import os
import shlex
import sys
import threading
import warnings
from typing import Any, Callable, Collection, Mapping, NoReturn, Sequence, TypeVar

from absl import app, flags, logging

from albert.base import files, signals
from albert.base.errors import UserError
from albert.base.settings import INPUT_FILES, REQUIRED, Setting, list_settings
from albert.base.signals import Terminated, sigterm_raises

# The flags belong to the script that has them made, and are listed by its --help.
flags.disclaim_key_flags()

# Flag -> what it was made of.
DEFINED: dict[str, Setting] = {}

Config = TypeVar("Config")


def quiet_tensorflow() -> None:
    """Keep TensorFlow's own log to errors: it warns of every `tf.compat.v1` call.

    What goes wrong in the thread that writes event files is not shown by the thread: it
    is raised again where the file is flushed.
    """
    logger = standard_logging.getLogger("tensorflow")
    logger.setLevel("ERROR")
    logger.addFilter(lambda r: not r.getMessage().startswith("EventFileWriter"))
    show = threading.excepthook

    def show_unless_event_writer(arguments) -> None:
        if type(arguments.thread).__name__ != "_EventLoggerThread":
            show(arguments)

    threading.excepthook = show_unless_event_writer
    warnings.filterwarnings("ignore", category=UserWarning, module="tensorflow")


def fail(message: str) -> NoReturn:
    """Print one line to stderr and exit with status 1."""
    print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(1)


def parse_flags(argv: Sequence[str], known_only: bool = False) -> list[str]:
    """Parse absl flags; return the words that are no flags, wherever they stand.

    With `known_only`, flags that are not defined here are among them.

    Flags after a file name count as flags: a shell that expands
    `--input_file=a*.tfrecord` puts names between them.
    """
    flags.FLAGS.set_gnu_getopt(True)
    try:
        return flags.FLAGS(list(argv), known_only)
    except (flags.Error, ValueError) as error:
        fail(str(error))
    except SystemExit:  # absl has shown the help, and calls that a failure
        sys.exit(0)


def define_flags(
    config_class: type,
    only: Collection[str] | None = None,
    leave_out: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Define a flag for each setting of a config; see `albert.base.settings`.

    Args:
        config_class: a dataclass of settings.
        only: the fields to define, where not all.
        leave_out: fields not to define; the config's default holds, or what
            `read_flags` is given.
        defaults: field -> default of this script, where it is not the config's.

    A setting that two configs inherit from a third is one flag. That of a sequence of
    words, not of files, may be given several times.
    """
    defaults = defaults or {}
    declared = {s.name: s for s in list_settings(config_class)}
    assert {*(only or ()), *leave_out, *defaults} <= set(declared), config_class
    for name, found in declared.items():
        if name in leave_out or (only is not None and name not in only):
            continue
        shown = found._replace(default=defaults.get(name, found.default))
        if DEFINED.get(found.flag) != shown:
            _define_flag(shown)
            DEFINED[found.flag] = shown


def _define_flag(declared: Setting) -> None:
    default = None if declared.default is REQUIRED else declared.default
    if declared.sequence:
        default = ",".join(default or ()) or None
    name, text = declared.flag, declared.help
    if declared.sequence and declared.path is None:
        flags.DEFINE_multi_string(name, default, text)
    elif declared.choices is not None and not declared.sequence:
        flags.DEFINE_enum(name, default, declared.choices, text)
    elif declared.sequence or declared.type is str:
        flags.DEFINE_string(name, default, text)
    elif declared.type is bool:
        flags.DEFINE_bool(name, default, text)
    elif declared.type is int:
        flags.DEFINE_integer(name, default, text)
    else:
        flags.DEFINE_float(name, default, text)


def read_flags(
    config_class: type[Config], words: Sequence[str] = (), /, **given: Any
) -> Config:
    """Return a config with the values of its flags.

    Paths have their `~` expanded, and inputs must exist. A field whose flag was not
    defined has its default.

    Args:
        config_class: a dataclass of settings.
        words: those on the command line that belong to no flag. They are further files
            for the first setting that is INPUT_FILES: a shell that expands
            `--input_file=a*.txt` leaves all names but the first over.
        given: values of fields that do not come from flags.

    Raises:
        UserError: a required flag is missing, a file does not exist, words are left, or
            the config refuses a value.
    """
    values = {}
    for declared in list_settings(config_class):
        if declared.name in given or declared.flag not in DEFINED:
            continue
        if declared.path == INPUT_FILES:
            values[declared.name] = _read_input_files(declared, words)
            words = ()
        else:
            values[declared.name] = _read_flag(declared)
    refuse_extra_arguments(words)
    return config_class(**values, **given)


def _read_flag(declared: Setting) -> Any:
    value = flags.FLAGS[declared.flag].value
    if isinstance(value, list):  # `--name=a --name=b` is `--name=a,b`
        value = ",".join(value)
    if declared.default is REQUIRED and value in (None, ""):
        raise UserError(f"--{declared.flag} must be given")
    if value in (None, "") and (declared.optional or declared.sequence):
        return () if declared.sequence else None
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    parts = parts if declared.sequence else [value]
    for number, part in enumerate(parts):
        _check_text(part, declared.flag)
        if declared.path is not None:
            parts[number] = files.resolve_path(part, declared.path, declared.flag)
    return tuple(parts) if declared.sequence else parts[0]


def _read_input_files(declared: Setting, words: Sequence[str]) -> tuple[str, ...]:
    value = flags.FLAGS[declared.flag].value
    if not value and not words and declared.default is not REQUIRED:
        return ()
    if not value:
        raise UserError(f"--{declared.flag} must be given")
    for word in words:
        if not os.path.exists(word):
            raise UserError(
                f"unexpected argument {word!r}: there is no such file for "
                f"--{declared.flag}, and flags are given as --name=value"
            )
    found = files.expand_globs([value, *words], declared.flag)
    for path in found:
        _check_text(path, declared.flag)
    return tuple(found)


def _check_text(value: str, flag: str) -> None:
    """Raise UserError for a value with bytes that are not UTF-8, as file names may."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"--{flag}: {value!r} is not UTF-8: rename it") from error


def given_flags(config_class: type, only: Collection[str] | None = None) -> dict:
    """Return field -> value of the settings whose flags stand on the command line.

    Args:
        config_class: a dataclass of settings.
        only: the fields to look at, where not all.
    """
    return {
        declared.name: _read_flag(declared)
        for declared in list_settings(config_class)
        if (only is None or declared.name in only)
        and declared.flag in DEFINED
        and flags.FLAGS[declared.flag].present
    }


def run_main(main: Callable[[list[str]], None], known_only: bool = False) -> None:
    """Run `main(extra_arguments)` as a script; see `parse_flags` for `known_only`.

    `UserError` and `OSError` (a missing file, a full disk) end in one line and exit
    status 1; any other exception is a defect of the program and keeps its traceback.
    SIGTERM and Ctrl-C end as `albert.base.signals` says.
    """

    def guarded(argv: Sequence[str]) -> None:
        logging.set_verbosity(logging.INFO)
        logging.use_absl_handler()
        quiet_tensorflow()
        for stream in (sys.stdout, sys.stderr):  # Chinese under a Latin locale
            stream.reconfigure(errors="backslashreplace")
        try:
            with sigterm_raises():
                main(list(argv[1:]))
        except UserError as error:
            fail(str(error))
        except UnicodeEncodeError as error:  # of a folder, say, that no flag names
            if error.reason != "surrogates not allowed":
                raise
            fail(f"{error.object!r} is not UTF-8: rename it")
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            fail(f"{error.strerror or error}{where}")
        except Terminated:
            end_stopped("SIGTERM")
        except KeyboardInterrupt:
            end_stopped("SIGINT")

    parser = functools.partial(parse_flags, known_only=known_only)
    app.run(guarded, flags_parser=parser)


def end_stopped(reason: str, message: str | None = None) -> NoReturn:
    """Say that a signal has stopped this run, and end as `signals.end_stopped` does.

    Args:
        reason: the signal's name, or what else has stopped it.
        message: what to say; None for the command that goes on.
    """
    print(message or _say_stopped(reason))
    signals.end_stopped(reason)


def end_at_once(reason: str) -> NoReturn:
    """End as `end_stopped` does, from a thread, whatever the main thread waits for."""
    print(_say_stopped(reason), flush=True)
    signals.end_at_once(reason)


def _say_stopped(reason: str) -> str:
    return f"Stopped by {reason}. To go on: {command_line()}"


def command_line() -> str:
    """Return the command that ran this script, to be given to a shell again."""
    return shlex.join(["python3", *sys.argv])


def refuse_extra_arguments(arguments: Sequence[str]) -> None:
    """Raise UserError for words on the command line that belong to no flag."""
    if arguments:
        raise UserError(
            f"unexpected argument {arguments[0]!r}; every argument is a flag "
            "--name=value (quote a value that holds spaces or *)"
        )
