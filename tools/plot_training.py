"""Draw the learning curves of a run, from its event files to one PNG.

Example:
    python3 tools/plot_training.py --model_dir=my_model --output_file=curves.png
"""

from __future__ import annotations

import os

from absl import flags

from albert.base import cli, files
from albert.base.errors import UserError
from albert.evaluation.curves import read_curves

FLAGS = flags.FLAGS

flags.DEFINE_string("model_dir", None, "The model directory; the run may go on.")
flags.DEFINE_string(
    "output_file", None, "The picture. Default: <model_dir>/training.png."
)
flags.DEFINE_string("title", None, "Its title. Default: the folder's name.")


def main(extra_arguments: list[str]) -> None:
    """Read the curves, draw them, write the picture."""
    cli.refuse_extra_arguments(extra_arguments)
    if not FLAGS.model_dir:
        raise UserError("--model_dir must be given")
    from albert.evaluation import plotting

    output_file = FLAGS.output_file or os.path.join(FLAGS.model_dir, "training.png")
    curves = read_curves(FLAGS.model_dir)
    files.check_output_file(output_file, "output_file")
    title = FLAGS.title or os.path.basename(os.path.abspath(FLAGS.model_dir))
    plotting.save_figure(plotting.plot_curves(curves, title), output_file)
    steps = max(max(c.steps) for c in {**curves.training, **curves.held_out}.values())
    print(f"{output_file}: {steps} steps")


if __name__ == "__main__":
    cli.run_main(main)
