"""What is exported."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.errors import UserError
from albert.base.settings import (
    ANY_PATH,
    INPUT_FILE,
    INPUT_FOLDER,
    REQUIRED,
    Settings,
    at_least,
    setting,
    setting_of,
)


@dataclasses.dataclass(frozen=True)
class ExportConfig(Settings):
    """A trained model and the folder that it goes to."""

    model_dir: Optional[str] = setting(
        None,
        "A model directory, of which the best checkpoint is meant, or else the newest.",
        path=INPUT_FOLDER,
    )
    checkpoint: Optional[str] = setting(
        None,
        "A checkpoint in place of --model_dir, or a folder, of which the newest is "
        "meant.",
        path=ANY_PATH,
    )
    output_dir: str = setting(
        REQUIRED, "The folder to make; it appears whole.", path=ANY_PATH
    )
    config_file: Optional[str] = setting(
        None,
        "The model's config, a JSON file. Default: the one beside the checkpoint or in "
        "the folder above.",
        path=INPUT_FILE,
        flag="bert_config_file",
    )
    vocab_file: Optional[str] = setting(
        None,
        "The vocabulary. Default: the one beside the checkpoint or in the folder "
        "above.",
        path=INPUT_FILE,
    )
    keep_pretraining_heads: bool = setting(
        True,
        "Keep the heads of pretraining, the variables under cls/ or of ELECTRA "
        "discriminator_predictions/ and generator_predictions/.",
    )
    network: Optional[str] = setting(
        None,
        "Of ELECTRA's pretraining, export one network alone. Default: both.",
        choices=("discriminator", "generator"),
    )
    average: int = setting(
        1,
        "Export the mean of so many checkpoints of --model_dir, the newest ones; 1 for "
        "its best one alone.",
        check=at_least(1),
    )
    overwrite: bool = setting(False, "Replace --output_dir where it exists.")

    def validate(self) -> None:
        """Check that one model is named."""
        if bool(self.model_dir) == bool(self.checkpoint):
            raise UserError("give one of --model_dir and --checkpoint")
        if self.average > 1 and not self.model_dir:
            raise UserError(
                "average is of the checkpoints of a --model_dir, not of a single one"
            )


@dataclasses.dataclass(frozen=True)
class ConversionConfig(Settings):
    """A model in one form and the folder for it in another."""

    source: str = setting(
        REQUIRED,
        "What to convert: a model directory, a checkpoint, a folder of Hugging Face's, "
        "or hf://owner/name[@revision].",
        path=ANY_PATH,
        flag="from",
    )
    target: str = setting(
        REQUIRED, "The folder to make; it appears whole.", path=ANY_PATH, flag="to"
    )
    form: Optional[str] = setting(
        None,
        "What it becomes: huggingface, or a TensorFlow checkpoint of the architecture "
        "bert, albert_zh, albert or electra. Default: huggingface for a checkpoint, "
        "and a checkpoint of the model's architecture for a folder of Hugging Face's.",
        choices=("huggingface", "bert", "albert_zh", "albert", "electra"),
        flag="format",
    )
    config_file: Optional[str] = setting_of(ExportConfig, "config_file", None)
    vocab_file: Optional[str] = setting_of(ExportConfig, "vocab_file", None)
    do_lower_case: bool = setting(
        True,
        "Whether the model's text is lower-cased, where the model does not say so "
        "itself.",
    )
    embedding_size: int = setting(
        128,
        "Width of the word embeddings where a BERT becomes albert_zh.",
        check=at_least(1),
    )
