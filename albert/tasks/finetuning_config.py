"""What every fine-tuning run is told: what to do, how long and how fast to train."""

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
from albert.evaluation.config import HeldOutConfig
from albert.training.config import TrainingConfig


@dataclasses.dataclass(frozen=True)
class ModelSettings(Settings):
    """What every fine-tuned model keeps of how it reads text; tasks add their own."""

    max_seq_length: int = setting(
        128, "Tokens that the encoder sees at once.", check=at_least(4)
    )
    do_lower_case: bool = setting(
        True, "Lower-case the text and strip its accents, as suits the vocabulary."
    )
    dropout_prob: float = setting(
        0.1, "Dropout before the head.", check=in_range(low=0, high=1, high_open=True)
    )


FROZEN = "frozen"


@dataclasses.dataclass(frozen=True)
class FineTuningConfig(Settings):
    """How long and how fast to fine-tune."""

    learning_rate: float = setting_of(TrainingConfig, "learning_rate", 1e-4)
    head_learning_rate: Optional[float] = setting(
        None,
        "The peak of the learning rate of the head. Default: --learning_rate.",
        check=in_range(low=0, low_open=True, high=1),
    )
    layerwise_lr_decay: float = setting(
        1.0,
        "Factor of the learning rate from each layer to the one below it, down to the "
        "embeddings; layers that share their variables count as one. 1 is none.",
        check=in_range(low=0, low_open=True, high=1),
    )
    num_train_epochs: float = setting(
        30.0, "Passes over the training examples.", check=above(0)
    )
    train_batch_size: int = setting_of(TrainingConfig, "train_batch_size", 32)
    eval_batch_size: int = setting(
        32, "Examples of a batch in evaluation and prediction.", check=at_least(1)
    )
    warmup_proportion: float = setting(
        0.1,
        "Share of the steps over which the learning rate rises from 0.",
        check=in_range(low=0, high=1),
    )
    early_stopping_patience: Optional[int] = setting_of(
        HeldOutConfig,
        "early_stopping_patience",
        None,
        "Evaluations on the val file, one an epoch, in a row without a better score "
        "after which training ends. Default: it never does.",
    )
    encoder_training: str = setting(
        "finetune",
        "finetune the encoder, or leave it frozen: its vectors of the training data "
        "are computed once, without dropout, and only what stands above is trained.",
        choices=("finetune", FROZEN),
    )
    fgm_epsilon: float = setting(
        0.0,
        "Adversarial training: each step's gradient is the sum of that of its batch "
        "and of the batch with the word embeddings moved this far along their "
        "gradient. 0 is none.",
        check=at_least(0),
    )
    average_decay: float = setting(
        0.0,
        "Evaluate and keep the mean of the weights over the steps, which keeps this "
        "share of itself at each; training goes on from the weights. 0 is none.",
        check=in_range(low=0, high=1, high_open=True),
    )
    random_seed: int = setting_of(TrainingConfig, "random_seed", 12345)
    precision: str = setting_of(TrainingConfig, "precision", "float32")

    def validate(self) -> None:
        """Check what concerns several settings."""
        if self.fgm_epsilon and self.encoder_training == FROZEN:
            raise UserError(
                "--fgm_epsilon moves the word embeddings along their gradient: the "
                "encoder must be trained, not frozen"
            )

    def count_steps(
        self, examples: int, unit: str = "examples"
    ) -> tuple[int, int, int]:
        """Return the updates in all, of the warm-up, and of one epoch.

        Args:
            examples: of the training data; one that is trained on in several windows
                counts once.
            unit: what they are called in the message.

        Raises:
            UserError: the epochs hold no whole batch.
        """
        epoch = examples / self.train_batch_size
        steps = int(epoch * self.num_train_epochs)
        if steps < 1:
            raise UserError(
                f"{examples} {unit} in {self.num_train_epochs:g} epochs give no "
                f"batch of train_batch_size {self.train_batch_size}; raise "
                "num_train_epochs or lower train_batch_size"
            )
        return steps, int(steps * self.warmup_proportion), max(1, int(epoch))


@dataclasses.dataclass(frozen=True)
class FineTuningRun(Settings):
    """What a run does, and with which files."""

    output_dir: str = setting_of(
        TrainingConfig,
        "output_dir",
        REQUIRED,
        "Where results and predictions go; with --do_train also the model: "
        "checkpoints, event files for TensorBoard.",
    )
    model_dir: Optional[str] = setting(
        None,
        "The trained model to evaluate or to predict with, which is only read. "
        "Default: --output_dir.",
        path=INPUT_FOLDER,
    )
    data_dir: Optional[str] = setting(
        None,
        "The folder of the train, val (or dev) and test files.",
        path=INPUT_FOLDER,
    )
    predict_file: Optional[str] = setting(
        None, "A file to predict in place of the test file.", path=ANY_PATH
    )
    do_train: bool = setting(False, "Train on the train file.")
    do_eval: bool = setting(False, "Score the val and test files.")
    do_predict: bool = setting(False, "Predict the test file, or --predict_file.")
    config_file: Optional[str] = setting(
        None,
        "The model's config, a JSON file. Default without --do_train: the one in the "
        "model's folder.",
        path=INPUT_FILE,
        flag="bert_config_file",
    )
    vocab_file: Optional[str] = setting(
        None,
        "The vocabulary. Default without --do_train: the one in the model's folder.",
        path=INPUT_FILE,
    )
    init_checkpoint: Optional[str] = setting_of(TrainingConfig, "init_checkpoint", None)

    @property
    def model_folder(self) -> str:
        """Where the model lies, or will lie."""
        return self.model_dir or self.output_dir

    @property
    def model_flag(self) -> str:
        """The flag that names `model_folder`."""
        return "model_dir" if self.model_dir else "output_dir"

    def validate(self) -> None:
        """Check that there is something to do, and all that it takes."""
        if not (self.do_train or self.do_eval or self.do_predict):
            raise UserError(
                "nothing to do: give at least one of --do_train, --do_eval, "
                "--do_predict"
            )
        if self.predict_file and not self.do_predict:
            raise UserError("--predict_file needs --do_predict")
        if self.model_dir and self.do_train:
            raise UserError(
                "--model_dir names a trained model to evaluate or to predict with; "
                "training writes its model to --output_dir"
            )
        if not self.data_dir and (
            self.do_train or self.do_eval or not self.predict_file
        ):
            raise UserError("--data_dir must be given")
        for name, flag in (
            ("config_file", "bert_config_file"),
            ("vocab_file", "vocab_file"),
        ):
            if self.do_train and not getattr(self, name):
                raise UserError(f"--{flag} must be given for training")
