"""Export a trained model as a folder in the published form.

Example:
    python3 export_checkpoint.py --model_dir=my_model --output_dir=my_model_export
"""

from __future__ import annotations

from absl import flags

from albert.base import cli
from albert.base.errors import UserError
from albert.checkpoints import variables as checkpoints
from albert.checkpoints.best import choose_checkpoint
from albert.checkpoints.export import export

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "model_dir", None, "A model directory: its best checkpoint, or else its newest."
)
flags.DEFINE_string("checkpoint", None, "A checkpoint, in place of --model_dir.")
flags.DEFINE_string("output_dir", None, "The folder to make.")
flags.DEFINE_string(
    "bert_config_file", None, "The config. Default: the one beside the checkpoint."
)
flags.DEFINE_string(
    "vocab_file", None, "The vocabulary. Default: the one beside the checkpoint."
)
flags.DEFINE_bool(
    "keep_pretraining_heads", True, "Whether the variables under cls/ stay."
)
flags.DEFINE_bool("overwrite", False, "Whether an existing --output_dir is replaced.")


def main(extra_arguments: list[str]) -> None:
    """Export the checkpoint that the flags name."""
    cli.refuse_extra_arguments(extra_arguments)
    if bool(FLAGS.model_dir) == bool(FLAGS.checkpoint):
        raise UserError("give one of --model_dir and --checkpoint")
    if not FLAGS.output_dir:
        raise UserError("--output_dir must be given")
    if FLAGS.model_dir:
        checkpoint = choose_checkpoint(FLAGS.model_dir, "model_dir")
    else:
        checkpoint = checkpoints.resolve(FLAGS.checkpoint, "checkpoint")
    written = export(
        checkpoint,
        FLAGS.output_dir,
        FLAGS.bert_config_file,
        FLAGS.vocab_file,
        FLAGS.keep_pretraining_heads,
        FLAGS.overwrite,
    )
    print(f"{checkpoint} -> {FLAGS.output_dir}: {len(written)} variables")


if __name__ == "__main__":
    cli.run_main(main)
