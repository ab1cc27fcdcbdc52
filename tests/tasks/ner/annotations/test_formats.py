"""Each format by hand: what its tool writes is read, and what it lacks is named."""

from __future__ import annotations

import json

import pytest

from albert.base.errors import UserError
from albert.tasks.ner.annotations import columns, document, json_lines, label_studio
from albert.tasks.ner.annotations.convert import FORMATS, convert
from albert.tasks.ner.annotations.document import Document, Entity

TEXT = "用支持向量机做图像分类"
ENTITIES = (Entity("Method", 1, 6), Entity("Task", 7, 11))


def _read(tmp_path, name, text):
    path = tmp_path / f"input.{name}"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return FORMATS[name].read(str(path))


def _lines(*values):
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


SOURCES = {
    "bio": "用 O\n支 B-Method\n持 I-Method\n向 I-Method\n量 I-Method\n机 I-Method\n"
    "做 O\n图 B-Task\n像 I-Task\n分 I-Task\n类 I-Task\n",
    "bmes": "用 O\n支 B-Method\n持 M-Method\n向 M-Method\n量 M-Method\n机 E-Method\n"
    "做 O\n图 B-Task\n像 M-Task\n分 M-Task\n类 E-Task\n",
    "bioes": "用 O\n支 B-Method\n持 I-Method\n向 I-Method\n量 I-Method\n机 E-Method\n"
    "做 O\n图 B-Task\n像 I-Task\n分 I-Task\n类 E-Task\n",
    "doccano": _lines({"text": TEXT, "label": [[1, 6, "Method"], [7, 11, "Task"]]}),
    "cluener": _lines(
        {
            "text": TEXT,
            "label": {
                "Method": {"支持向量机": [[1, 5]]},
                "Task": {"图像分类": [[7, 10]]},
            },
        }
    ),
    "predictions": _lines(
        {
            "text": TEXT,
            "entities": [
                {"type": "Method", "start": 1, "end": 6, "surface": "支持向量机"},
                {"type": "Task", "start": 7, "end": 11, "surface": "图像分类"},
            ],
        }
    ),
    "label_studio": json.dumps(
        [
            {
                "data": {"text": TEXT},
                "annotations": [
                    {
                        "result": [
                            {
                                "from_name": "label",
                                "to_name": "text",
                                "type": "labels",
                                "value": {
                                    "start": start,
                                    "end": end,
                                    "text": TEXT[start:end],
                                    "labels": [kind],
                                },
                            }
                            for kind, start, end, _ in ENTITIES
                        ]
                    }
                ],
            }
        ]
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_one_text_in_every_format_is_read_alike(tmp_path, name):
    loaded = _read(tmp_path, name, SOURCES[name])
    assert loaded.documents == [Document(TEXT, ENTITIES)]
    assert not loaded.losses


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_each_is_converted_to_each_as_written_by_hand(tmp_path, source, target):
    path = tmp_path / "input"
    path.write_text(SOURCES[source], encoding="utf-8")
    result = convert(str(path), str(tmp_path / "output"), source, target)
    assert result == (1, 2, {})
    written = (tmp_path / "output").read_text(encoding="utf-8")
    if target == "label_studio":
        found, expected = json.loads(written), json.loads(SOURCES[target])
        for item in found[0]["annotations"][0]["result"]:
            assert item.pop("id")
        assert found == expected
    else:
        assert written == SOURCES[target]


def test_other_forms_of_doccano_are_read(tmp_path):
    entity = {"id": 5, "label": "Task", "start_offset": 7, "end_offset": 11}
    loaded = _read(
        tmp_path,
        "doccano",
        _lines(
            {"id": 3, "text": TEXT, "labels": [[1, 6, "Method"]], "Comments": []},
            {"id": 4, "text": TEXT, "entities": [entity], "relations": [{}, {}]},
        ),
    )
    assert loaded.documents == [
        Document(TEXT, ENTITIES[:1], 3, {"Comments": []}),
        Document(TEXT, ENTITIES[1:], 4),
    ]
    assert loaded.losses == {json_lines.RELATIONS: 2, document.ENTITY_FIELDS: 1}


def test_our_predictions_say_what_of_an_entity_is_not_read(tmp_path):
    entity = {"type": "Task", "start": 7, "end": 11, "score": 1.0}
    value = {"text": TEXT, "entities": [{**entity, "source": "dictionary"}]}
    loaded = _read(tmp_path, "predictions", _lines(value))
    assert loaded.documents == [Document(TEXT, (Entity("Task", 7, 11, 1.0),))]
    assert loaded.losses == {document.ENTITY_FIELDS: 1}


def _task(text, *values, **task):
    results = [{"type": "labels", "value": value} for value in values]
    return {"data": {"text": text}, "annotations": [{"result": results}], **task}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"start": 1, "end": 2, "text": "图"}, (1, 2)),  # characters
        ({"start": 2, "end": 3, "text": "图"}, (1, 2)),  # UTF-16 units
        ({"start": 0, "end": 2, "text": "😀"}, (0, 1)),
        ({"start": 0, "end": 1}, (0, 1)),  # no text: characters
        ({"start": 0, "end": 2, "text": "图"}, None),
        ({"start": 2, "end": 4, "text": "\\n像"}, (2, 4)),  # as old exports write it
    ],
)
def test_label_studio_offsets_of_either_kind_are_found(tmp_path, value, expected):
    task = _task("😀图\n像", {**value, "labels": ["A"]})
    if expected is None:
        with pytest.raises(UserError, match="task 1: .* does not stand at 0 to 2"):
            _read(tmp_path, "label_studio", json.dumps([task]))
        return
    (found,) = _read(tmp_path, "label_studio", json.dumps([task])).documents
    assert found.entities == (Entity("A", *expected),)


