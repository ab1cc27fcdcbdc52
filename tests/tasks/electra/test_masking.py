"""Masks and replaced tokens: recorded cases, and rules by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from albert.tasks.electra import masking
from albert.tasks.electra.draws import (
    StatelessDraws,
    choose_positions,
    uniform_of_examples,
)
from albert.tasks.electra.masking import Masked, SpecialIds
from tests.electra_kit import CASES, SPECIAL_IDS, RecordedDraws, find_case

IDS = SpecialIds(1, 2, 3)  # [CLS], [SEP] and [MASK] of the examples below


@pytest.mark.parametrize("name", CASES)
def test_masks_and_samples_are_the_recorded_ones(name, request):
    """Given what was drawn and the recorded logits of the generator."""
    case = find_case(name, request)
    objective = case.objective()
    for index in range(3):
        batch = case.batch(index)
        wanted = case.group(f"batch{index}/output/")
        masked = masking.mask_batch(
            batch, SPECIAL_IDS, objective.mask_prob, 6, RecordedDraws(batch)
        )
        np.testing.assert_array_equal(masked.input_ids, wanted["mask/input_ids"])
        for ours in ("positions", "labels", "weights"):
            theirs = "ids" if ours == "labels" else ours
            np.testing.assert_array_equal(
                getattr(masked, ours), wanted[f"mask/masked_lm_{theirs}"]
            )
        if not objective.electra_objective:
            continue
        sampled = masking.sample_tokens(
            tf.constant(wanted["generator/logits"]),
            masked,
            batch["gumbel_uniform"],
            objective.temperature,
            objective.disallow_correct,
        )
        np.testing.assert_array_equal(sampled, wanted["sample/sampled_ids"])
        corrupted = masking.corrupt(batch["input_ids"], masked, sampled)
        found = corrupted.input_ids
        np.testing.assert_array_equal(found, wanted["sample/corrupted_input_ids"])
        np.testing.assert_array_equal(corrupted.is_fake, wanted["sample/is_fake"])


@pytest.mark.parametrize(
    ("prob", "length", "slots"), [(0.15, 128, 19), (0.15, 512, 79), (0.25, 512, 130)]
)
def test_slots_follow_from_length_and_probability(prob, length, slots):
    """19 and 79 are the reference's; (0.25 + 0.005) * 512 is 130.56."""
    assert masking.count_slots(prob, length) == slots


def test_the_mean_is_written_where_several_slots_meet():
    ids = tf.constant([[1, 5, 6, 7], [1, 5, 6, 7]])
    positions = tf.constant([[1, 3, 1, 1], [0, 0, 2, 2]])
    values = tf.constant([[9, 4, 8, 8], [9, 9, 8, 8]])
    found = masking.write_tokens(ids, positions, values)
    # 25 // 3 is 8; what is written at position 0 is left out.
    np.testing.assert_array_equal(found, [[1, 8, 6, 4], [1, 5, 8, 7]])


def features(rows):
    ids = tf.constant(rows)
    return {"input_ids": ids, "input_mask": tf.cast(ids > 0, tf.int32)}


def test_counts_are_rounded_half_to_even_and_at_least_one():
    """10 tokens at 0.15 are 1.5, so 2; 4 are 0.6, so 1; 14 of 14 at 1 are 6 slots."""
    rows = [[1] + [9] * 8 + [2] + [0] * 4, [1, 9, 9, 2] + [0] * 10]
    batch = features(rows)
    draws = StatelessDraws(1, tf.constant([0, 1], tf.int64))
    masked = masking.mask_batch(batch, IDS, 0.15, 6, draws)
    np.testing.assert_array_equal(tf.reduce_sum(masked.weights, 1), [2, 1])
    batch = features([[1] + [9] * 12 + [2]])
    draws = StatelessDraws(1, tf.constant([0], tf.int64))
    masked = masking.mask_batch(batch, IDS, 1.0, 6, draws)
    np.testing.assert_array_equal(masked.weights, np.ones([1, 6]))


