"""The driver of arms: what it runs, what it leaves, what it writes."""

from __future__ import annotations

import json
import os

import pytest

from albert.base.errors import UserError
from experiments import arms

EXPERIMENT = {
    "flags": {"learning_rate": 0.1, "num_train_epochs": 1},
    "arms": {"plain": {}, "other": {"learning_rate": 0.2}},
    "sets": {"toy": {"data_dir": "data"}},
    "seeds": [1, 2],
    "compare": [["other", "plain"]],
}
GOLD = "甲 B-A\n乙 I-A\n丙 O\n\n丁 B-A\n戊 O\n"
# The first sentence's entity is found, the second's is too long.
FOUND = "甲 B-A B-A\n乙 I-A I-A\n丙 O O\n\n丁 B-A B-A\n戊 O I-A\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An experiment's folder; in place of run_ner.py something that writes results."""
    calls = []

    def call(command, stdout, stderr):
        flags = dict(word[2:].split("=", 1) for word in command[2:])
        calls.append(flags)
        model = flags["output_dir"]
        os.makedirs(model, exist_ok=True)
        score = float(flags["learning_rate"]) + 0.01 * int(flags["random_seed"])
        lines = [f"eval_{name} = {score}" for name in ("f", "precision", "recall")]
        with open(f"{model}/eval_results.txt", "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, "best = a checkpoint"]) + "\n")
        with open(f"{model}/predictions_test.conll", "w", encoding="utf-8") as file:
            file.write(FOUND if flags["learning_rate"] == "0.1" else GOLD)
        return 0

    monkeypatch.setattr(arms.subprocess, "call", call)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/test.conll").write_text(GOLD, encoding="utf-8")
    (tmp_path / "experiment.json").write_text(json.dumps(EXPERIMENT))
    monkeypatch.chdir(tmp_path)
    return tmp_path, calls


def run_all(output_dir):
    experiment = arms.read_experiment("experiment.json")
    for run in arms.list_runs(experiment, output_dir):
        arms.carry_out(run)
    return arms.write_report(experiment, output_dir)


def test_all_arms_of_a_seed_run_before_the_next_seed_with_their_own_flags(folder):
    _, calls = folder
    run_all("out")
    order = [(c["random_seed"], c["learning_rate"]) for c in calls]
    assert order == [("1", "0.1"), ("1", "0.2"), ("2", "0.1"), ("2", "0.2")]
    assert {c["do_train"] for c in calls} == {"True"}
    assert calls[0]["output_dir"] == "out/toy/plain/seed_1/model"


def test_what_is_done_is_not_run_again(folder):
    path, calls = folder
    run_all("out")
    (path / "out/toy/other/seed_2/result.json").unlink()
    calls.clear()
    run_all("out")
    assert [(c["random_seed"], c["learning_rate"]) for c in calls] == [("2", "0.2")]


def test_table_has_means_and_the_comparison(folder):
    path, _ = folder
    table = run_all("out")
    # Seeds 0.11 and 0.12: deviation 0.0071, t 12.706: 12.706 * 0.0071 / sqrt(2).
    assert "| toy, plain | 11.5% ± 6.4% (sd 0.7%) | 11.5% | 11.5% | 2 |" in table
    # One entity of two against both: F1 0.5 and 1.
    assert "| toy, other minus plain | +50.0 |" in table
    assert (path / "out/results.md").read_text(encoding="utf-8") == table
    results = json.loads((path / "out/results.json").read_text(encoding="utf-8"))
    assert [len(entry["runs"]) for entry in results["runs"]] == [2, 2]
    assert results["compare"][0][3] == pytest.approx(0.5)


def test_entities_of_each_sentence_are_counted(folder):
    path, _ = folder
    (path / "found.conll").write_text(FOUND, encoding="utf-8")
    counts = arms.count_entities("data/test.conll", "found.conll")
    assert counts.tolist() == [[1, 1, 1], [0, 1, 1]]


def test_a_run_that_fails_is_named_with_its_log(folder, monkeypatch):
    monkeypatch.setattr(arms.subprocess, "call", lambda *_, **__: 1)
    with pytest.raises(UserError, match=r"ended with 1; see out/toy/plain/seed_1/log"):
        run_all("out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": {}}, "an experiment is a JSON object of"),
        ({"seeds": []}, "seeds is missing or empty"),
        ({"compare": [["plain", "none"]]}, "compare names the arm 'none'"),
    ],
)
def test_wrong_experiments_are_one_line(folder, change, message):
    path, _ = folder
    (path / "experiment.json").write_text(json.dumps({**EXPERIMENT, **change}))
    with pytest.raises(UserError, match=message):
        arms.read_experiment("experiment.json")