def test_a_region_at_the_end_of_utf16_text_is_not_cut_off(tmp_path):
    task = _task("x😀😀😀", {"start": 3, "end": 5, "text": "😀", "labels": ["A"]})
    (found,) = _read(tmp_path, "label_studio", json.dumps([task])).documents
    assert found.entities == (Entity("A", 2, 3),)


def test_label_studio_says_what_it_does_not_read(tmp_path):
    region = {"start": 0, "end": 1, "labels": ["A", "B"], "paragraph": 1}
    result = {"id": "Xy", "type": "labels", "value": region, "meta": {"text": ["?"]}}
    choice = {"type": "choices", "value": {"choices": ["x"]}}
    task = {
        "id": 7,
        "data": {"text": "图", "source": "web"},
        "annotations": [
            {"was_cancelled": True, "result": []},
            {"was_cancelled": True, "result": [result]},
            {"result": [result, choice], "completed_by": 1, "was_cancelled": False},
            {"result": []},
        ],
        "predictions": [{"result": [], "score": 0.5}, 12],
        "created_at": "2024-01-01",
    }
    loaded = _read(tmp_path, "label_studio", json.dumps([task]))
    entities = (Entity("A", 0, 1), Entity("B", 0, 1))
    assert loaded.documents == [Document("图", entities, 7, {"source": "web"})]
    assert loaded.losses == {
        label_studio.OTHER_ANNOTATIONS: 1,
        label_studio.PREDICTIONS: 1,
        label_studio.OTHER_RESULTS: 1,
        label_studio.TASK_FIELDS: 1,
        label_studio.CANCELLED: 1,
        label_studio.ANNOTATION_FIELDS: 1,  # completed_by
        document.ENTITY_FIELDS: 3,  # id, meta, paragraph
    }


def test_label_studio_says_which_model_and_score_of_a_prediction_are_lost(tmp_path):
    region = {"start": 0, "end": 1, "labels": ["A"], "score": 0.5}
    results = [{"type": "labels", "value": region}]
    losses = [
        _read(
            tmp_path,
            "label_studio",
            json.dumps(
                [{"data": {"text": "图"}, "predictions": [{"result": results, **more}]}]
            ),
        ).losses
        for more in (
            {"model_version": "other", "score": 0.25},
            {"model_version": "albert", "score": 0.5},  # as it would be written again
        )
    ]
    assert losses == [{label_studio.ANNOTATION_FIELDS: 2}, {}]


def test_scores_become_pre_annotations():
    items = [
        Document("图像", (Entity("A", 0, 1, 0.5), Entity("B", 1, 2, 0.75))),
        Document("无"),
    ]
    written = label_studio.write(items)
    first, second = json.loads(written.text)
    assert "annotations" not in first
    (prediction,) = first["predictions"]
    assert prediction["score"] == 0.625
    assert [item["score"] for item in prediction["result"]] == [0.5, 0.75]
    assert second["predictions"] == [{"model_version": "albert", "result": []}]
    assert not written.losses