def test_nothing_is_masked_where_nothing_may_be():
    batch = features([[1, 2, 0], [1, 9, 2]])
    draws = StatelessDraws(1, tf.constant([0, 1], tf.int64))
    masked = masking.mask_batch(batch, IDS, 0.15, 2, draws)
    np.testing.assert_array_equal(masked.weights, [[0, 0], [1, 0]])
    np.testing.assert_array_equal(masked.input_ids[0], [1, 2, 0])
    np.testing.assert_array_equal(masked.positions, [[0, 0], [1, 0]])


def test_special_tokens_and_padding_are_no_candidates_but_unknown_ones_are():
    batch = features([[1, 4, 3, 9, 2, 0]])
    found = masking.find_candidates(batch, IDS)
    np.testing.assert_array_equal(found, [[False, True, False, True, False, False]])


def test_a_position_is_drawn_by_its_share():
    """Two candidates: below a half the first, else the second."""
    candidates = tf.constant([[False, True, False, True], [False] * 4])
    choice = tf.constant([[0.0, 0.49, 0.5, 0.99], [0.0, 0.3, 0.5, 0.9]])
    found = choose_positions(candidates, choice)
    np.testing.assert_array_equal(found[0], [1, 1, 3, 3])
    assert np.all(found[1] < 4)


def test_examples_draw_the_same_in_parts_and_other_numbers_each():
    numbers = tf.range(6, dtype=tf.int64) + 2**33
    whole = uniform_of_examples(7, 2, numbers, 5).numpy()
    parts = [uniform_of_examples(7, 2, numbers[a : a + 2], 5) for a in (0, 2, 4)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert len(np.unique(whole)) == whole.size
    for other in (
        uniform_of_examples(8, 2, numbers, 5),
        uniform_of_examples(7, 1, numbers, 5),
    ):
        assert not np.isin(other, whole).any()
    large = uniform_of_examples(7, 2, numbers, 20_000).numpy()
    assert large.min() >= 0
    assert large.max() < 1
    # The mean of 120,000 uniform numbers has a standard error of 0.00083.
    assert abs(large.mean() - 0.5) < 0.004


def test_xla_draws_the_same_and_so_does_tensorflow_itself():
    """XLA's own float operation draws other numbers; the kernel of a CPU the same."""
    numbers = tf.range(3, dtype=tf.int64) + 5
    found = uniform_of_examples(7, 2, numbers, 6)
    compiled = tf.function(uniform_of_examples, jit_compile=True)
    np.testing.assert_array_equal(compiled(7, 2, numbers, 6), found)
    key, _ = tf.raw_ops.StatelessRandomGetKeyCounter(seed=tf.constant([7, 2], tf.int64))
    # Two groups of four numbers an example, of which six are used.
    counter = tf.constant([5 * 2, 0], tf.uint64)
    wanted = tf.raw_ops.StatelessRandomUniformV2(
        shape=[3, 8], key=key, counter=counter, alg=1
    )
    np.testing.assert_array_equal(found, wanted[:, :6])


def test_tokens_are_sampled_by_their_probability():
    """Of 4,000 draws from (1/2, 1/4, 1/4); the standard error is 0.008 at most."""
    logits = tf.math.log(tf.constant([[[0.5, 0.25, 0.25]]]))
    logits = tf.repeat(logits, 4000, axis=1)
    zeros = tf.zeros([1, 4000], tf.int32)
    masked = Masked(zeros, zeros, zeros, zeros)
    uniform = StatelessDraws(5, tf.constant([0], tf.int64)).gumbel(4000, 3)
    sampled = masking.sample_tokens(logits, masked, uniform).numpy()
    shares = np.bincount(sampled[0], minlength=3) / 4000
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.032)
    others = masking.sample_tokens(logits, masked, uniform, disallow_correct=True)
    assert 0 not in others.numpy()
    cold = masking.sample_tokens(logits, masked, uniform, temperature=0.01).numpy()
    assert (cold == 0).mean() > 0.99
