"""run_mrc.py as a user runs it, on the example data and a tiny random model."""

from __future__ import annotations

import json

import pytest

from tests import mrc_kit as kit

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return kit.make_model_files(tmp_path_factory.mktemp("mrc"))


@pytest.fixture(scope="module")
def model(files, runner):
    flags = kit.make_flags(files, files / "model", do_predict=True)
    done = runner.run(flags, script="run_mrc")
    assert done.status == 0, done.output
    return files / "model", done.output


def read_json(path):
    return json.loads(path.read_text("utf-8"))


def test_a_model_trains_scores_its_best_checkpoint_and_answers(model):
    folder, log = model
    assert "train (" in log
    # 23 questions; passages of about 110 tokens take two or three windows of 96.
    assert "23 questions, " in log
    best = read_json(folder / "best" / "best.json")
    val = kit.read_results(folder / "eval_results_val.txt")
    assert val["eval_average"] == pytest.approx(best["value"])
    results = kit.read_results(folder / "eval_results.txt")
    assert results["eval_average"] == pytest.approx(
        (results["eval_em"] + results["eval_f1"]) / 2
    )
    right = kit.load_answers("test")
    answers = read_json(folder / "predictions_test.json")
    assert set(answers) == set(right)
    passage = read_json(kit.EXAMPLES / "test.json")["data"][0]["paragraphs"][0]
    assert all(a and a in passage["context"] for a in answers.values())
    em = sum(answers[name] == right[name] for name in right) / len(right)
    assert results["eval_em"] == pytest.approx(100 * em)
    assert "all" in (folder / "answer_scores.txt").read_text()
    assert read_json(folder / "labels.json")["unanswerable"] is False
    assert not (folder / "predictions_test_nbest.json").exists()


def test_a_trained_model_answers_a_file_without_answers_and_goes_on(
    model, files, runner, tmp_path
):
    folder, _ = model
    text = "新馆在二楼。"
    asked = [{"id": "q", "question": "新馆在几楼？"}]
    value = {"data": [{"paragraphs": [{"context": text, "qas": asked}]}]}
    new = tmp_path / "new.json"
    new.write_text(json.dumps(value), encoding="utf-8")
    done = runner.run(
        [
            *(f"--model_dir={folder}", f"--output_dir={tmp_path / 'out'}"),
            *("--do_predict", f"--predict_file={new}", "--num_gpus=0"),
            "--write_n_best",
        ],
        script="run_mrc",
    )
    assert done.status == 0, done.output
    answers = read_json(tmp_path / "out" / "predictions_new.json")
    (ranked,) = read_json(tmp_path / "out" / "predictions_new_nbest.json").values()
    assert answers == {"q": ranked[0]["text"]}
    for answer in ranked:
        assert answer["text"] == text[answer["start"] : answer["end"]]
    assert sum(a["probability"] for a in ranked) == pytest.approx(1)
    flags = kit.make_flags(files, folder, num_train_epochs=3, do_eval=None)
    done = runner.run(flags, script="run_mrc")
    assert done.status == 0, done.output
    assert "Training resumes from step" in done.output
    flags = kit.make_flags(files, folder, head="independent")
    done = runner.run(flags, script="run_mrc")
    assert done.status == 1
    assert "holds a model with head joint, this run has independent" in done.errors[0]


def test_an_independent_head_starts_from_another_model_on_two_replicas(
    model, files, runner, tmp_path
):
    folder, _ = model
    data = tmp_path / "data"
    data.mkdir()
    value = read_json(kit.EXAMPLES / "train.json")
    first = value["data"][0]["paragraphs"][0]["qas"][0]
    first.update(answers=[], is_impossible=True)
    second = value["data"][0]["paragraphs"][0]["qas"][1]
    second["answers"] = [{"text": "不在文中", "answer_start": 0}]
    for name in ("train", "dev"):
        path = data / f"{name}.json"
        path.write_text(json.dumps(value), encoding="utf-8")
    flags = kit.make_flags(
        *(files, tmp_path / "model"),
        data_dir=data,
        head="independent",
        answerable_classifier=False,
        init_checkpoint=folder / "best",
        num_gpus=None,
        num_cpu_replicas=2,
        num_train_epochs=0.5,
        do_eval=None,
        do_predict=True,
        write_n_best=True,
    )
    done = runner.run(flags, script="run_mrc")
    assert done.status == 0, done.output
    said = "1 answers do not stand in their passage; %d questions are left out"
    assert f"train: {said % 1}; these answers are to train_0_1" in done.output
    assert read_json(tmp_path / "model" / "labels.json")["unanswerable"] is True
    nulls = read_json(tmp_path / "model" / "predictions_val_null_scores.json")
    answers = read_json(tmp_path / "model" / "predictions_val.json")
    assert len(answers) == len(nulls) == 23
    assert {n for n, a in answers.items() if not a} == {
        n for n, score in nulls.items() if score > 0
    }


def test_wrong_input_ends_in_one_line(files, runner, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.json").write_text('{"data": [\n}', encoding="utf-8")
    flags = kit.make_flags(files, tmp_path / "model", data_dir=data, do_eval=None)
    done = runner.run(flags, script="run_mrc")
    assert done.status == 1
    (error,) = done.errors
    assert "train.json is not JSON: Expecting value: line 2 column 1" in error
    assert not (tmp_path / "model").exists()
