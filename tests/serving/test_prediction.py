"""From input files to result files, in this process."""

from __future__ import annotations

import io
import json
import shutil

import pytest

import albert.serving
from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.serving import prediction
from albert.serving.prediction import predict_files
from albert.serving.prediction_config import PredictionConfig
from albert.serving.predictor import Predictor
from albert.tasks.ner.conll import read_conll
from tests.serving.conftest import CHARACTERS, write_model
from tests.serving.test_predictor import random_texts


@pytest.fixture(scope="module")
def predictor(model_dir):
    return Predictor(model_dir, batch_size=4)


@pytest.fixture(scope="module")
def texts():
    return [text.replace("\n", "") for text in random_texts(60, seed=11)]


@pytest.fixture
def text_file(tmp_path, texts):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    return str(path)


def predict(model_dir, *input_files, **settings):
    """Return what goes to standard output."""
    stream = io.BytesIO()
    config = PredictionConfig(model_dir, tuple(input_files), **settings)
    predict_files(config, stream)
    return stream.getvalue().decode("utf-8")


def read_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_package_gives_the_predictor():
    assert albert.serving.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = albert.serving.Nothing


def test_results_are_those_of_the_predictor_in_order(
    model_dir, predictor, texts, text_file
):
    found = read_lines(predict(model_dir, text_file, batch_size=4))
    assert found == predictor.predict(texts)
    assert any(line["entities"] for line in found)


def test_chunks_change_nothing_but_the_batches(
    monkeypatch, model_dir, texts, text_file
):
    whole = read_lines(predict(model_dir, text_file))
    monkeypatch.setattr(prediction, "_CHUNK_CHARACTERS", 50)
    found = read_lines(predict(model_dir, text_file))
    keys = ("type", "start", "end", "surface")
    for one, other in zip(found, whole):
        assert one["text"] == other["text"]
        assert [[e[k] for k in keys] for e in one["entities"]] == [
            [e[k] for k in keys] for e in other["entities"]
        ]


def test_min_score_and_dictionary_hold(tmp_path, model_dir, text_file):
    terms = tmp_path / "terms"
    terms.write_text("支持\tA\n", "utf-8")
    found = read_lines(
        predict(model_dir, text_file, min_score=0.6, dictionary=str(terms))
    )
    entities = [e for line in found for e in line["entities"]]
    assert {e["score"] >= 0.6 for e in entities} == {True}
    forced = [e for e in entities if e.get("source") == "dictionary"]
    assert len(forced) == sum(line["text"].count("支持") for line in found) > 0


