"""Groups of tokens, the choice among them, replacements and labels."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from albert.pretraining_data.masking import (
    Masking,
    count_predictions,
    draw_masking,
    group_candidates,
    make_masking_vocabulary,
    shuffle,
)
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary

PAD, UNK, CLS, SEP, MASK = range(5)
FILL = 1000  # ids of the other tokens


def make_tables(size=FILL + 1000):
    names = [f"w{i}" for i in range(len(SPECIAL_TOKENS), size)]
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *names])
    return make_masking_vocabulary(vocabulary, True, "reference")


TABLES = make_tables()


class ScriptedRandom:
    """Leaves an order as it is, then gives numbers in a fixed order.

    A draw of n bits below an index that changes nothing is the index itself, so
    shuffling asks for bits only; `random` and `randint` answer from the list.
    """

    def __init__(self, num_groups, *answers):
        self.indices = list(range(num_groups - 1, 0, -1))
        self.answers = list(answers)

    def getrandbits(self, bits):
        index = self.indices.pop(0)
        assert index.bit_length() <= bits
        return index

    def random(self):
        return self.answers.pop(0)

    def randint(self, low, high):
        assert (low, high) == (0, TABLES.size - 1)
        return self.answers.pop(0)


@pytest.mark.parametrize("count", [*range(70), 127, 128, 129, 255, 256, 257, 1000])
def test_shuffle_draws_as_the_standard_library(count):
    ours, theirs = random.Random(count), random.Random(count)
    items, expected = list(range(count)), list(range(count))
    shuffle(items, ours)
    theirs.shuffle(expected)
    assert items == expected
    assert ours.getstate() == theirs.getstate()


@pytest.mark.parametrize(
    ("tokens", "share", "limit", "expected"),
    [
        (100, 0.15, 20, 15),
        (100, 0.15, 10, 10),
        (5, 0.1, 10, 1),  # 0.5 rounds to 0, but one token is predicted
        (3, 0.1, 10, 1),
        (25, 0.1, 10, 2),  # 2.5 rounds to even
        (35, 0.1, 10, 4),  # 3.5 rounds to even
        (512, 0.1, 51, 51),
    ],
)
def test_number_of_predictions(tokens, share, limit, expected):
    assert count_predictions(tokens, share, limit) == expected


@pytest.mark.parametrize(
    ("candidates", "joins", "groups"),
    [
        # [CLS] 卷 积* 网 [SEP] 络* [SEP]: the last piece joins over [SEP].
        ([0, 1, 1, 1, 0, 1, 0], [0, 0, 1, 0, 0, 1, 0], [[1, 2], [3, 5]]),
        # The first candidate has none before it to join.
        ([0, 1, 1, 0, 1, 0], [0, 1, 1, 0, 0, 0], [[1, 2], [4]]),
        ([0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [[1], [3]]),
        ([0, 0, 0], [0, 0, 0], []),
    ],
)
def test_tokens_that_join_are_grouped(candidates, joins, groups):
    positions, bounds = group_candidates(
        np.array(candidates, bool), np.array(joins, bool)
    )
    found = [positions[a:b].tolist() for a, b in zip(bounds, bounds[1:])]
    assert [group for group in found if group] == groups


def test_replacements_follow_the_random_numbers():
    ids = np.array([CLS, 10, 11, SEP, 12, 13, SEP])
    rng = ScriptedRandom(4, 0.79, 0.8, 0.49, 0.9, 0.5, 77)
    masking = draw_masking(ids, np.zeros(7, bool), 3, TABLES, rng)
    assert masking == Masking([1, 2, 4], [MASK, 11, 77])
    assert not rng.answers


def test_a_word_that_would_exceed_the_number_is_passed_over():
    ids = np.array([CLS, 10, 11, 12, 13, SEP, 14, SEP])
    joins = np.array([0, 0, 1, 1, 0, 0, 0, 0], bool)
    rng = ScriptedRandom(3, *[0.0] * 2)
    assert draw_masking(ids, joins, 2, TABLES, rng).positions == [4, 6]
    rng = ScriptedRandom(3, *[0.0] * 3)
    assert draw_masking(ids, joins, 3, TABLES, rng).positions == [1, 2, 3]


def test_nothing_is_masked_when_every_word_is_too_long():
    ids = np.array([CLS, 10, 11, SEP, 12, 13, SEP])
    joins = np.array([0, 0, 1, 0, 0, 1, 0], bool)
    assert draw_masking(ids, joins, 1, TABLES, random.Random(0)) == Masking([], [])


def test_special_tokens_in_the_text_are_not_masked():
    ids = np.array([CLS, 10, CLS, SEP, 11, SEP, SEP])
    masking = draw_masking(ids, np.zeros(7, bool), 9, TABLES, random.Random(0))
    assert masking.positions == [1, 4]


def draw_example(rng):
    """A random instance with words of one to four tokens."""
    lengths = [rng.randint(1, 40), rng.randint(1, 40)]
    first, second = ([rng.randint(5, FILL) for _ in range(n)] for n in lengths)
    ids = np.array([CLS, *first, SEP, *second, SEP])
    joins = np.array([rng.random() < 0.4 for _ in ids])
    joins[[0, len(first) + 1, -1]] = False
    return ids, joins


def list_words(ids, joins):
    """The groups of positions, by the rule in words: an independent reading of it."""
    words = []
    for position, token in enumerate(ids):
        if token in (CLS, SEP):
            continue
        if joins[position] and words:
            words[-1].append(position)
        else:
            words.append([position])
    return words


def test_masks_are_whole_words_unique_sorted_and_as_many_as_fit():
    rng = random.Random(11)
    for _ in range(1000):
        ids, joins = draw_example(rng)
        wanted = rng.randint(1, 12)
        before = ids.copy()
        positions, replacements, _ = draw_masking(ids, joins, wanted, TABLES, rng)
        assert (ids == before).all()
        assert positions == sorted(set(positions))
        assert len(replacements) == len(positions) <= wanted
        chosen = set(positions)
        left = []
        for word in list_words(ids, joins):
            assert chosen.issuperset(word) or chosen.isdisjoint(word)
            if chosen.isdisjoint(word):
                left.append(len(word))
        assert all(len(positions) + length > wanted for length in left)


def test_shares_of_replacements():
    rng = random.Random(2)
    ids = np.array([CLS, *[FILL] * 50, SEP, *[FILL] * 50, SEP])
    kinds = Counter()
    for _ in range(500):
        drawn = draw_masking(ids, np.zeros(len(ids), bool), 40, TABLES, rng)
        kinds.update(
            {MASK: "mask", FILL: "keep"}.get(replacement, "random")
            for replacement in drawn.replacements
        )
    total = sum(kinds.values())
    assert total == 20000
    # Five standard deviations: 0.014 for 0.8, 0.011 for 0.1.
    assert kinds["mask"] / total == pytest.approx(0.8, abs=0.015)
    assert kinds["keep"] / total == pytest.approx(0.1, abs=0.012)
    assert kinds["random"] / total == pytest.approx(0.1, abs=0.012)


def test_every_position_is_equally_likely():
    rng = random.Random(4)
    ids = np.array([CLS, *range(10, 20), SEP, *range(20, 30), SEP])
    counts = Counter()
    for _ in range(4000):
        counts.update(draw_masking(ids, np.zeros(23, bool), 3, TABLES, rng).positions)
    assert sorted(counts) == [*range(1, 11), *range(12, 22)]
    for count in counts.values():
        assert count == pytest.approx(600, abs=125)  # five standard deviations


@pytest.mark.parametrize(
    ("token", "continuation", "spans", "label", "fell_back"),
    [
        ("灸", True, "reference", "##灸", False),
        ("灸", True, "exact", "##灸", False),
        ("灸", False, "reference", "灸", False),
        ("镕", True, "reference", "镕", True),  # no ##镕 in the vocabulary
        ("镕", True, "exact", "镕", True),
        ("镕", False, "exact", "镕", False),
        ("ok", True, "reference", "##ok", False),
        ("ok", True, "exact", "ok", False),  # not Chinese: keeps its own form
        ("q", True, "reference", "q", True),
        ("q", True, "exact", "q", False),
    ],
)
def test_labels_of_marked_tokens(token, continuation, spans, label, fell_back):
    vocabulary = Vocabulary(
        [*SPECIAL_TOKENS, "灸", "##灸", "镕", "ok", "##ok", "q", "艾"]
    )
    tables = make_masking_vocabulary(vocabulary, continuation, spans)
    index = vocabulary.ids[token]
    assert vocabulary.tokens[tables.labels[index]] == label
    assert tables.fell_back[index] == fell_back
    assert (tables.cls, tables.sep, tables.mask) == (CLS, SEP, MASK)
    assert tables.size == len(vocabulary)
