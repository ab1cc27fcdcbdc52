"""What fine-tuning runs are accepted, and how long they train."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun

FILES = {"config_file": "config.json", "vocab_file": "vocab.txt"}


@pytest.mark.parametrize(
    ("sentences", "settings", "expected"),
    [
        (1286, {}, (1205, 120, 40)),  # the experiment to reproduce
        (10, {"train_batch_size": 4, "num_train_epochs": 3.0}, (7, 0, 2)),
        (3, {"train_batch_size": 4, "num_train_epochs": 2.0}, (1, 0, 1)),
        (8, {"train_batch_size": 2, "warmup_proportion": 0.5}, (120, 60, 4)),
    ],
)
def test_steps_follow_from_sentences_batch_and_epochs(sentences, settings, expected):
    assert FineTuningConfig(**settings).count_steps(sentences, "sentences") == expected


def test_epochs_without_a_whole_batch_are_refused():
    with pytest.raises(UserError, match="3 sentences in 1 epochs give no batch"):
        FineTuningConfig(num_train_epochs=1.0, train_batch_size=4).count_steps(
            3, "sentences"
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be .*above 0 .*got nan"),
        (
            {"num_train_epochs": float("inf")},
            "num_train_epochs must be finite .*got inf",
        ),
        ({"num_train_epochs": 0.0}, "num_train_epochs must be above 0"),
        ({"train_batch_size": 0}, "train_batch_size must be at least 1"),
        ({"eval_batch_size": 0}, "eval_batch_size must be at least 1"),
        ({"head_learning_rate": 0.0}, "head_learning_rate must be above 0"),
        ({"layerwise_lr_decay": 1.5}, "layerwise_lr_decay must be .* at most 1"),
        ({"early_stopping_patience": 0}, "early_stopping_patience must be at least 1"),
        ({"warmup_proportion": 1.5}, "warmup_proportion must be .* at most 1"),
    ],
)
def test_wrong_tuning_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        FineTuningConfig(**settings)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"output_dir": None, "do_eval": True}, "output_dir must be given"),
        ({}, "nothing to do: give at least one of --do_train, --do_eval"),
        ({"do_eval": True}, "--data_dir must be given"),
        ({"do_predict": True}, "--data_dir must be given"),
        ({"do_train": True, "data_dir": "d"}, "--bert_config_file must be given"),
        (
            {"do_train": True, "data_dir": "d", "config_file": "c"},
            "--vocab_file must be given",
        ),
        (
            {"do_eval": True, "data_dir": "d", "predict_file": "p"},
            "--predict_file needs --do_predict",
        ),
        (
            {"do_train": True, "data_dir": "d", "model_dir": "m"},
            "training writes its model to --output_dir",
        ),
    ],
)
def test_incomplete_run_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        FineTuningRun(**{"output_dir": "model", **values})


@pytest.mark.parametrize(
    "values",
    [
        {"do_train": True, "data_dir": "d", **FILES},
        {"do_eval": True, "data_dir": "d"},
        {"do_predict": True, "data_dir": "d"},
        {"do_predict": True, "predict_file": "p"},
    ],
)
def test_complete_run_is_accepted(values):
    assert FineTuningRun(output_dir="model", **values).output_dir == "model"
