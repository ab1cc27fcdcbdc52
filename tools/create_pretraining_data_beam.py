"""Create pretraining records from raw text on Apache Beam, on one machine or many.

Flags and records are those of create_pretraining_data.py; all other flags are Beam's
pipeline options, such as --runner. Beam needs: pip install -e '.[beam]'
"""

from __future__ import annotations

import pathlib
import sys
import types
import warnings

from absl import flags, logging

# The script that it shares its flags with stands in the folder above.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import create_pretraining_data as local  # noqa: E402
from albert.base import cli  # noqa: E402
from albert.base.optional import extra  # noqa: E402

# Beam has a --num_workers of its own, and --check_only needs no cluster.
flags.FLAGS.remove_flag_values(["num_workers", "check_only"])
flags.adopt_module_key_flags(local)


def load_runner() -> types.ModuleType:
    """Import Beam, without what it has to say of the packages that it finds or not."""
    logging.set_verbosity(logging.ERROR)
    with warnings.catch_warnings(), extra("beam"):
        warnings.simplefilter("ignore")
        from albert.pretraining_data.execution import beam_runner
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
