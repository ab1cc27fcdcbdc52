"""How named entities are labelled, and how a model is fine-tuned for it."""

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
    above,
    at_least,
    in_range,
    setting,
    setting_of,
)
from albert.training.config import TrainingConfig

HEADS = ("crf", "softmax")


@dataclasses.dataclass(frozen=True)
class NerConfig(Settings):
    """The labelling model over an encoder; kept with the model."""

    head: str = setting(
        "crf",
        "What chooses the labels: crf, a conditional random field that gives legal "
        "sequences only, or softmax, an independent softmax for each token.",
        choices=HEADS,
    )
    max_seq_length: int = setting(
        128,
        "Tokens that the encoder sees at once, [CLS] and [SEP] included; longer "
        "sentences are seen through several windows that overlap.",
        check=at_least(4),
    )
    do_lower_case: bool = setting(
        True, "Lower-case the text and strip its accents, as the vocabulary wants."
    )
    dropout_prob: float = setting(
        0.1,
        "Dropout before the head.",
        check=in_range(low=0, high=1, high_open=True),
    )


@dataclasses.dataclass(frozen=True)
class FineTuningConfig(Settings):
    """How long and how fast to fine-tune."""

    learning_rate: float = setting_of(TrainingConfig, "learning_rate", 1e-4)
    num_train_epochs: float = setting(
        30.0, "Passes over the training sentences.", check=above(0)
    )
    train_batch_size: int = setting_of(
        TrainingConfig,
        "train_batch_size",
        32,
        "Sentences of an optimizer step, over all devices.",
    )
    eval_batch_size: int = setting(
        32, "Sentences of a batch in evaluation and prediction.", check=at_least(1)
    )
    warmup_proportion: float = setting(
        0.1,
        "Share of the steps over which the learning rate rises from 0.",
        check=in_range(low=0, high=1),
    )
    random_seed: int = setting_of(TrainingConfig, "random_seed", 12345)

    def count_steps(self, sentences: int) -> tuple[int, int, int]:
        """Return the updates in all, of the warm-up, and of one epoch.

        Steps count sentences, also where some are trained in several windows.

        Raises:
            UserError: the epochs hold no whole batch.
        """
        epoch = sentences / self.train_batch_size
        steps = int(epoch * self.num_train_epochs)
        if steps < 1:
            raise UserError(
                f"{sentences} sentences in {self.num_train_epochs:g} epochs give no "
                f"batch of train_batch_size {self.train_batch_size}; raise "
                "num_train_epochs or lower train_batch_size"
            )
        return steps, int(steps * self.warmup_proportion), max(1, int(epoch))


@dataclasses.dataclass(frozen=True)
class NerRunConfig(Settings):
    """What a run does, and with which files."""

    output_dir: str = setting_of(
        TrainingConfig,
        "output_dir",
        REQUIRED,
        "The model directory: checkpoints, event files for TensorBoard, results and "
        "predictions. Without --do_train, the model is the one that is there.",
    )
    data_dir: Optional[str] = setting(
        None,
        "The folder of the train, val (or dev) and test files.",
        path=INPUT_FOLDER,
    )
    predict_file: Optional[str] = setting(
        None,
        "A file to label in place of the test file, a character a line; further "
        "columns are kept.",
        path=ANY_PATH,
    )
    do_train: bool = setting(False, "Train on the train file.")
    do_eval: bool = setting(False, "Score the val and test files.")
    do_predict: bool = setting(False, "Label the test file, or --predict_file.")
    config_file: Optional[str] = setting(
        None,
        "The model's config, a JSON file. Default without --do_train: the one in "
        "--output_dir.",
        path=INPUT_FILE,
        flag="bert_config_file",
    )
    vocab_file: Optional[str] = setting(
        None,
        "The vocabulary. Default without --do_train: the one in --output_dir.",
        path=INPUT_FILE,
    )
    init_checkpoint: Optional[str] = setting_of(TrainingConfig, "init_checkpoint", None)

    def validate(self) -> None:
        """Check that there is something to do, and all that it takes."""
        if not (self.do_train or self.do_eval or self.do_predict):
            raise UserError(
                "nothing to do: give at least one of --do_train, --do_eval, "
                "--do_predict"
            )
        if self.predict_file and not self.do_predict:
            raise UserError("--predict_file needs --do_predict")
        if not self.data_dir and (
            self.do_train or self.do_eval or not self.predict_file
        ):
            raise UserError("--data_dir must be given")
        for name in ("config_file", "vocab_file"):
            if self.do_train and not getattr(self, name):
                flag = {"config_file": "bert_config_file"}.get(name, name)
                raise UserError(f"--{flag} must be given for training")
