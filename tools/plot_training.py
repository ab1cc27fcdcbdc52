"""Draw the learning curves of a run, from its event files to one PNG.

Example:
    python3 tools/plot_training.py --model_dir=my_model --output_file=curves.png
"""

from __future__ import annotations

import os

from albert.base import cli, files
from albert.evaluation.config import CurvesConfig
from albert.evaluation.curves import read_curves

cli.define_flags(CurvesConfig)


def main(words: list[str]) -> None:
    """Read the curves, draw them, write the picture."""
    from albert.evaluation import plotting  # an extra: missing, it is one line

    config = cli.read_flags(CurvesConfig, words)
    output_file = config.output_file or os.path.join(config.model_dir, "training.png")
    curves = read_curves(config.model_dir)
    files.check_output_file(output_file, "output_file")
    title = config.title or os.path.basename(os.path.abspath(config.model_dir))
    plotting.save_figure(plotting.plot_curves(curves, title), output_file)
    steps = max(max(c.steps) for c in {**curves.training, **curves.held_out}.values())
    print(f"{output_file}: {steps} steps")


if __name__ == "__main__":
    cli.run_main(main)
