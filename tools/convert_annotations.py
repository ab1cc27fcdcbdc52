"""Convert labelled text between annotation formats, and say what has no place.

python3 tools/convert_annotations.py --from=predictions --to=label_studio \
    --input_file=test_predictions.jsonl --output_file=tasks.json
"""

from __future__ import annotations

import os

from albert.base import cli, files
from albert.base.errors import UserError
from albert.tasks.ner.annotations.config import ConversionConfig
from albert.tasks.ner.annotations.convert import convert

cli.define_flags(ConversionConfig)


def main(arguments: list[str]) -> None:
    """Read the flags, convert, say what was lost."""
    cli.refuse_extra_arguments(arguments)
    config = cli.read_flags(ConversionConfig)
    files.check_output_file(config.output_file, "output_file")
    if os.path.realpath(config.input_file) == os.path.realpath(config.output_file):
        raise UserError(f"--output_file: {config.output_file} is the input file too")
    result = convert(
        config.input_file,
        config.output_file,
        config.source_format,
        config.target_format,
    )
    print(
        f"{config.output_file}: {result.documents} documents, "
        f"{result.entities} entities read"
    )
    for what, count in sorted(result.losses.items()):
        print(f"lost: {count} {what}")


if __name__ == "__main__":
    cli.run_main(main)
