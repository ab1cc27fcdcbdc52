"""Answers from scores: as the reference recorded them, and ours by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from albert.tasks.mrc.config import INDEPENDENT, JOINT, MrcConfig
from albert.tasks.mrc.decoding import WindowScores, read_question
from albert.tasks.mrc.examples import make_example, make_reader
from albert.tasks.mrc.readers import align_text
from albert.tasks.mrc.squad import Question
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.tasks.mrc import recorded

CASES = recorded.load("decoding.json.gz")
TOKENIZER = Tokenizer(Vocabulary([*SPECIAL_TOKENS, *"水在一百度沸腾结冰了？。"]))


@pytest.mark.parametrize(
    "row", recorded.load("final_text.json"), ids=lambda row: row["pred_text"]
)
def test_text_is_aligned_as_recorded(row):
    found = align_text(row["pred_text"], row["orig_text"], do_lower_case=True)
    assert found == row["final_text"]


def settings_of(case):
    said = case["settings"]
    return MrcConfig(
        head=JOINT if said["joint_prediction"] else INDEPENDENT,
        reference_features=True,
        **{
            name: said[name]
            for name in (
                *("max_seq_length", "doc_stride", "beam_size", "n_best_size"),
                *("max_answer_length", "answerable_classifier"),
            )
        },
    )


def scores_of(result):
    names = (
        *("start_logits", "end_logits", "start_top_index", "end_top_index"),
        *("start_top_log_probs", "end_top_log_probs"),
    )
    arrays = (np.array(result[name]) for name in names)
    return WindowScores(*arrays, result["answerable_logit"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_answers_equal_the_recorded_ones(case):
    settings = settings_of(case)
    results = {result["eid"]: scores_of(result) for result in case["raw_results"]}
    examples = recorded.examples("dev.json", settings, training=False)
    for number, example in enumerate(examples):
        windows = [
            results.pop(1000 * number + index) for index in range(len(example.windows))
        ]
        found = read_question(example, windows, settings)
        name = example.question.id
        assert found.best().span.text == case["predictions"][name]
        scores = [answer.score for answer in found.answers]
        expected = case["nbest_scores_of_each_question"][number]
        assert scores == pytest.approx(expected, abs=2e-6)  # summed in float32 there
        chances = [answer.probability for answer in found.answers]
        expected = case["nbest_probabilities_of_each_question"][number]
        assert chances == pytest.approx(expected, abs=2e-6)
        if case["null_scores"] is not None:
            expected = pytest.approx(case["null_scores"][name], abs=2e-6)
            assert found.null_score == expected
    assert not results


def example_of(passage, settings):
    reader = make_reader(passage, TOKENIZER, settings)
    return make_example(Question("q", "水？"), reader, TOKENIZER, settings)


def independent(**changes):
    values = {"max_seq_length": 32, "head": INDEPENDENT, "beam_size": 4}
    return MrcConfig(answerable_classifier=False, **{**values, **changes})


def logits(length, **places):
    """Return scores of -9 but for those named, such as p4=1.0."""
    found = np.full(length, -9.0)
    for name, value in places.items():
        found[int(name[1:])] = value
    return found


def test_an_answer_is_cut_by_its_place_not_by_its_text():
    # [CLS] 水 ？ [SEP] 在 水 [UNK] 。 水 [SEP]: 琥 is unknown, and 水 stands twice.
    settings = independent()
    example = example_of("在水琥。水", settings)
    scores = WindowScores(logits(10, p5=2.0), logits(10, p6=1.0, p5=0.5))
    found = read_question(example, [scores], settings)
    assert found.answers[0].span == ("水琥", 1, 3)
    assert found.answers[0].score == 3.0
    assert found.answers[1].span == ("水", 1, 2)
    assert found.answers[0].probability > found.answers[1].probability


def test_spans_that_may_be_no_answer_are_left_out():
    # The best pair begins in the question, the next ends before it begins, the next is
    # too long: 一百度沸腾 has five tokens.
    settings = independent(max_answer_length=4, n_best_size=3)
    example = example_of("一百度沸腾", settings)
    scores = WindowScores(
        logits(10, p1=9.0, p8=5.0, p4=2.0), logits(10, p8=6.0, p7=3.0, p2=7.0)
    )
    found = read_question(example, [scores], settings)
    assert [answer.span.text for answer in found.answers] == ["腾", "一百度沸"]
    assert [answer.score for answer in found.answers] == [11.0, 5.0]
    share = 1 / (1 + math.exp(-6))
    assert found.answers[0].probability == pytest.approx(share)


def test_a_text_that_stands_twice_is_kept_once_with_the_better_place():
    settings = independent()
    example = example_of("水在水", settings)
    scores = WindowScores(logits(8, p4=1.0, p6=2.0), logits(8, p4=1.0, p6=2.0))
    found = read_question(example, [scores], settings)
    water = [answer for answer in found.answers if answer.span.text == "水"]
    assert [answer.span for answer in water] == [("水", 2, 3)]


def test_nothing_is_said_where_no_span_may_be_an_answer():
    settings = independent()
    found = read_question(example_of("", settings), [], settings)
    assert [a.span.text for a in found.answers] == [""]
    assert found.null_score is None


def test_the_null_score_of_logits_is_less_the_best_answer():
    settings = independent()
    example = example_of("水", settings)
    scores = WindowScores(logits(6, p0=1.0, p4=2.0), logits(6, p0=0.5, p4=2.0))
    assert read_question(example, [scores], settings).null_score == 1.5 - 4.0


def test_the_null_score_of_the_classifier_is_the_least_of_the_windows():
    settings = MrcConfig(max_seq_length=9, doc_stride=2, beam_size=1)
    example = example_of("一百度沸腾结", settings)  # windows of four
    assert len(example.windows) == 2
    beam = {
        "top_starts": np.array([4]),
        "top_ends": np.array([[5]]),
        "top_start_scores": np.array([-0.5]),
        "top_end_scores": np.array([[-0.25]]),
    }
    windows = [WindowScores(**beam, answerable=value) for value in (2.0, -1.0)]
    found = read_question(example, windows, settings)
    assert found.null_score == -1.0
    assert found.answers[0] == (("一百", 0, 2), -0.75, 1.0)
