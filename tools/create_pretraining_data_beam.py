"""Create pretraining records from raw text on Apache Beam, on one machine or many.

Flags and records are those of create_pretraining_data.py; all other flags are Beam's
pipeline options, such as --runner. Beam needs: pip install -e '.[beam]'
"""

from __future__ import annotations

import types
import warnings

from absl import flags, logging

import create_pretraining_data as local
from albert.base import cli
from albert.base.errors import UserError

# Beam has a --num_workers of its own, and --check_only needs no cluster.
flags.FLAGS.remove_flag_values(["num_workers", "check_only"])
flags.adopt_module_key_flags(local)


def load_runner() -> types.ModuleType:
    """Import Beam, without what it has to say of the packages that it finds or not."""
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from albert.pretraining_data.execution import beam_runner
    except ModuleNotFoundError as error:
        raise UserError(
            f"there is no module {error.name}: pip install -e '.[beam]'"
        ) from error
    logging.set_verbosity(logging.INFO)
    return beam_runner


def main(arguments: list[str]) -> None:
    beam_runner = load_runner()
    options, extra_files = beam_runner.parse_options(arguments)
    config = local.make_config(extra_files)
    local.print_report(
        beam_runner.create_pretraining_data(config, options, flags.FLAGS.resume)
    )


if __name__ == "__main__":
    flags.mark_flags_as_required(["input_file", "output_file", "vocab_file"])
    cli.run_main(main, known_only=True)
