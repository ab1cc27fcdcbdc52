"""Classification and reading comprehension in the driver: what is read and shown."""

from __future__ import annotations

import functools
import json
import os

import pytest

from albert.base.errors import UserError
from experiments import arms, plan, report, scores

# What the arms say to four texts, by arm and seed. Gold is 1 1 0 0.
LABELS = {("plain", "1"): "1000", ("plain", "2"): "1111", ("other", "1"): "1100"}
ANSWERS = {"plain": {"a": "一楼", "b": "二"}, "other": {"a": "一楼", "b": "三楼"}}


def write_labels(model, arm, seed):
    found = LABELS.get((arm, seed), "1100")
    lines = [
        json.dumps({"line": i, "text": "文", "label": label, "gold": gold}) + "\n"
        for i, (label, gold) in enumerate(zip(found, "1100"))
    ]
    (model / "predictions_test.jsonl").write_text("".join(lines), encoding="utf-8")
    right = sum(a == b for a, b in zip(found, "1100")) / 4
    (model / "eval_results.txt").write_text(
        f"eval_accuracy = {right}\neval_macro_f1 = 0.4\nfurther_pretraining = 5 steps "
        "from a = b\nglobal_step = 3\nloss = 0.25\n"
    )


def write_answers(model, arm, seed):
    del seed
    (model / "predictions_test.json").write_text(json.dumps(ANSWERS[arm]))
    # Of "二", a sign of the two of 二楼: precision 1, recall 1/2, F1 2/3.
    em, f1 = (50, 250 / 3) if arm == "plain" else (50, 50)
    (model / "eval_results.txt").write_text(
        f"eval_average = {(em + f1) / 2}\neval_em = {em}\neval_f1 = {f1}\nloss = 2.5\n"
    )


def make_experiment(folder, monkeypatch, program, write, **changes):
    """Write an experiment of two arms; its runs end at once with what `write` says."""
    calls = []

    def run_command(command, log_file):
        flags = dict(word[2:].split("=", 1) for word in command[2:])
        calls.append((os.path.basename(command[1]), flags))
        os.makedirs(flags["output_dir"])
        arm = "other" if flags.get("learning_rate") else "plain"
        write(folder / flags["output_dir"], arm, flags["random_seed"])
        return 0

    monkeypatch.setattr(arms, "run_command", run_command)
    few = functools.partial(report.compare, samples=50)
    monkeypatch.setattr(report, "compare", few)
    monkeypatch.chdir(folder)
    value = {
        "program": program,
        "arms": {"plain": {}, "other": {"learning_rate": 0.2}},
        "sets": {"toy": {"data_dir": "data"}},
        "seeds": [1, 2],
        "compare": [["other", "plain"]],
        **changes,
    }
    (folder / "experiment.json").write_text(json.dumps(value))
    (folder / "data").mkdir()
    return calls


def run_all(**given):
    arms.run_experiment(arms.DriverConfig("experiment.json", "out", **given))
    return arms.open_table("out")


def test_classifiers_have_accuracy_macro_f1_and_loss(tmp_path, monkeypatch):
    calls = make_experiment(tmp_path, monkeypatch, "run_classifier", write_labels)
    for name in ("train", "test"):
        (tmp_path / f"data/{name}.tsv").write_text("label\ttext\n1\t文\n")
    table = run_all(keep_models=False)
    assert {name for name, _ in calls} == {"run_classifier.py"}
    assert calls[0][1]["do_predict"] == "True"
    # 3 and 2 of 4: a deviation of 17.7; with two seeds t is 12.706, over sqrt 2.
    plain = "| toy, plain | 62.5 ± 158.8 (sd 17.7) | 40.0 ± 0.0 (sd 0.0) | 0.250 ± "
    assert plain in table
    assert "| toy, other | 100.0 ± 0.0 (sd 0.0) | 40.0 ±" in table
    assert "Differences in accuracy, paired bootstrap over examples" in table
    assert "| toy, other minus plain | +37.5 | " in table
    (cell, _) = json.loads((tmp_path / "out/results.json").read_text())["cells"]
    wanted = {"accuracy": 0.75, "macro_f1": 0.4, "loss": 0.25}
    assert cell["seeds"][0]["scores"] == wanted
    assert (cell["mean"], cell["examples"]) == (0.625, 4)
    assert not (tmp_path / "out/toy/plain/seed_1/model").exists()
    assert (tmp_path / "out/toy/plain/seed_1/predictions_test.jsonl").exists()


def test_readers_have_exact_match_and_f1(tmp_path, monkeypatch):
    pytest.importorskip("nltk")
    calls = make_experiment(tmp_path, monkeypatch, "run_mrc", write_answers)
    questions = [("a", "一楼"), ("b", "二楼")]
    qas = [
        {"id": n, "question": "几？", "answers": [{"text": t, "answer_start": 0}]}
        for n, t in questions
    ]
    data = {"data": [{"paragraphs": [{"context": "一楼二楼", "qas": qas}]}]}
    for name in ("train", "test"):
        (tmp_path / f"data/{name}.json").write_text(json.dumps(data))
    table = run_all()
    assert {name for name, _ in calls} == {"run_mrc.py"}
    shown = "| toy, plain | 66.7 ± 0.0 (sd 0.0) | 50.0 ± 0.0 (sd 0.0) | 83.3 ± "
    assert shown in table
    # By the answers themselves: 三楼 for 二楼 has half of its signs, an F1 of 1/2, so
    # the mean is (1 + 1 / 4) / 2; of plain it is (1 + 1 / 3) / 2.
    assert "| toy, other minus plain | -4.2 | " in table


def test_a_score_that_is_missing_is_one_line(tmp_path):
    (tmp_path / "eval_results.txt").write_text("loss = 1\n")
    with pytest.raises(UserError, match=r"eval_results.txt says nothing of eval_em"):
        scores.read_results(str(tmp_path), {"loss": "loss", "em": "eval_em"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"program": "svm"}, "program 'svm' is none of run_ner, ngram_crf, run_cl"),
        (
            {"sets": {"s": {"data_dir": "d", "folds": 2}}},
            "set 's', arm 'plain': run_classifier has no folds here",
        ),
        (
            {"arms": {"plain": {}, "ner": {"program": "run_ner"}}},
            r"its arms are scored in several ways: plain \(accuracy\) and ner \(str",
        ),
        ({"flags": {"learning_rat": 1}}, "flags: there is no flag .* 'learning_rat'"),
        ({"flags": {"beam_size": 3}}, "flags: there is no flag .* 'beam_size'"),
    ],
)
def test_wrong_experiments_are_one_line(tmp_path, monkeypatch, change, message):
    change = {"program": "run_classifier", "compare": [], **change}
    make_experiment(tmp_path, monkeypatch, write=None, **change)
    with pytest.raises(UserError, match=message):
        plan.read_experiment("experiment.json")


NAMES = ("ner", "classification", "classification_options", "reading")


@pytest.mark.parametrize("name", NAMES)
def test_the_experiments_of_the_documents_are_well_formed(name):
    path = os.path.join(plan.ROOT, "experiments", f"{name}.json")
    experiment = plan.read_experiment(path)
    runs = plan.list_runs(experiment, "out")
    assert len({run.folder for run in runs}) == len(runs)
    for run in runs:
        if run.program != "ngram_crf":
            assert {"vocab_file", "bert_config_file"} <= set(run.flags)
