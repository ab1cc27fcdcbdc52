"""Print the flags of a script as a table for the documents, made from its configs.

python3 tools/flag_tables.py run_ner.py
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import Any

from absl import flags

from albert.base import cli
from albert.base.errors import UserError
from albert.base.settings import REQUIRED, Setting


def collect_flags(script: str) -> dict[str, Setting]:
    """Return flag -> what it was made of, of a script, which is loaded but not run."""
    assert not cli.DEFINED
    try:
        runpy.run_path(script)
        return dict(cli.DEFINED)
    finally:  # another script has flags of the same names
        flags.FLAGS.remove_flag_values(list(cli.DEFINED))
        cli.DEFINED.clear()


def show_default(default: Any) -> str:
    """Return a default as tables have it; nothing where there is none."""
    if default is REQUIRED:
        return "required"
    if default is None or default == ():
        return ""
    return ", ".join(default) if isinstance(default, tuple) else str(default)


def format_table(found: dict[str, Setting]) -> str:
    """Return a table in Markdown, a flag a row."""
    lines = ["| flag | default | meaning |", "|---|---|---|"]
    for name, declared in found.items():
        text = declared.help.replace("|", "\\|")
        if declared.choices is not None:
            text += f" One of {', '.join(f'`{c}`' for c in declared.choices)}."
        lines.append(f"| `--{name}` | {show_default(declared.default)} | {text} |")
    return "\n".join(lines)


def main(words: list[str]) -> None:
    """Print the table of each script that is named."""
    if not words:
        raise UserError("name a script, such as run_ner.py")
    for script in words:
        if not os.path.exists(script):
            raise UserError(f"no such file: {script}")
        sys.argv = [script]
        print(format_table(collect_flags(script)))


if __name__ == "__main__":
    cli.run_main(main)