def test_columns_name_every_loss():
    long, inner = Entity("A", 0, 3, 0.9), Entity("B", 1, 2)
    items = [
        Document("图像x\n像", (long, inner, Entity("B", 4, 5)), 3, {"k": 1}),
        Document("ab\nc", (Entity("A", 1, 4), Entity("A", 1, 1))),
        Document("图", (Entity("a type", 0, 1),)),
        Document(""),
    ]
    written = FORMATS["bio"].write(items)
    blocks = [
        "图 B-A\n像 I-A\nx I-A\n",
        "像 B-B\n",
        "a O\nb O\n",
        "c O\n",
        "图 B-a_type\n",
    ]
    assert written.text == "\n".join(blocks)
    assert written.losses == {
        columns.OVERLAPS: 1,
        columns.LINE_BREAKS: 2,
        columns.ACROSS_LINES: 1,
        columns.TYPE_SPACES: 1,
        columns.NO_TEXT: 1,
        document.EMPTY_ENTITIES: 1,
        document.SCORES: 1,
        document.IDS: 1,
        document.FIELDS: 1,
    }


def test_reading_columns_names_every_loss(tmp_path):
    text = "BERT N B-A\n图 N I-A\n\n像 N I-A\n"
    loaded = _read(tmp_path, "bio", text)
    assert loaded.documents == [
        Document("BERT图", (Entity("A", 0, 5),)),
        Document("像", (Entity("A", 0, 1),)),
    ]
    assert loaded.losses == {
        columns.COLUMN_BOUNDARIES: 1,
        columns.FURTHER_COLUMNS: 3,
        columns.ILLEGAL: 1,
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("bio", "图 M-A\n", "line 1: the tag 'M-A' is not of the scheme BIO"),
        ("doccano", "[]\n", "line 1 is no JSON object"),
        ("doccano", '{"text": 3}\n', 'line 1 has no "text"'),
        ("doccano", '\n{"text": "a"\n', "line 2 is not JSON"),
        (
            "doccano",
            '{"text": "a", "label": [[0, 2, "A"]]}',
            "from 0 to 2 does not lie",
        ),
        ("doccano", '{"text": "a", "label": [[0, 1, ""]]}', "'' is no type"),
        ("doccano", '{"text": "a", "label": [[0.0, 1, "A"]]}', "no places in a text"),
        ("doccano", '{"text": "a", "label": [["A"]]}', '"label" .* does not hold ent'),
        ("doccano", '{"text": "a", "relations": 3}', '1: "relations" is no list'),
        ("doccano", '{"text": "a", "label": 7}', '"label" .* does not hold entities'),
        (
            "cluener",
            '{"text": "a", "label": []}\n{"text": "a", "label": [1]}',
            "line 2",
        ),
        (
            "cluener",
            '{"text": "ab", "label": {"A": {"b": [[0, 0]]}}}',
            "'b' does not stand at 0 to 0",
        ),
        ("predictions", '{"text": "a"}', '"entities" does not hold entities'),
        (
            "predictions",
            '{"text": "a", "entities": [{"type": "A", "start": 0, "end": 1, '
            '"score": "x"}]}',
            "the score 'x' is no number",
        ),
        (
            "predictions",
            '{"text": "a", "entities": [{"type": "A", "start": 0, "end": 1, '
            '"score": NaN}]}',
            "NaN is no JSON number",
        ),
        (
            "doccano",
            '{"text": "a", "x": -1e999}',
            "line 1 is not JSON: -1e999 is too l",
        ),
        (
            "predictions",
            '{"text": "a", "entities": [{"type": "A", "start": 0, "end": 1, '
            f'"score": 1{"0" * 400}}}]}}',
            "line 1: a score is too large a number",
        ),
        ("label_studio", '[{"data": {"text": "a", "x": 1e999}}]', "1e999 is too large"),
        ("label_studio", "{}", "is no list of tasks"),
        ("label_studio", '[{"text": "a"}]', "task 1 is no task .*JSON-MIN"),
        ("label_studio", '[{"data": {"t": "a"}}]', 'task 1: "data" has no "text"'),
        ("label_studio", "[" * 100_000, "is not JSON"),
    ],
)
def test_wrong_input_is_one_clear_line(tmp_path, name, text, message):
    with pytest.raises(UserError, match=message):
        _read(tmp_path, name, text)


def test_half_a_surrogate_pair_is_a_lost_character(tmp_path):
    loaded = _read(tmp_path, "doccano", '{"text": "a\\ud83d", "label": [[1, 2, "A"]]}')
    assert loaded.documents == [Document("a\ufffd", (Entity("A", 1, 2),))]
    assert loaded.losses == {document.HALF_CHARACTERS: 1}
