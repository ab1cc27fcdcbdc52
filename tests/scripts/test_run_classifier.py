"""run_classifier.py as a user runs it, on the example data and a tiny random model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from albert.checkpoints import storage
from tests import classifier_kit as kit


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return kit.make_model_files(tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="module")
def model(files, runner):
    flags = kit.make_flags(files, files / "model", do_predict=True)
    done = runner.run(flags, script="run_classifier")
    assert done.status == 0, done.output
    return files / "model", done.output


def read_predictions(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.slow
def test_a_classifier_trains_and_scores_its_best_checkpoint(model):
    folder, log = model
    # 24 reviews in batches of 8, 2 epochs.
    assert "24 texts, num_train_epochs 2: num_train_steps 6, an epoch is 3" in log
    best = json.loads((folder / "best" / "best.json").read_text())
    val = kit.read_results(folder / "eval_results_val.txt")
    assert val["eval_accuracy"] == pytest.approx(best["value"])
    predictions = read_predictions(folder / "predictions_test.jsonl")
    right = [p["label"] == p["gold"] for p in predictions]
    results = kit.read_results(folder / "eval_results.txt")
    assert results["eval_accuracy"] == pytest.approx(sum(right) / 6)
    for value in predictions:
        shares = value["probabilities"]
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert value["label"] == max(shares, key=shares.get)
    picture = (folder / "confusion_matrix.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    rows = (folder / "confusion_matrix.txt").read_text("utf-8").splitlines()[1:]
    assert sum(int(n) for row in rows for n in row.split("\t")[1:]) == 6


@pytest.mark.slow
def test_of_a_frozen_encoder_the_pooled_vector_alone_is_kept(
    model, files, runner, tmp_path
):
    folder, _ = model
    flags = kit.make_flags(
        files, tmp_path, encoder_training="frozen", init_checkpoint=folder, do_eval=None
    )
    done = runner.run(flags, script="run_classifier")
    assert done.status == 0, done.output
    assert "Computing the encoder's outputs of the training data, once" in done.output
    assert "a temporary file" not in done.output  # as vectors of tokens would be
    names = ["bert/pooler/dense/kernel", "classifier/output_weights"]
    started, ended = (
        storage.read_variables(storage.resolve(str(path), "x"), names)
        for path in (folder, tmp_path)
    )
    changed = {n for n in started if not np.array_equal(started[n], ended[n])}
    assert changed == {"classifier/output_weights"}


@pytest.mark.slow
def test_a_trained_classifier_labels_a_file_and_goes_on(model, files, runner, tmp_path):
    folder, _ = model
    new = tmp_path / "new.jsonl"
    new.write_text('{"text": "屏幕很清楚"}\n', encoding="utf-8")
    done = runner.run(
        [
            *(f"--model_dir={folder}", f"--output_dir={tmp_path / 'out'}"),
            *("--do_predict", f"--predict_file={new}", "--num_gpus=0"),
        ],
        script="run_classifier",
    )
    assert done.status == 0, done.output
    (value,) = read_predictions(tmp_path / "out" / "predictions_new.jsonl")
    assert value["text"] == "屏幕很清楚"
    assert set(value["probabilities"]) == {"好评", "差评"}
    assert "gold" not in value
    flags = kit.make_flags(files, folder, num_train_epochs=3)
    done = runner.run(flags, script="run_classifier")
    assert done.status == 0, done.output
    assert "Training resumes from step 6" in done.output
    flags = kit.make_flags(files, folder, features="mean")
    done = runner.run(flags, script="run_classifier")
    assert done.status == 1
    assert "holds a model with features pooled, this run has mean" in done.errors[0]


@pytest.mark.slow
def test_pairs_on_two_replicas_with_every_option_on(files, runner, tmp_path):
    flags = kit.make_flags(
        *(files, tmp_path / "model"),
        data_dir=kit.EXAMPLES / "pair",
        task_name="lcqmc",
        num_gpus=None,
        num_cpu_replicas=2,
        train_batch_size=4,
        truncation="head_tail",
        features="last_four_concat",
        class_weights="balanced",
        label_smoothing=0.1,
        best_metric="macro_f1",
        layerwise_lr_decay=0.9,
    )
    done = runner.run(flags, script="run_classifier")
    assert done.status == 0, done.output
    assert json.loads((tmp_path / "model/labels.json").read_text())["pairs"] is True


@pytest.mark.slow
def test_cross_validation_scores_the_mean_of_its_models(files, runner, tmp_path):
    output_dir = tmp_path / "folds"
    flags = kit.make_flags(
        files, output_dir, num_folds=2, do_predict=True, num_train_epochs=1
    )
    done = runner.run(flags, script="run_classifier")
    assert done.status == 0, done.output
    mean, first, second = (
        read_predictions(output_dir / name / "predictions_test.jsonl")
        for name in ("", "fold_1", "fold_2")
    )
    for one, a, b in zip(mean, first, second):
        for label, share in one["probabilities"].items():
            both = (a["probabilities"][label] + b["probabilities"][label]) / 2
            assert share == pytest.approx(both, abs=2e-6)
    right = [value["label"] == value["gold"] for value in mean]
    results = kit.read_results(output_dir / "eval_results.txt")
    assert results["eval_accuracy"] == pytest.approx(sum(right) / 6)
    summary = json.loads((output_dir / "cross_validation.json").read_text())
    parts = [
        kit.read_results(output_dir / f"fold_{i}" / "eval_results_val.txt")
        for i in (1, 2)
    ]
    found = summary["eval_accuracy"]["parts"]
    assert found == pytest.approx([part["eval_accuracy"] for part in parts])

    scores = {path: path.read_text() for path in output_dir.rglob("*_val.txt")}
    (output_dir / "cross_validation.json").unlink()
    again = kit.make_flags(files, output_dir, num_folds=2, do_train=None)
    done = runner.run(again, script="run_classifier")
    assert done.status == 0, done.output
    assert {path: path.read_text() for path in output_dir.rglob("*_val.txt")} == scores
    assert json.loads((output_dir / "cross_validation.json").read_text()) == summary


@pytest.mark.slow
def test_pretraining_goes_on_with_the_tasks_texts_first(files, runner, tmp_path):
    flags = kit.make_flags(
        *(files, tmp_path / "model"),
        further_pretraining_steps=2,
        further_pretraining_texts="train,dev,test",
        num_train_epochs=1,
    )
    done = runner.run(flags, script="run_classifier")
    assert done.status == 0, done.output
    start = tmp_path / "model_further_pretraining/model/model.ckpt-2"
    assert f"Warm start from {start}" in done.output
    lines = (tmp_path / "model" / "eval_results.txt").read_text().splitlines()
    said = "further_pretraining = 2 steps on the texts of train,dev,test, from random"
    assert any(line.startswith(said) for line in lines)
    again = runner.run(flags, script="run_classifier")
    assert again.status == 0, again.output
    assert "Nothing to train" in again.output
    flags = kit.make_flags(files, tmp_path / "model", do_train=None)
    (tmp_path / "model" / "eval_results.txt").unlink()
    later = runner.run(flags, script="run_classifier")
    assert later.status == 0, later.output
    assert (tmp_path / "model" / "eval_results.txt").read_text().splitlines() == lines
