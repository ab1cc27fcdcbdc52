"""Files of questions: what is read, and what is refused in one line."""

from __future__ import annotations

import copy
import json

import pytest

from albert.base.errors import UserError
from albert.tasks.mrc.squad import NO_PLACE, Answer, check_answers, read_squad

WHOLE = {
    "version": "v1",
    "data": [
        {
            "paragraphs": [
                {
                    "context": "水在一百度沸腾。",
                    "qas": [
                        {
                            "id": " q1 ",
                            "question": "水何时沸腾？",
                            "answers": [
                                {"text": "一百度", "answer_start": 2},
                                {"text": "百度"},
                            ],
                        },
                        {
                            "id": "q2",
                            "question": "谁煮水？",
                            "answers": [{"text": "水", "answer_start": 0}],
                            "is_impossible": True,
                        },
                    ],
                }
            ]
        }
    ],
}


def write(tmp_path, value):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return str(path)


def test_questions_come_with_their_passage_and_answers(tmp_path):
    data = read_squad(write(tmp_path, WHOLE))
    (passage, first), (_, second) = data.questions()
    assert passage.text == "水在一百度沸腾。"
    assert first.id == "q1"
    assert first.answers == (Answer("一百度", 2), Answer("百度", NO_PLACE))
    assert second.is_impossible
    assert second.answers == ()


def change(path, value):
    """Return WHOLE with one member, named by its path, changed; None takes it away."""
    whole = copy.deepcopy(WHOLE)
    *parents, last = path
    here = whole
    for part in parents:
        here = here[part]
    if value is None:
        del here[last]
    else:
        here[last] = value
    return whole


PARAGRAPH = ("data", 0, "paragraphs", 0)
QUESTION = (*PARAGRAPH, "qas", 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([WHOLE], r"data.json is not an object$"),
        (change(["data"], None), r'data.json has no key "data"$'),
        (change(["data"], {}), r'data.json: "data" is not a list$'),
        (
            change([*PARAGRAPH, "context"], None),
            r'data\[0\].paragraphs\[0\] has no key "context"$',
        ),
        (
            change([*QUESTION, "id"], 7),
            r'data\[0\].paragraphs\[0\].qas\[0\]: "id" is not a text$',
        ),
        (change([*QUESTION, "question"], None), r'\(q1\) has no key "question"$'),
        (
            change([*QUESTION, "answers", 0, "text"], None),
            r'\(q1\).answers\[0\] has no key "text"$',
        ),
        (
            change([*QUESTION, "answers", 0, "answer_start"], True),
            r'answers\[0\]: "answer_start" is not a number$',
        ),
        (change([*QUESTION, "id"], "q2"), r"two questions have the id 'q2'$"),
        (change([*PARAGRAPH, "qas"], []), r"data.json holds no question$"),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_its_place(tmp_path, value, message):
    with pytest.raises(UserError, match=message):
        read_squad(write(tmp_path, value))


def test_broken_json_is_named_with_its_line(tmp_path):
    path = tmp_path / "data.json"
    path.write_text('{"data": [\n{"paragraphs": [}\n]}', encoding="utf-8")
    with pytest.raises(UserError, match="data.json is not JSON: .*line 2 column 17"):
        read_squad(str(path))


def test_a_question_needs_an_answer_or_to_be_said_to_have_none(tmp_path):
    check_answers(read_squad(write(tmp_path, WHOLE)))
    value = change([*QUESTION, "answers"], [])
    with pytest.raises(UserError, match="data.json: the question q1 has no answer; "):
        check_answers(read_squad(write(tmp_path, value)))


@pytest.mark.parametrize(("name", "count"), [("train", 23), ("dev", 4), ("test", 4)])
def test_the_example_data_hold_their_answers_in_place(repo, name, count):
    data = read_squad(str(repo / "examples" / "mrc" / f"{name}.json"))
    found = [
        passage.text[answer.start :].startswith(answer.text)
        for passage, question in data.questions()
        for answer in question.answers
    ]
    assert found == [True] * count
