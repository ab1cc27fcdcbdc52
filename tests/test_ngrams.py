"""n-gram masking: lengths, places, and what stays as it was."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from albert.config.pretraining_data import PretrainingDataConfig
from albert.data import ngrams, runner


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


@pytest.mark.parametrize("num_shards", [1, 3])
def test_shares_are_in_the_metadata_and_near_those_of_the_paper(
    testdata, tmp_path, num_shards
):
    config = make_config(
        testdata, tmp_path / "n", ngram_masking=True, num_shards=num_shards
    )
    report = runner.create_pretraining_data(config)
    spans = report.counts["masked_spans"]
    # The last span of an instance is cut to what is left: more are short.
    for words, expected in (("1", 6 / 11), ("2", 3 / 11), ("3", 2 / 11)):
        assert spans[words]["share"] == pytest.approx(expected, abs=0.1)
    total = 0
    for path in report.output_files:
        with open(f"{path}.json", encoding="utf-8") as file:
            metadata = json.load(file)
        assert metadata["parameters"]["ngram_masking"] is True
        total += metadata["counts"]["masked_spans"]["1"]["count"]
    assert spans["1"]["count"] == total
    instances, masked = (report.counts[n] for n in ("instances", "masked_positions"))
    plain = make_config(testdata, tmp_path / "plain")
    without = runner.create_pretraining_data(plain).counts
    assert "masked_spans" not in without
    expected = without["masked_positions"] / without["instances"]
    assert masked / instances == pytest.approx(expected, rel=0.05)
