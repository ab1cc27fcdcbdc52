"""The experiments that come with the project can be run as they stand."""

from __future__ import annotations

import json

import pytest

from experiments import plan

FOLDERS = ("models/", "experiments/", "albert_config/")  # whose files come with it


def find_experiments(repo):
    paths = sorted((repo / "experiments").glob("*.json"))
    return [path for path in paths if "arms" in json.loads(path.read_text("utf-8"))]


def read_runs(path):
    return plan.list_runs(plan.read_experiment(str(path)), "out")


def test_each_experiment_names_arms_flags_and_files_that_exist(repo):
    paths = find_experiments(repo)
    assert {"ner.json", "labels_curve.json"} <= {path.name for path in paths}
    for path in paths:
        for run in read_runs(path):
            for value in run.flags.values():
                if isinstance(value, str) and value.startswith(FOLDERS):
                    assert (repo / value).exists(), (path.name, value)


@pytest.mark.parametrize(
    ("data", "sentences", "seeds"),
    [("25 %", 321, 2), ("50 %", 643, 2), ("100 %", 1286, 5)],
)
def test_the_curve_over_labels_draws_the_sentences_that_it_says(
    repo, data, sentences, seeds
):
    runs = read_runs(repo / "experiments/labels_curve.json")
    found = [run for run in runs if run.data == data and run.arm == "domain"]
    assert {run.x for run in found} == {sentences}
    assert {run.panel for run in found} == {"scibert_cn"}
    assert len(found) == seeds
    share = int(data.split()[0]) / 100  # of the 1,286 training sentences
    assert {run.data_set.train_share for run in found} == {share}
    assert abs(share * 1286 - sentences) < 1
