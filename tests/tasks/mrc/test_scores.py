"""EM and F1 equal what the official program gave for the recorded cases."""

from __future__ import annotations

import json
import pathlib

import pytest

from albert.tasks.mrc.english import load_tokenizer
from albert.tasks.mrc.scores import (
    longest_common_run,
    normalize,
    score_answer,
    score_predictions,
    score_question,
    segment,
)
from albert.tasks.mrc.scoring import official_form, read_predictions
from albert.tasks.mrc.squad import Answer, Passage, Question, SquadFile, read_squad

RECORDED = pathlib.Path(__file__).parents[2] / "testdata" / "electra" / "mrc"
TABLE = json.loads((RECORDED / "score_table.json").read_text("utf-8"))


def test_the_table_is_whole():
    assert len(TABLE) == 45


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["prediction"])
def test_scores_and_tokens_equal_the_recorded_ones(row):
    assert normalize(row["prediction"]) == row["prediction_without_punctuation"]
    assert segment(row["prediction"]) == row["prediction_segments"]
    assert [segment(answer) for answer in row["answers"]] == row["answer_segments"]
    assert score_answer(row["prediction"], row["answers"]) == (row["em"], row["f1"])


def test_the_total_equals_the_recorded_one():
    expected = json.loads((RECORDED / "score_total.json").read_text("utf-8"))
    data = read_squad(str(RECORDED / "dev.json"))
    predictions = read_predictions(str(RECORDED / "preds.json"))
    scores = score_predictions(data, predictions)
    assert official_form(scores, expected["FILE"]) == expected
    assert scores.skipped == ("DEV_1_QUERY_2",)


# The words that NLTK 3.4.5, which the official scores are of, gives with its model of
# English sentences; version 3.10 splits the first four otherwise.
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1982–2013", "1982–2013"),
        ("......", "... ..."),
        ("last six (hours)——", "last six ( hours ) ——"),
        (" \"umbra\" 'shade' for a sun", "`` umbra '' 'shade ' for a sun"),
        ("mr. smith met dr. no. he left.", "mr. smith met dr. no . he left ."),
        ("i can't, won't; gonna", "i ca n't , wo n't ; gon na"),
        ("$3.50 (50%)", "$ 3.50 ( 50 % )"),
        ("j. k. rowling", "j. k. rowling"),
        ("the ‘new’ «world» of „x”", "the ‘ new ’ « world » of „ x ”"),
        ("a.b.c... etc.", "a.b.c ... etc ."),
        ("no. 5", "no . 5"),
    ],
)
def test_english_is_split_as_by_the_version_of_nltk_of_the_official_scores(text, words):
    assert " ".join(load_tokenizer()(text)) == words


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [("abcd", "xbcy", 2), ("ab", "ba", 1), ("", "a", 0), ("aab", "aaab", 3)],
)
def test_the_longest_common_run_is_contiguous(first, second, length):
    assert longest_common_run(first, second) == length
    assert longest_common_run(second, first) == length


@pytest.mark.parametrize(("prediction", "right"), [("", 1), (" ", 1), ("月亮", 0)])
def test_nothing_is_the_answer_to_a_question_without_one(prediction, right):
    question = Question("q", "何处？", (), is_impossible=True)
    assert score_question(prediction, question) == (right, right)


def test_a_file_is_scored_by_the_mean_over_its_questions():
    # 5 of 6 tokens in the answer's run of 5: P 1, R 5/6, F1 10/11; the other is exact.
    questions = (
        Question("a", "甲？", (Answer("一二三四五六"),)),
        Question("b", "乙？", (Answer("七"), Answer("八"))),
    )
    data = SquadFile("", (Passage("", questions),))
    scores = score_predictions(data, {"a": "一二三四五", "b": "八。"})
    assert (scores.em, scores.total) == (50, 2)
    assert scores.f1 == pytest.approx(100 * (10 / 11 + 1) / 2)
    assert scores.average == pytest.approx((scores.em + scores.f1) / 2)
