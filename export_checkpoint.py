"""Export a trained model as a folder in the published form.

Example:
    python3 export_checkpoint.py --model_dir=my_model --output_dir=my_model_export
"""

from __future__ import annotations

from albert.base import cli
from albert.checkpoints import storage
from albert.checkpoints.average import last_checkpoints
from albert.checkpoints.best import choose_checkpoint
from albert.checkpoints.config import ExportConfig
from albert.checkpoints.export import export

cli.define_flags(ExportConfig)


def main(words: list[str]) -> None:
    """Export the checkpoint that the flags name."""
    config = cli.read_flags(ExportConfig, words)
    averaged = []
    if config.average > 1:
        averaged = last_checkpoints(config.model_dir, config.average, "average")
        checkpoint = averaged[-1]
    elif config.model_dir:
        checkpoint = choose_checkpoint(config.model_dir, "model_dir")
    else:
        checkpoint = storage.resolve(config.checkpoint, "checkpoint")
    written = export(
        checkpoint,
        config.output_dir,
        config.config_file,
        config.vocab_file,
        config.keep_pretraining_heads,
        config.overwrite,
        averaged,
        config.network,
    )
    source = checkpoint
    if averaged:
        source = f"the mean of {len(averaged)} checkpoints up to {checkpoint}"
    print(f"{source} -> {config.output_dir}: {len(written)} variables")


if __name__ == "__main__":
    cli.run_main(main)
