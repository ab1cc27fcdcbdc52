"""n-gram masking: lengths, places, and what stays as it was."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from albert.pretraining_data import ngrams
from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.execution import runner
from tests.pretraining_cases import read_records


def make_words(rng, count):
    """Bounds of words of one to three candidates, and which are in a row."""
    bounds = [0]
    for _ in range(count):
        bounds.append(bounds[-1] + rng.randint(1, 3))
    adjacent = [rng.random() < 0.9 for _ in range(count - 1)] + [False]
    return bounds, adjacent


def test_lengths_are_drawn_in_proportion_to_their_inverses():
    rng = random.Random(1)
    counts = Counter(ngrams.draw_length(rng) for _ in range(22_000))
    for length, expected in ((1, 12_000), (2, 6_000), (3, 4_000)):
        assert abs(counts[length] - expected) < 300  # more than four deviations


@pytest.mark.parametrize("seed", range(40))
def test_spans_are_whole_words_in_a_row_and_never_too_many(seed):
    rng = random.Random(seed)
    bounds, adjacent = make_words(rng, rng.randint(1, 60))
    order = rng.sample(range(len(bounds) - 1), len(bounds) - 1)
    most = rng.randint(1, 30)
    chosen, lengths = ngrams.choose_spans(bounds, adjacent, order, most, rng)
    assert len(chosen) == len(set(chosen)) <= most
    words = [w for w in range(len(order)) if bounds[w] in chosen]
    whole = {c for w in words for c in range(bounds[w], bounds[w + 1])}
    assert whole == set(chosen)
    assert sum(n * count for n, count in enumerate(lengths, 1)) == len(words)
    runs = sum(
        w == 0 or w - 1 not in words or not adjacent[w - 1] for w in words
    )  # spans may touch, but none goes over a gap
    assert sum(lengths) >= runs


def test_a_span_is_shortened_to_what_is_left():
    class Threes(random.Random):
        def random(self):
            return 0.999

    bounds, adjacent = list(range(11)), [True] * 9 + [False]
    spans = ngrams.choose_spans(bounds, adjacent, list(range(10)), 5, Threes())
    assert spans == ([0, 1, 2, 3, 4], (0, 1, 1))


def test_no_span_goes_over_the_end_of_a_segment():
    class Threes(random.Random):
        def random(self):
            return 0.999

    adjacent = [True, False, True, True, False, False]
    spans = ngrams.choose_spans(list(range(7)), adjacent, [1, 0, 5, 4, 3], 3, Threes())
    assert spans.chosen == []
    order = [1, 0, 5, 4, 3, 2]
    spans = ngrams.choose_spans(list(range(7)), adjacent, order, 3, Threes())
    assert spans == ([2, 3, 4], (0, 0, 1))


def make_config(testdata, folder, **changes):
    folder.mkdir()
    own = testdata / "pretraining_data"
    return PretrainingDataConfig(
        (str(own / "abstracts.txt"),),
        (str(folder / "a.tfrecord"),),
        str(own / "vocab.txt"),
        **{"max_seq_length": 256, "do_whole_word_mask": True, **changes},
    )


SHARES = {1: 6 / 11, 2: 3 / 11, 3: 2 / 11}  # of lengths as they are drawn


def expect_spans(most):
    """Return how many spans of 1, 2, 3 words `most` masked words make, on average.

    A drawn length is used as it is while it fits; the last span takes what is left.
    """
    table = [(0.0, 0.0, 0.0)]
    for left in range(1, most + 1):
        means = [0.0, 0.0, 0.0]
        for drawn, share in SHARES.items():
            taken = min(drawn, left)
            means[taken - 1] += share
            for index, mean in enumerate(table[left - taken]):
                means[index] += share * mean
        table.append(tuple(means))
    return table[most]


def test_the_expectation_by_hand():
    assert expect_spans(1) == (1, 0, 0)
    # Drawn 1, then a single word is left; drawn 2 or 3, the span has two.
    assert expect_spans(2) == pytest.approx((12 / 11, 5 / 11, 0))
    assert sum(n * mean for n, mean in enumerate(expect_spans(38), 1)) == (
        pytest.approx(38)
    )


def count_spans_of_model(rng, most):
    """Spans where a place is always found and words have 1 to 3 tokens, at random."""
    counts, left = Counter(), most
    drawn = rng.choices((1, 2, 3), SHARES.values())[0]
    while left:
        words = [rng.randint(1, 3) for _ in range(drawn)]
        while sum(words) > left:
            words.pop()
        if words:
            counts[len(words)] += 1
            left -= sum(words)
            drawn = rng.choices((1, 2, 3), SHARES.values())[0]
    return counts


def test_shares_of_whole_words_are_those_of_the_rule():
    rng = random.Random(3)
    model, found = Counter(), Counter()
    for _ in range(3000):
        model += count_spans_of_model(rng, 19)
        bounds, _ = make_words(rng, 200)
        order = rng.sample(range(200), 200)
        spans = ngrams.choose_spans(bounds, [True] * 200, order, 19, rng)
        found += Counter(dict(enumerate(spans.lengths, start=1)))
    for length in SHARES:
        share = found[length] / sum(found.values())
        # Four deviations of a share of 20,000 spans, on both sides.
        assert share == pytest.approx(model[length] / sum(model.values()), abs=0.02)
    assert model[1] / sum(model.values()) > SHARES[1] + 0.03  # the cut is seen


@pytest.mark.slow
@pytest.mark.parametrize("num_shards", [1, 3])
def test_shares_in_the_metadata_are_those_of_the_paper_but_for_the_cut(
    testdata, tmp_path, num_shards
):
    config = make_config(
        testdata,
        tmp_path / "n",
        ngram_masking=True,
        do_whole_word_mask=False,
        dupe_factor=100,
        num_shards=num_shards,
    )
    report = runner.create_pretraining_data(config)
    expected = [0.0, 0.0, 0.0]
    for path in report.output_files:
        for record in read_records(path):
            masked = int(sum(record["masked_lm_weights"]))
            expected = [e + m for e, m in zip(expected, expect_spans(masked))]
    spans = report.counts["masked_spans"]
    total = sum(expected)
    for words, mean in enumerate(expected, start=1):
        share = mean / total
        allowed = 4 * (share * (1 - share) / total) ** 0.5
        assert spans[str(words)]["share"] == pytest.approx(share, abs=allowed)
        assert allowed < 0.02
    count = 0
    for path in report.output_files:
        with open(f"{path}.json", encoding="utf-8") as file:
            metadata = json.load(file)
        assert metadata["parameters"]["ngram_masking"] is True
        count += metadata["counts"]["masked_spans"]["1"]["count"]
    assert spans["1"]["count"] == count


def test_as_many_tokens_are_masked_as_without_spans(testdata, tmp_path):
    shares = []
    for name, changes in (("n", {"ngram_masking": True}), ("plain", {})):
        config = make_config(testdata, tmp_path / name, **changes)
        counts = runner.create_pretraining_data(config).counts
        assert ("masked_spans" in counts) == bool(changes)
        shares.append(counts["masked_positions"] / counts["instances"])
    assert shares[0] == pytest.approx(shares[1], rel=0.05)
