"""Intervals and comparisons against hand calculation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.intervals import compare, f1, summarise


def test_summary_of_three_values():
    # Mean 0.7, squares of deviations 0.01, 0, 0.01: a deviation of 0.1. With two
    # degrees of freedom t is 4.3027: 4.3027 * 0.1 / sqrt(3).
    found = summarise([0.6, 0.7, 0.8])
    assert found.mean == pytest.approx(0.7)
    assert found.deviation == pytest.approx(0.1)
    assert found.half_width == pytest.approx(0.24842, abs=1e-5)
    assert math.isnan(summarise([0.5]).half_width)


# Degrees of freedom and t for 95 %, two-sided, as printed tables have them.
@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (4, 2.776), (9, 2.262), (10, 2.228), (11, 2.201), (19, 2.093)]
    + [(29, 2.045), (120, 1.980)],
)
def test_quantiles_are_student_t(freedom, quantile):
    # n values 1 and as many -1 (and 0 where one is over) have mean 0 and squares 2 n.
    pairs, rest = divmod(freedom + 1, 2)
    values = [1.0, -1.0] * pairs + [0.0] * rest
    error = math.sqrt(2 * pairs / freedom) / math.sqrt(freedom + 1)
    assert summarise(values).half_width / error == pytest.approx(quantile, abs=6e-4)


def test_f1_of_counts():
    # 2 right of 4 predicted, 3 in gold: precision 1/2, recall 2/3.
    found = f1(np.array([[2, 4, 3], [0, 0, 0]]))
    assert found.tolist() == [pytest.approx(4 / 7), 0.0]


def make_arm(right, seeds=3, sentences=200):
    """An arm that finds the entity of a share of the sentences, one in each."""
    rng = np.random.default_rng(0)
    correct = rng.random((seeds, sentences)) < right
    ones = np.ones_like(correct, dtype=int)
    return np.stack([correct.astype(int), ones, ones], axis=2)


def test_equal_arms_differ_by_nothing_and_a_better_one_by_more():
    arm = make_arm(0.5)
    same = compare(arm, arm, samples=500)
    assert same.mean == 0
    assert same.low < 0 < same.high
    better = compare(make_arm(0.8), arm, samples=500)
    assert better.mean == pytest.approx(0.3, abs=0.06)
    assert 0.15 < better.low < better.mean < better.high < 0.45
    assert compare(make_arm(0.8), arm, samples=500) == better


def test_interval_of_one_seed_is_that_of_its_sentences():
    # Of 400 sentences half are found: the share's standard error is 0.025, and the
    # other arm finds all of them.
    arm, perfect = make_arm(0.5, 1, 400), make_arm(1.1, 1, 400)
    found = compare(perfect, arm, samples=2000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.025, rel=0.1)
