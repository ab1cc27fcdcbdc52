"""What the scripts share: parsing flags, and errors as one line and exit status 1."""

from __future__ import annotations

import functools
import logging as standard_logging
import shlex
import sys
import threading
import warnings
from typing import Callable, NoReturn, Sequence

from absl import app, flags, logging

from albert.base.errors import UserError


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
    """Parse absl flags; what is no flag stays, wherever it stands (see `app.run`).

    With `known_only`, so do the flags that are not defined here.

    Flags after a file name count as flags: a shell that expands
    `--input_file=a*.tfrecord` puts names between them.
    """
    flags.FLAGS.set_gnu_getopt(True)
    try:
        return flags.FLAGS(list(argv), known_only)
    except flags.Error as error:
        if any(a.lstrip("-").startswith("help") for a in argv[1:]):
            raise
        fail(str(error))


def run_main(main: Callable[[list[str]], None], known_only: bool = False) -> None:
    """Run `main(extra_arguments)` as a script; see `parse_flags` for `known_only`.

    `UserError` and `OSError` (a missing file, a full disk) end in one line and exit
    status 1; any other exception is a defect of the program and keeps its traceback.
    """

    def guarded(argv: Sequence[str]) -> None:
        logging.set_verbosity(logging.INFO)
        logging.use_absl_handler()
        quiet_tensorflow()
        for stream in (sys.stdout, sys.stderr):  # Chinese under a Latin locale
            stream.reconfigure(errors="backslashreplace")
        try:
            main(list(argv[1:]))
        except UserError as error:
            fail(str(error))
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            fail(f"{error.strerror or error}{where}")
        except KeyboardInterrupt:
            fail("interrupted")

    parser = functools.partial(parse_flags, known_only=known_only)
    app.run(guarded, flags_parser=parser)


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
