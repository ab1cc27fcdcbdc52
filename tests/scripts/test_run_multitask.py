"""run_multitask.py as a user runs it: reviews and pairs over one tiny encoder."""

from __future__ import annotations

import json

import pytest

from albert.serving.predictor import Predictor
from tests import classifier_kit as kit


@pytest.mark.slow
def test_two_tasks_train_together_and_each_has_a_model(tmp_path, runner):
    files = kit.make_model_files(tmp_path)
    tasks = {
        "reviews": {
            "data_dir": str(kit.EXAMPLES / "classification"),
            "settings": {"max_seq_length": 24},
        },
        "pairs": {
            "data_dir": str(kit.EXAMPLES / "pair"),
            "weight": "1..0.5",
            "settings": {"max_seq_length": 24, "task_name": "lcqmc"},
        },
    }
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    flags = kit.make_flags(
        *(files, tmp_path / "both"),
        tasks=tmp_path / "tasks.json",
        data_dir=None,
        do_train=None,
        do_eval=None,
        max_seq_length=None,
        train_batch_size=4,
    )
    done = runner.run(flags, script="run_multitask")
    assert done.status == 0, done.output
    # 24 reviews and 12 pairs, batches of 4, 2 epochs; shares by the root of the size.
    assert "36 examples, num_train_epochs 2: num_train_steps 18" in done.output
    assert "reviews: 58.6 % of the batches" in done.output
    history = json.loads((tmp_path / "both/eval/history.json").read_text())
    for entry in history:
        scores = [entry[f"{name}/eval_accuracy"] for name in tasks]
        assert entry["mean_score"] == pytest.approx(sum(scores) / 2)
    best = json.loads((tmp_path / "both/best/best.json").read_text())
    for name in tasks:
        folder = tmp_path / "both" / name
        results = kit.read_results(folder / "eval_results.txt")
        assert results["global_step"] == best["step"]
        lines = (folder / "predictions_test.jsonl").read_text("utf-8").splitlines()
        values = [json.loads(line) for line in lines]
        predictor = Predictor(str(folder))
        texts = [v.get("text") or (v["text_a"], v["text_b"]) for v in values]
        for value, found in zip(values, predictor.predict(texts)):
            shares = found["probabilities"]
            assert shares == pytest.approx(value["probabilities"], abs=1e-5)
        predictor.close()
    again = runner.run(flags, script="run_multitask")
    assert again.status == 0
    assert "Nothing to train" in again.output


@pytest.mark.slow
def test_a_reader_and_a_classifier_of_pairs_share_an_encoder(tmp_path, runner):
    pytest.importorskip("nltk")
    files = kit.make_model_files(tmp_path)
    config = json.loads((files / "config.json").read_text())
    config["max_position_embeddings"] = 160
    (files / "config.json").write_text(json.dumps(config))
    tasks = {
        "pairs": {
            "data_dir": str(kit.EXAMPLES / "pair"),
            "settings": {"max_seq_length": 24, "task_name": "lcqmc"},
        },
        "reader": {
            "task": "mrc",
            "data_dir": str(kit.EXAMPLES / "mrc"),
            "settings": {"max_seq_length": 160, "beam_size": 4},
        },
    }
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    flags = kit.make_flags(
        *(files, tmp_path / "both"),
        tasks=tmp_path / "tasks.json",
        num_train_epochs=1,
        **dict.fromkeys(("data_dir", "do_train", "do_eval", "max_seq_length")),
    )
    done = runner.run(flags, script="run_multitask")
    assert done.status == 0, done.output
    # 12 pairs and 23 questions, whose passages are a window each.
    assert "35 examples, num_train_epochs 1: num_train_steps 4" in done.output
    (entry,) = json.loads((tmp_path / "both/eval/history.json").read_text())
    shares = entry["pairs/eval_accuracy"] + entry["reader/eval_average"] / 100
    assert entry["mean_score"] == pytest.approx(shares / 2)
    folder = tmp_path / "both/reader"
    results = kit.read_results(folder / "eval_results.txt")
    assert results["eval_average"] == (results["eval_em"] + results["eval_f1"]) / 2
    written = json.loads((folder / "predictions_test.json").read_text("utf-8"))
    data = json.loads((kit.EXAMPLES / "mrc/test.json").read_text("utf-8"))
    (passage,) = data["data"][0]["paragraphs"]
    asked = [(passage["context"], qa["question"]) for qa in passage["qas"]]
    predictor = Predictor(str(folder))
    answers = [found["answer"] for found in predictor.predict(asked)]
    predictor.close()
    assert answers == [written[qa["id"]] for qa in passage["qas"]]
