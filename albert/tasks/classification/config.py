"""How texts are classified."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.errors import UserError
from albert.base.settings import (
    at_least,
    in_range,
    setting,
    setting_of,
)
from albert.tasks.finetuning_config import FineTuningConfig, ModelSettings

TASK_NAMES = ("chnsenticorp", "lcqmc", "bqcorpus", "xnli", "csl", "afqmc")
ERROR, SKIP, REFERENCE = "error", "skip", "reference"  # what becomes of bad rows
HEAD, TAIL, HEAD_TAIL = "head", "tail", "head_tail"  # what is kept of a long text
FEATURE_KINDS = ("pooled", "first", "last_four_concat", "last_four_max", "mean")
NO_WINDOWS = "none"
LONG_TEXT_KINDS = (NO_WINDOWS, "mean", "max", "attention")
BALANCED = "balanced"
BEST_METRICS = ("accuracy", "macro_f1", "loss")


def parse_weights(value: str) -> dict[str, float]:
    """Return label -> weight of `label=weight` pairs separated by commas.

    Raises:
        UserError: it is no such list.
    """
    weights = {}
    for part in value.split(","):
        label, equals, number = part.rpartition("=")
        try:
            weights[label.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals or not weights[label.strip()] > 0:
            raise UserError(
                f"class_weights: {BALANCED}, or label=weight pairs with weights above "
                f"0, separated by commas; got {value!r}"
            )
    return weights


@dataclasses.dataclass(frozen=True)
class ClassificationConfig(ModelSettings):
    """The classifier over an encoder, and how its files are laid out."""

    task_name: Optional[str] = setting(
        None,
        "The layout of the files of a published data set, with and without a header "
        "line. Default: as the columns' flags say, or by the names text, text_b and "
        "label and their like in a header line or in JSON objects.",
        choices=TASK_NAMES,
    )
    text_column: Optional[str] = setting(
        None, "The text's column: its name in the header line, or its number from 1."
    )
    pair_column: Optional[str] = setting(
        None, "The column of the second text of a pair, named as --text_column."
    )
    label_column: Optional[str] = setting(
        None, "The column of the label, named as --text_column."
    )
    header: bool = setting(
        False, "The first line of files with numbered columns is a header."
    )
    bad_rows: str = setting(
        ERROR,
        "Rows that lack a column, have an empty text or a label that the model does "
        "not know: error (stop at the first), skip (leave out, counted), or reference "
        "(leave out those that lack a column, keep empty texts).",
        choices=(ERROR, SKIP, REFERENCE),
    )
    truncation: str = setting(
        HEAD,
        "What is kept of a text that is too long: head, tail, or head_tail (the first "
        "quarter and the last three, 128 and 382 tokens at 512).",
        choices=(HEAD, TAIL, HEAD_TAIL),
    )
    long_text: str = setting(
        NO_WINDOWS,
        "See all of a long text through windows, and join their vectors: none (cut it "
        "off instead), mean, max or attention.",
        choices=LONG_TEXT_KINDS,
    )
    max_windows: int = setting(
        8, "Windows of a text at most; what is beyond is cut off.", check=at_least(1)
    )
    features: str = setting(
        "pooled",
        "What the head reads: pooled (the encoder's vector of the whole), first (that "
        "of [CLS]), last_four_concat or last_four_max (of [CLS] in the last four "
        "layers), or mean (over all tokens).",
        choices=FEATURE_KINDS,
    )
    feature_layer: Optional[int] = setting(
        None,
        "The layer that first and mean read, from 1; 0 is the embeddings. Default: the "
        "encoder's output.",
        check=at_least(0),
    )
    class_weights: Optional[str] = setting(
        None,
        "Weights of the labels in the training loss: balanced (the rarer, the heavier) "
        "or label=weight pairs separated by commas; labels left out weigh 1. Default: "
        "all weigh alike.",
    )
    label_smoothing: float = setting(
        0.0,
        "Share of a label's probability that training spreads over all labels.",
        check=in_range(low=0, high=1, high_open=True),
    )
    best_metric: str = setting(
        "accuracy",
        "What makes a checkpoint the best one on val.",
        choices=BEST_METRICS,
    )

    def validate(self) -> None:
        """Check what concerns several settings at once."""
        columns = (self.text_column, self.pair_column, self.label_column)
        if self.task_name and any(columns):
            raise UserError("--task_name says which columns count; leave theirs out")
        if any(columns[1:]) and not self.text_column:
            raise UserError("--text_column must be given with the other columns")
        if len({c.isdigit() for c in columns if c is not None}) > 1:
            raise UserError("columns: all by number or all by name")
        if "0" in columns:
            raise UserError("columns are numbered from 1; got 0")
        if self.header and not (self.text_column or "").isdigit():
            raise UserError("--header is for numbered columns: give --text_column=1")
        if self.feature_layer is not None and self.features not in ("first", "mean"):
            raise UserError("--feature_layer needs --features=first or mean")
        if self.class_weights not in (None, BALANCED):
            parse_weights(self.class_weights)


@dataclasses.dataclass(frozen=True)
class ClassifierTuning(FineTuningConfig):
    """How long and how fast a classifier is trained."""

    num_train_epochs: float = setting_of(FineTuningConfig, "num_train_epochs", 3.0)
    num_folds: int = setting(
        1,
        "Cross-validation: cut train and dev into so many parts, train a model without "
        "each, and average their probabilities on test. 1 is none.",
        check=at_least(1),
    )
