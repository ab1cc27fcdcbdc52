"""The configuration of pretraining data: defaults, ranges and the consistency check."""

from __future__ import annotations

import dataclasses

import pytest

from albert.base.errors import UserError
from albert.pretraining_data.config import PretrainingDataConfig, derive_max_predictions


def make_config(**values):
    return PretrainingDataConfig(("in.txt",), ("out.tfrecord",), "vocab.txt", **values)


@pytest.mark.parametrize(
    ("length", "share", "expected"),
    [
        (512, 0.10, 51),
        (128, 0.15, 19),
        (128, 0.1, 12),
        (64, 0.15, 9),
        (20, 0.15, 3),
        (30, 0.1, 3),
        # By hand whole numbers; in binary 28.999999999999996 and 56.99999999999999.
        (100, 0.29, 29),
        (100, 0.57, 57),
        (1000, 0.001, 1),
        (9, 0.1, 0),
        (512, 1e-5, 0),
        (10, 1.0, 10),
    ],
)
def test_predictions_follow_from_length_and_share(length, share, expected):
    assert derive_max_predictions(length, share) == expected


def test_left_out_the_number_of_predictions_is_derived():
    config = make_config(max_seq_length=512, masked_lm_prob=0.10)
    assert config.max_predictions_per_seq == 51
    given = make_config(
        max_seq_length=512, masked_lm_prob=0.10, max_predictions_per_seq=51
    )
    assert given == config


def test_a_number_of_predictions_that_differs_names_all_values():
    with pytest.raises(UserError) as caught:
        make_config(max_predictions_per_seq=20)
    message = str(caught.value)
    for part in (
        "max_predictions_per_seq is 20",
        "max_seq_length 128",
        "masked_lm_prob 0.15",
        "int(max_seq_length * masked_lm_prob)",
        "--max_predictions_per_seq=19",
        "--allow_mismatched_predictions",
    ):
        assert part in message
    assert "\n" not in message


def test_one_flag_lets_berts_customary_numbers_through(caplog):
    config = make_config(max_predictions_per_seq=20, allow_mismatched_predictions=True)
    assert config.max_predictions_per_seq == 20
    warning = "max_predictions_per_seq is 20 although int"
    assert [warning in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_seq_length": 4}, "max_seq_length must be at least 5, got 4"),
        ({"dupe_factor": 0}, "dupe_factor must be at least 1, got 0"),
        ({"masked_lm_prob": 0.0}, "masked_lm_prob must be above 0 .* got 0.0"),
        ({"masked_lm_prob": 1.5}, "masked_lm_prob must be .* at most 1, got 1.5"),
        ({"masked_lm_prob": float("nan")}, "masked_lm_prob must be .* got nan"),
        ({"short_seq_prob": -0.1}, "short_seq_prob must be at least 0 .* got -0.1"),
        ({"short_seq_prob": 1.1}, "short_seq_prob must be .* at most 1, got 1.1"),
        ({"segmenter": "pkuseg"}, "segmenter must be one of jieba, rjieba; got 'pku"),
        ({"whole_word_spans": "x"}, "whole_word_spans must be one of reference, exact"),
        (
            {"max_predictions_per_seq": 0, "allow_mismatched_predictions": True},
            "max_predictions_per_seq must be at least 1 and at most 128, got 0",
        ),
        (
            {"max_predictions_per_seq": 129, "allow_mismatched_predictions": True},
            "max_predictions_per_seq must be at least 1 and at most 128, got 129",
        ),
        ({"max_seq_length": 6, "masked_lm_prob": 0.1}, "= 0: no token would be masked"),
        ({"input_file": ()}, "--input_file must be given"),
        ({"num_shards": 10**9}, "num_shards must be at least 1 and at most 99999"),
    ],
)
def test_values_out_of_range_are_named(values, message):
    base = {"input_file": ("a",), "output_file": ("b",), "vocab_file": "c"}
    with pytest.raises(UserError, match=message):
        PretrainingDataConfig(**{**base, **values})


def test_a_config_does_not_change_and_lists_every_parameter():
    config = make_config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.dupe_factor = 3
    parameters = config.to_dict()
    assert parameters["input_file"] == ("in.txt",)
    assert parameters["max_predictions_per_seq"] == 19
    assert set(parameters) == {f.name for f in dataclasses.fields(config)}
