"""Entity scores: hand-counted cases, and seqeval's own scores."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from seqeval import metrics as seqeval_metrics
from seqeval.scheme import IOB2, IOBES

from albert.tasks.ner import entities
from albert.tasks.ner.entities import Counts, Span
from albert.tasks.ner.tag_schemes import LabelSet, count_illegal, find_scheme

BIO, BMES, BIOES = map(find_scheme, ("BIO", "BMES", "BIOES"))


@pytest.mark.parametrize(
    ("scheme", "tags", "strict", "default"),
    [
        (BIO, "O B-A I-A O", [("A", 1, 3)], [("A", 1, 3)]),
        (BIO, "B-A B-A", [("A", 0, 1), ("A", 1, 2)], [("A", 0, 1), ("A", 1, 2)]),
        (BIO, "O I-A I-A", [], [("A", 1, 3)]),
        (BIO, "B-A I-B I-B", [("A", 0, 1)], [("A", 0, 1), ("B", 1, 3)]),
        (BIO, "B-A I-A I-B", [("A", 0, 2)], [("A", 0, 2), ("B", 2, 3)]),
        (BIO, "I-A B-A", [("A", 1, 2)], [("A", 0, 1), ("A", 1, 2)]),
        (BIO, "B-PER.NOM I-PER.NAM", [("PER.NOM", 0, 1)], None),
        (BMES, "B-A M-A E-A S-B", [("A", 0, 3), ("B", 3, 4)], None),
        (BMES, "B-A M-A O", [], [("A", 0, 2)]),
        (BMES, "O E-A", [], [("A", 1, 2)]),
        (BMES, "B-A E-B", [], [("A", 0, 1), ("B", 1, 2)]),
        (BMES, "S-A E-A", [("A", 0, 1)], [("A", 0, 1), ("A", 1, 2)]),
        (BIOES, "B-A I-A E-A S-A", [("A", 0, 3), ("A", 3, 4)], None),
        (BIO, "O O", [], []),
    ],
)
def test_spans_are_read_strictly_and_as_conlleval_does(scheme, tags, strict, default):
    tags = tags.split()
    assert entities.read_strict(tags, scheme) == [Span(*span) for span in strict]
    if default is not None:
        assert entities.read_default(tags) == [Span(*span) for span in default]


def _split(*sentences):
    return [sentence.split() for sentence in sentences]


def test_scores_by_hand():
    gold = _split("B-A I-A O B-B", "O B-A", "B-A O")
    predicted = _split("B-A I-A O B-A", "O I-A", "B-A I-A")
    strict = entities.score_strict(gold, predicted, BIO)
    # Predicted strictly: A 0-2 (right), A 3-4, A 0-2 of the third; gold: 3 A and a B.
    assert strict.total == Counts(correct=1, predicted=3, gold=4)
    assert strict.by_type == {"A": Counts(1, 3, 3), "B": Counts(0, 0, 1)}
    assert strict.total.precision == pytest.approx(1 / 3)
    assert strict.total.recall == pytest.approx(1 / 4)
    assert strict.total.f1 == pytest.approx(2 / 7)
    # Read as conlleval does, the I-A after O is an entity, and right.
    default = entities.score_default(gold, predicted)
    assert default.total == Counts(correct=2, predicted=4, gold=4)


def test_nothing_predicted_and_nothing_in_gold_is_zero():
    scores = entities.score_strict([["O"]], [["O"]], BIO)
    assert scores.total == Counts(0, 0, 0)
    assert (scores.total.precision, scores.total.recall, scores.total.f1) == (0, 0, 0)
    assert scores.by_type == {}


def test_the_same_place_in_another_sentence_is_not_correct():
    gold, predicted = [["B-A"], ["O"]], [["O"], ["B-A"]]
    assert entities.score_strict(gold, predicted, BIO).total == Counts(0, 1, 1)


def _random_sentences(scheme, seed):
    rng = random.Random(seed)
    tags = ["O", *(f"{p}-{kind}" for p in scheme.prefixes for kind in "AB")]
    return [[rng.choice(tags) for _ in range(rng.randint(1, 9))] for _ in range(60)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("scheme", "reader"), [(BIO, IOB2), (BMES, IOBES), (BIOES, IOBES)]
)
def test_scores_equal_those_of_seqeval(scheme, reader, seed):
    gold = _random_sentences(scheme, seed)
    rng = random.Random(seed)
    other = _random_sentences(scheme, seed + 100)
    predicted = [
        list(g) if rng.random() < 0.5 else (o * 9)[: len(g)]
        for g, o in zip(gold, other)
    ]
    as_seqeval = [
        [[tag.replace("M-", "I-") for tag in tags] for tags in part]
        for part in (gold, predicted)
    ]
    strict = entities.score_strict(gold, predicted, scheme).total
    default = entities.score_default(gold, predicted).total
    for measure, name in [("precision", "precision_score"), ("recall", "recall_score")]:
        function = getattr(seqeval_metrics, name)
        expected = function(*as_seqeval, mode="strict", scheme=reader)
        assert getattr(strict, measure) == pytest.approx(expected)
        # conlleval counts a chunk by its place alone; seqeval's default joins the
        # sentences with an O between, which is the same as reading each alone.
        assert getattr(default, measure) == pytest.approx(function(*as_seqeval))
    expected = seqeval_metrics.f1_score(*as_seqeval, mode="strict", scheme=reader)
    assert 0 < expected < 1
    assert strict.f1 == pytest.approx(expected)
    assert default.f1 == pytest.approx(seqeval_metrics.f1_score(*as_seqeval))


@pytest.mark.parametrize("scheme", [BIO, BMES, BIOES], ids=lambda scheme: scheme.name)
def test_spans_written_again_are_legal_and_mean_the_same(scheme):
    for tags in _random_sentences(scheme, 5):
        spans = entities.read_default(tags)
        written = entities.write_spans(spans, len(tags), scheme)
        assert count_illegal(written, scheme) == 0
        assert entities.read_strict(written, scheme) == spans
        if count_illegal(tags, scheme) == 0:
            assert written == tags


def test_table_names_both_readings_and_every_type():
    gold, predicted = [["B-Method", "I-Method", "O"]], [["B-Method", "I-Method", "B-X"]]
    table = entities.format_table(
        {
            "strict": entities.score_strict(gold, predicted, BIO),
            "default": entities.score_default(gold, predicted),
        }
    )
    rows = [" ".join(line.split()) for line in table.splitlines()]
    assert rows[:4] == [
        "strict precision recall F1 gold predicted correct",
        "Method 100.00 100.00 100.00 1 1 1",
        "X 0.00 0.00 0.00 0 1 0",
        "all types 50.00 100.00 66.67 1 2 1",
    ]
    assert [row.split()[0] for row in rows[4:]] == ["default", "Method", "X", "all"]


@pytest.mark.parametrize(
    ("scheme", "types", "longest"),
    [
        *(("BIO", "AB", 5), ("BIO", "A", 7)),
        *(("BMES", "AB", 4), ("BMES", "A", 6)),
        *(("BIOES", "AB", 4), ("BIOES", "A", 6)),
    ],
)
def test_spans_of_ids_are_those_of_seqeval_for_every_sequence(scheme, types, longest):
    label_set = LabelSet(find_scheme(scheme), tuple(types))
    labels = label_set.labels
    reader = entities.SpanReader(labels, label_set.scheme)
    for length in range(1, longest + 1):
        paths = np.array(list(itertools.product(range(len(labels)), repeat=length)))
        found = reader.read(paths, [length] * len(paths))
        for path, spans in zip(paths, found):
            tags = [labels[i] for i in path]
            assert spans == entities.read_strict(tags, label_set.scheme), tags


def test_spans_of_ids_end_where_the_sentence_does():
    label_set = LabelSet(find_scheme("BIO"), ("A",))
    reader = entities.SpanReader(label_set.labels, label_set.scheme)
    paths = np.array([[1, 2, 2, 2], [2, 1, 1, 2]])
    assert reader.read(paths, [2, 4]) == [
        [("A", 0, 2)],
        [("A", 1, 2), ("A", 2, 4)],
    ]
