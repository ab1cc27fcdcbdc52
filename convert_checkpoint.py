"""Convert a model between this project's checkpoints, Google's and Hugging Face's.

Example:
    python3 convert_checkpoint.py --from=my_model --to=my_model_hf
    python3 convert_checkpoint.py --from=hf://owner/name --to=bert
"""

from __future__ import annotations

import os

from albert.base import cli
from albert.checkpoints import convert, hub, huggingface
from albert.checkpoints.best import choose_checkpoint
from albert.checkpoints.config import ConversionConfig
from albert.checkpoints.storage import resolve
from albert.tasks.ner.foreign_labels import arrange_labels, check_held_elsewhere

cli.define_flags(ConversionConfig)


def read_model(config: ConversionConfig) -> tuple[convert.Model, str]:
    """Return the model that the flags name, and the form it has by default."""
    source = config.source
    if source.startswith(hub.SCHEME):
        source = hub.download(source, "from")
    if os.path.isdir(source) and huggingface.is_folder(source):
        model = convert.read_huggingface(source, config.form)
        return model, model.config.architecture
    if os.path.isdir(source):
        checkpoint = choose_checkpoint(source, "from")
    else:
        checkpoint = resolve(source, "from")
    model = convert.read_tensorflow(
        checkpoint, config.config_file, config.vocab_file, config.do_lower_case
    )
    return model, convert.HUGGINGFACE


def main(words: list[str]) -> None:
    """Read the model, convert it, say what had no place."""
    config = cli.read_flags(ConversionConfig, words)
    model, usual = read_model(config)
    form = config.form or usual

    def write(folder: str) -> list[str]:
        if form == convert.HUGGINGFACE:
            if model.labels is not None and model.description is not None:
                check_held_elsewhere(model.description["config"])
            return convert.write_huggingface(model, folder)
        changed = convert.change_architecture(model, form, config.embedding_size)
        return convert.write_tensorflow(changed, folder, arrange_labels)

    notes = convert.write_whole(config.target, write)
    for note in (*model.notes, *notes):
        print(f"{config.target}: {note}")


if __name__ == "__main__":
    cli.run_main(main)