@pytest.mark.parametrize("scheme", ["BIO", "BMES"])
def test_tags_of_left_out_entities_are_outside_and_others_stay(tmp_path, scheme):
    predictor = Predictor(str(write_model(tmp_path / "model", scheme=scheme)))
    sentences = [[c, d] for c in CHARACTERS[:15] for d in CHARACTERS[:15]]
    everything = predictor.of_task.label_columns(sentences)
    scores = sorted(e["score"] for s in everything for e in s.entities)
    border = scores[len(scores) // 2]
    some = predictor.of_task.label_columns(sentences, border)
    dropped = 0
    for all_of, rest in zip(everything, some):
        tags, kept = (predictor.of_task.tags_of(s) for s in (all_of, rest))
        for entity in all_of.entities:  # columns are characters here
            if entity["score"] < border:
                tags[entity["start"] : entity["end"]] = ["O"] * (
                    entity["end"] - entity["start"]
                )
                dropped += 1
        assert kept == tags
    assert 0 < dropped < len(scores)


def test_columns_of_several_characters_keep_their_places(predictor):
    (labelled,) = predictor.of_task.label_columns(
        [["支", "ab1", "向", "量", "机", "1"]]
    )
    assert labelled.sentence.starts == (0, 1, 4, 5, 6, 7)
    for entity in labelled.entities:
        surface = "支ab1向量机1"[entity["start"] : entity["end"]]
        assert entity["surface"] == surface
    whole = predictor.tag([["支", "ab1", "向", "量", "机", "1"]])
    assert [predictor.of_task.tags_of(labelled)] == whole


def test_a_sentence_longer_than_many_windows_is_labelled_whole(predictor):
    text = "用支持向量机做图像分类的方法，" * 40  # 600 columns, 22 a window
    (result,) = predictor.predict([text])
    (tags,) = predictor.tag([list(text)])
    assert len(tags) == len(text)
    assert sum(tag.startswith("B-") for tag in tags) == len(result["entities"]) > 0


def test_lines_of_conll_files_get_the_predicted_tag(tmp_path, model_dir, predictor):
    path = tmp_path / "given.conll"
    path.write_text("用\tO\n支\tB-A\n\n图\tO\n像\tO\n分\tO\n", "utf-8")
    text = predict(
        model_dir, str(path), input_format="conll", output_format="conll", batch_size=4
    )
    tags = predictor.tag([s.columns for s in read_conll(str(path)).sentences])
    assert text == (
        f"用\tO\t{tags[0][0]}\n支\tB-A\t{tags[0][1]}\n\n"
        f"图\tO\t{tags[1][0]}\n像\tO\t{tags[1][1]}\n分\tO\t{tags[1][2]}\n"
    )
    lines = read_lines(predict(model_dir, str(path), input_format="conll"))
    assert [line["text"] for line in lines] == ["用支", "图像分"]


def test_columns_of_text_carry_the_tags_of_its_entities(model_dir, texts, text_file):
    lines = read_lines(predict(model_dir, text_file))
    columns = predict(model_dir, text_file, output_format="conll").split("\n")
    rows = [line.split(" ") for line in columns if line]
    assert "".join(row[0] for row in rows) == "".join("".join(t.split()) for t in texts)
    begins = sum(row[1].startswith("B-") for row in rows)
    assert begins == sum(len(line["entities"]) for line in lines)


def test_a_page_marks_every_entity(model_dir, text_file):
    page = predict(model_dir, text_file, output_format="html")
    lines = read_lines(predict(model_dir, text_file))
    body = page.split("<ol>")[1]
    assert body.count("<mark") == sum(len(line["entities"]) for line in lines)
    assert "<h1>Entities in texts.txt</h1>" in page


@pytest.mark.parametrize("input_format", ["text", "jsonl", "conll"])
@pytest.mark.parametrize("output_format", ["jsonl", "conll", "html"])
def test_an_empty_input_gives_an_empty_result(
    tmp_path, model_dir, input_format, output_format
):
    path = tmp_path / "empty"
    path.write_bytes(b"")
    text = predict(
        model_dir, str(path), input_format=input_format, output_format=output_format
    )
    assert ("0 texts; no entities" in text) if output_format == "html" else text == ""


@pytest.mark.parametrize("output_format", ["jsonl", "conll", "html"])
def test_a_failed_run_goes_on_once_the_input_is_mended(
    tmp_path, monkeypatch, model_dir, texts, output_format
):
    monkeypatch.setattr(prediction, "_CHUNK_BATCHES", 5)
    lines = [json.dumps({"text": text}) + "\n" for text in texts]
    path, out = tmp_path / "in.jsonl", tmp_path / "out"
    path.write_text("".join(lines[:30]) + "{broken\n")
    settings = {
        "input_format": "jsonl",
        "output_format": output_format,
        "output_file": str(out),
        "batch_size": 4,
    }
    with pytest.raises(UserError, match="in.jsonl: line 31 is not JSON"):
        predict(model_dir, str(path), **settings)
    assert not out.exists()
    state = json.loads((tmp_path / "out.partial.json").read_text("utf-8"))
    assert state["progress"]["items"] == 20
    path.write_text("".join(lines))
    predict(model_dir, str(path), **settings, resume=True)
    whole = predict(model_dir, str(path), **{**settings, "output_file": None})
    assert out.read_text("utf-8") == whole
    assert not list(tmp_path.glob("out.*"))


def test_another_input_is_not_gone_on_with(tmp_path, monkeypatch, model_dir):
    monkeypatch.setattr(prediction, "_CHUNK_BATCHES", 1)
    path, out = tmp_path / "in.jsonl", tmp_path / "out"
    settings = {"input_format": "jsonl", "output_file": str(out), "batch_size": 1}
    path.write_text('{"text": "a"}\n' * 3 + "{broken\n")
    with pytest.raises(UserError, match="line 4"):
        predict(model_dir, str(path), **settings)
    for changed in ('{"text": "b"}\n' * 9, '{"text": "a"}\n'):
        path.write_text(changed)
        with pytest.raises(UserError, match="first 3 texts .* are not those of before"):
            predict(model_dir, str(path), **settings, resume=True)


def at_another_step(folder):
    for name in folder.glob("model.ckpt-7*"):
        name.rename(str(name).replace("ckpt-7", "ckpt-8"))
    state = (folder / "checkpoint").read_text()
    (folder / "checkpoint").write_text(state.replace("ckpt-7", "ckpt-8"))


def of_other_values(folder):
    prefix = str(folder / "model.ckpt-7")
    values = storage.read_variables(prefix, list(storage.read_shapes(prefix)))
    values["output_bias"] = values["output_bias"] + 1
    storage.write_variables(prefix, values)


@pytest.mark.parametrize("change", [at_another_step, of_other_values])
def test_another_model_is_not_gone_on_with(tmp_path, monkeypatch, model_dir, change):
    monkeypatch.setattr(prediction, "_CHUNK_BATCHES", 1)
    path, out = tmp_path / "in.jsonl", tmp_path / "out"
    settings = {"input_format": "jsonl", "output_file": str(out), "batch_size": 1}
    path.write_text('{"text": "a"}\n{broken\n')
    with pytest.raises(UserError, match="line 2"):
        predict(model_dir, str(path), **settings)
    other = tmp_path / "other"
    shutil.copytree(model_dir, other)
    change(other)
    with pytest.raises(UserError, match="was made with model"):
        predict(str(other), str(path), **settings, resume=True)


def test_the_input_is_not_written_over(model_dir, text_file):
    with pytest.raises(UserError, match="is an input file too"):
        predict(model_dir, text_file, output_file=text_file)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resume": True}, "--resume needs --output_file"),
        ({"min_score": 1.5}, "min_score"),
        ({"batch_size": 0}, "batch_size"),
        ({"input_format": "xml"}, "input_format"),
        ({"output_format": "xml"}, "output_format"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        PredictionConfig("model", **settings)
