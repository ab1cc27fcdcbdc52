"""How named entities are labelled, and how a model is fine-tuned for it."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.checks import check_choice, check_range
from albert.base.errors import UserError

HEADS = ("crf", "softmax")


@dataclasses.dataclass(frozen=True)
class NerConfig:
    """The labelling model over an encoder.

    Attributes:
        head: "crf" (legal sequences of labels) or "softmax" (each label by itself).
        max_seq_length: tokens that the encoder sees at once, [CLS] and [SEP] included;
            longer sentences are seen through several windows.
        do_lower_case: whether text is lower-cased, as the vocabulary wants.
        dropout_prob: of the dropout before the head.
    """

    head: str = "crf"
    max_seq_length: int = 128
    do_lower_case: bool = True
    dropout_prob: float = 0.1

    def __post_init__(self) -> None:
        check_choice("head", self.head, HEADS)
        check_range("max_seq_length", self.max_seq_length, low=4)
        check_range("dropout_prob", self.dropout_prob, low=0, high=1, high_open=True)


@dataclasses.dataclass(frozen=True)
class FineTuningConfig:
    """How long and how fast to fine-tune.

    Attributes:
        learning_rate: the peak of the schedule.
        num_train_epochs: passes over the training sentences.
        train_batch_size: sentences an update sees, over all replicas.
        eval_batch_size: sentences at once in evaluation and prediction.
        warmup_proportion: share of the updates over which the rate rises from 0.
        random_seed: seeds the initialiser, dropout and shuffling.
    """

    learning_rate: float = 1e-4
    num_train_epochs: float = 30.0
    train_batch_size: int = 32
    eval_batch_size: int = 32
    warmup_proportion: float = 0.1
    random_seed: int = 12345

    def __post_init__(self) -> None:
        check_range("learning_rate", self.learning_rate, low=0, low_open=True, high=1)
        check_range("num_train_epochs", self.num_train_epochs, low=0, low_open=True)
        check_range("train_batch_size", self.train_batch_size, low=1)
        check_range("eval_batch_size", self.eval_batch_size, low=1)
        check_range("warmup_proportion", self.warmup_proportion, low=0, high=1)

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
class NerRunConfig:
    """What a run does, and with which files.

    Attributes:
        output_dir: the model directory; results and predictions are written there.
        data_dir: the folder of the train, val (dev) and test files.
        predict_file: label this file in place of the test file.
        do_train, do_eval, do_predict: the steps; without training, the model of
            output_dir is used.
        config_file, vocab_file: of the model; None for those that lie in output_dir.
        init_checkpoint: a checkpoint to start training from, or None.
    """

    output_dir: str
    data_dir: Optional[str] = None
    predict_file: Optional[str] = None
    do_train: bool = False
    do_eval: bool = False
    do_predict: bool = False
    config_file: Optional[str] = None
    vocab_file: Optional[str] = None
    init_checkpoint: Optional[str] = None

    def __post_init__(self) -> None:
        if not self.output_dir:
            raise UserError("--output_dir must be given")
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
