"""Windows and places of answers: the reference's as recorded, ours by hand."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from albert.tasks.mrc.config import MrcConfig
from albert.tasks.mrc.examples import log_counts, make_examples, make_inputs
from albert.tasks.mrc.readers import TokenSpan
from albert.tasks.mrc.squad import Answer, Passage, Question, SquadFile
from albert.tasks.mrc.windows import place_windows, plan_windows
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.tasks.mrc import recorded

CASES = recorded.load("features.json.gz")
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *"水在一百度沸腾结冰了年？。", "20", "##15"])
TOKENIZER = Tokenizer(VOCABULARY)


def reference_settings(case):
    names = ("max_seq_length", "doc_stride", "max_query_length")
    return MrcConfig(**{name: case[name] for name in names}, reference_features=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_training_features_equal_the_recorded_ones(case):
    task, length = case["task"], case["max_seq_length"]
    name = "train_unanswerable.json" if task == "squad" else "train.json"
    found = recorded.examples(name, reference_settings(case), training=True)
    ids = recorded.tokenizer().vocabulary.ids
    assert len(found) == len(case["train"])
    for number, (example, expected) in enumerate(zip(found, case["train"])):
        assert example.question.id == expected["id"]
        assert example.reader.words == expected["doc_tokens"]
        words = TokenSpan(expected["start_position"], expected["end_position"])
        if not expected["is_impossible"]:
            answer = example.question.answers[0]
            assert answer.text == expected["answer"]
            assert example.reader.find_words(answer) == words
        assert len(example.windows) == len(expected["features"])
        for window, feature in enumerate(expected["features"]):
            inputs = make_inputs(example, window, ids)
            padding = [0] * (length - len(inputs.ids))
            assert {
                "task_id": 0,
                f"{task}_eid": 1000 * number + window,
                "input_ids": inputs.ids + padding,
                "input_mask": [1] * len(inputs.ids) + padding,
                "segment_ids": inputs.segment_ids + padding,
                f"{task}_start_positions": inputs.start,
                f"{task}_end_positions": inputs.end,
                f"{task}_is_impossible": example.question.is_impossible,
            } == feature


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_dev_features_equal_the_recorded_ones(case):
    task, length = case["task"], case["max_seq_length"]
    found = recorded.examples("dev.json", reference_settings(case), training=False)
    ids = recorded.tokenizer().vocabulary.ids
    assert len(found) == len(case["dev"])
    for number, (example, expected) in enumerate(zip(found, case["dev"])):
        assert example.question.id == expected["id"]
        assert example.reader.words == expected["doc_tokens"]
        assert len(example.windows) == len(expected["features"])
        for index, feature in enumerate(expected["features"]):
            window, reader = example.windows[index], example.reader
            inputs = make_inputs(example, index, ids)
            padding = [0] * (length - len(inputs.ids))
            seen = range(window.start, window.end)
            tokens = [
                *("[CLS]", *example.question_tokens, "[SEP]"),
                *(reader.tokens[window.start : window.end], "[SEP]"),
            ]
            tokens[-2:-1] = tokens[-2]
            shift = example.offset - window.start
            assert {
                "task_id": 0,
                f"{task}_eid": 1000 * number + index,
                "input_ids": inputs.ids + padding,
                "input_mask": [1] * len(inputs.ids) + padding,
                "segment_ids": inputs.segment_ids + padding,
                f"{task}_doc_span_index": index,
                f"{task}_tokens": tokens,
                f"{task}_token_to_orig_map": {
                    str(i + shift): reader.word_of_token[i] for i in seen
                },
                f"{task}_token_is_max_context": {
                    str(i + shift): best for i, best in zip(seen, window.best)
                },
            } == feature


@pytest.mark.parametrize(
    ("length", "capacity", "stride", "windows"),
    [
        (10, 6, 3, [(0, 6), (3, 9), (6, 10)]),
        (6, 6, 3, [(0, 6)]),
        (7, 3, 128, [(0, 3), (3, 6), (6, 7)]),  # a stride longer than a window
        (0, 6, 3, []),
    ],
)
def test_windows_cover_a_passage(length, capacity, stride, windows):
    assert place_windows(length, capacity, stride) == windows


def test_a_token_counts_where_it_has_the_most_context():
    # Of tokens 3 to 5, 3 has sides 3, 2 and 0, 5; 4 has 4, 1 and 1, 4: the first of
    # equal windows; 5 has 5, 0 and 2, 3.
    first, second = plan_windows(9, 6, 3)
    assert first.best == (True, True, True, True, True, False)
    assert second.best == (False, False, True, True, True, True)


def example_of(passage, *answers, **changes):
    question = Question("q", "水？", answers)
    data = SquadFile("data.json", (Passage(passage, (question,)),))
    settings = MrcConfig(**{"max_seq_length": 64, "beam_size": 4, **changes})
    return make_examples(data, TOKENIZER, settings, training=True)[0]


def test_the_occurrence_at_answer_start_is_trained():
    passage = "一百度沸腾。在一百度结冰。"
    answer = Answer("一百度", 7)
    assert example_of(passage, answer).answer == (7, 9)
    reference = example_of(passage, answer, reference_features=True)
    assert reference.answer == (0, 2)  # the first, wherever answer_start points


def test_the_nearest_occurrence_is_trained_where_answer_start_is_wrong():
    passage = "水。在水。水"  # at 0, 3 and 5
    assert example_of(passage, Answer("水", 4)).answer == (3, 3)
    assert example_of(passage, Answer("水", 9)).answer == (5, 5)
    assert example_of(passage, Answer("水")).answer == (0, 0)


def test_the_first_answer_that_stands_in_the_passage_is_trained():
    found = example_of("水在一百度沸腾。", Answer("火", 0), Answer("一百", 2))
    assert found.answer == (2, 3)


def test_an_answer_within_a_word_has_the_tokens_that_hold_it():
    # 2015 is 20 ##15; "15年" is ##15 年, "01" is in both.
    assert example_of("水2015年。", Answer("15年", 3)).answer == (2, 3)
    assert example_of("水2015年。", Answer("01", 2)).answer == (1, 2)


def test_an_answer_with_an_unknown_character_is_cut_from_the_passage():
    passage = "水在琥珀 2015年沸腾。"
    found = example_of(passage, Answer("琥珀 2015年", 2))
    assert [found.reader.tokens[i] for i in range(2, 7)] == [
        *("[UNK]", "[UNK]", "20", "##15", "年")
    ]
    assert found.answer == (2, 6)
    assert found.reader.cut(found.answer) == ("琥珀 2015年", 2, 10)
    reference = example_of(passage, Answer("琥珀", 2), reference_features=True)
    assert reference.reader.cut(reference.answer).text == "水在琥珀"  # all of its word


def test_an_answer_may_lie_in_two_windows_or_only_in_one():
    # 8 tokens, windows of 5 from 0 and 3: [CLS] 水 ？ [SEP] comes first, so position 4.
    found = example_of(
        "一百度沸腾结冰了",
        Answer("沸腾", 3),
        max_seq_length=10,
        doc_stride=3,
        beam_size=2,
    )
    places = [make_inputs(found, n, VOCABULARY.ids)[2:] for n in (0, 1)]
    assert places == [(7, 8), (4, 5)]
    found = example_of(
        "一百度沸腾结冰了",
        Answer("百度", 1),
        max_seq_length=10,
        doc_stride=3,
        beam_size=2,
    )
    places = [make_inputs(found, n, VOCABULARY.ids)[2:] for n in (0, 1)]
    assert places == [(5, 6), (0, 0)]


def test_answers_that_are_nowhere_are_named_and_counted(caplog):
    questions = (
        Question("gone", "水？", (Answer("火", 0),)),
        Question("moved", "水？", (Answer("水", 1),)),
        Question("none", "水？", (), is_impossible=True),
    )
    data = SquadFile("data.json", (Passage("水沸腾。", questions),))
    settings = MrcConfig(max_seq_length=64)
    found = make_examples(data, TOKENIZER, settings, training=True)
    assert [example.question.id for example in found] == ["moved", "none"]
    log_counts("train", data, found)
    assert "train: 1 answers do not stand at their answer_start" in caplog.text
    assert (
        "train: 1 answers do not stand in their passage; 1 questions are left out; "
        "these answers are to gone"
    ) in caplog.text
    assert len(make_examples(data, TOKENIZER, settings, training=False)) == 3


def test_a_file_without_any_answer_in_its_passage_is_refused():
    with pytest.raises(UserError, match="data.json: no answer stands in its passage"):
        example_of("水沸腾。", Answer("火", 0))
