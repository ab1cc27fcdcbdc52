"""Numbers, names, random streams of shards, and what is assigned to them."""

from __future__ import annotations

import fnmatch
import random

import pytest

from albert.base.errors import UserError
from albert.pretraining_data import sharding
from albert.pretraining_data.sharding import Shard
from albert.pretraining_data.sources import Text


@pytest.mark.parametrize(
    ("text_bytes", "num_shards", "size", "count"),
    [
        (0, None, 16.0, 1),
        (16_000_000, None, 16.0, 1),
        (16_000_001, None, 16.0, 2),
        (200_000_000, None, 16.0, 13),
        (10, 4, 16.0, 4),
        (3_000_000, None, 0.5, 6),
    ],
)
def test_shards_follow_from_their_number_or_size(text_bytes, num_shards, size, count):
    assert sharding.count_shards(text_bytes, num_shards, size) == count


def test_a_size_that_makes_more_shards_than_names_can_count_is_refused():
    """1e9 bytes in 1e-9 MB each would be 1e12 shards, listed one by one."""
    message = "shard_size_mb must be at least 0.01 for 1,000,000,000 bytes of text, got"
    with pytest.raises(UserError, match=message):
        sharding.count_shards(10**9, None, 1e-9)


@pytest.mark.parametrize(
    ("path", "shard", "name"),
    [
        ("out/tf_a.tfrecord", Shard(0, 1), "out/tf_a.tfrecord"),
        ("out/tf_a.tfrecord", Shard(0, 4), "out/tf_a-00000-of-00004.tfrecord"),
        ("tf.d/a", Shard(11, 12), "tf.d/a-00011-of-00012"),
    ],
)
def test_names_of_shards(path, shard, name):
    assert sharding.name_shard(path, shard) == name


def test_the_pattern_of_the_readme_matches_shards():
    name = sharding.name_shard("tf_cs.tfrecord", Shard(2, 4))
    assert fnmatch.fnmatch(name, "tf*.tfrecord")


def test_the_first_stream_is_that_of_the_seed_and_all_streams_differ():
    expected = random.Random(12345)
    first = sharding.make_random(12345, 0)
    assert [first.random() for _ in range(9)] == [expected.random() for _ in range(9)]
    seeds = [(seed, index) for seed in (1, 2, 12345) for index in range(1, 40)]
    draws = {sharding.make_random(*pair).random() for pair in seeds}
    assert len(draws) == len(seeds)
    again = sharding.make_random(2, 7)
    assert again.random() == sharding.make_random(2, 7).random()


def test_documents_go_to_the_shard_with_least_text():
    lines = [["abcd"], ["ab"], ["a", "b", "c"], ["a"], ["abc"], ["a"]]
    texts = list(map(Text, lines))
    # Sizes: 4 0 | 4 2 | 4 5 | 5 5 | 8 5 | 8 6
    assigned = list(sharding.assign_documents(texts, 2))
    assert assigned == list(zip([0, 1, 1, 0, 0, 1], texts))


def test_no_document_is_lost_and_shards_are_of_like_size():
    rng = random.Random(3)
    texts = [Text([str(n), "x" * rng.randint(1, 400)]) for n in range(500)]
    assigned = list(sharding.assign_documents(iter(texts), 7))
    assert [text for _, text in assigned] == texts
    sizes = [
        sum(sum(map(len, t.lines)) for i, t in assigned if i == n) for n in range(7)
    ]
    assert max(sizes) - min(sizes) <= 410
