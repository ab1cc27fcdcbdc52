"""Cross-validation: how data are cut and what is averaged; trainings are stand-ins."""

from __future__ import annotations

import json

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.tasks import cross_validation
from albert.tasks.classification.files import Row, RowFile
from albert.tasks.classification.task import ClassificationTask
from albert.tasks.cross_validation import cross_validate
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.finetuning_task import Report
from albert.tasks.ner.task import NerTask
from albert.tasks.reports import Evaluated
from albert.training.config import ReplicaConfig


def make_file(labels, path="train.tsv"):
    rows = [Row(f"{path} {i}", None, label, i) for i, label in enumerate(labels)]
    return RowFile(path, rows, False, True)


def test_each_row_is_held_out_once_and_labels_keep_their_shares():
    file = make_file("aaaaaabbb")
    parts = ClassificationTask.cut_parts(file, 3, seed=1)
    held = [row for _, part in parts for row in part.rows]
    assert sorted(held) == sorted(file.rows)
    for rest, part in parts:
        assert sorted([*rest.rows, *part.rows]) == sorted(file.rows)
        assert sorted(row.label for row in part.rows) == ["a", "a", "b"]
    again = ClassificationTask.cut_parts(file, 3, seed=1)
    other = ClassificationTask.cut_parts(file, 3, seed=2)
    assert again == parts != other


@pytest.mark.parametrize(
    ("labels", "message"),
    [("ab", "num_folds is 3, but there are 2"), ("aaaab", "label 'b' has too few")],
)
def test_too_few_examples_are_named(labels, message):
    with pytest.raises(UserError, match=message):
        ClassificationTask.cut_parts(make_file(labels), 3, seed=1)


def test_probabilities_are_averaged_not_their_logarithms():
    shares = np.array([[[0.9, 0.1]], [[0.5, 0.5]], [[0.1, 0.9]]])
    found = ClassificationTask.average(list(np.log(shares)))
    np.testing.assert_allclose(np.exp(found), [[0.5, 0.5]])
    shares = np.array([[[0.2, 0.8]], [[0.4, 0.6]]])
    found = ClassificationTask.average(list(np.log(shares)))
    np.testing.assert_allclose(np.exp(found), [[0.3, 0.7]])


def test_a_task_without_it_says_so():
    with pytest.raises(UserError, match="task ner has no cross-validation"):
        NerTask.cut_parts(None, 2, 1)


class StandIn:
    """A task whose scores are the number of its rows."""

    table_name = "table"

    def report(self, decoded, data):
        return Report({"rows": float(decoded)})


def test_models_train_without_their_part_and_their_mean_is_scored(
    tmp_path, monkeypatch
):
    seen = []

    def run_finetuning(task_class, run, given, tuning, replicas, change, see, facts):
        read = change(
            {"train": make_file("aabb"), "val": make_file("ab"), "test": "its rows"}
        )
        seen.append((run.output_dir, read))
        for split, size in (("val", len(read["val"].rows)), ("test", len(seen))):
            see(Evaluated(StandIn(), split, "p", None, size, "", True, False))

    monkeypatch.setattr(cross_validation, "run_finetuning", run_finetuning)
    monkeypatch.setattr(ClassificationTask, "average", np.mean)
    run = FineTuningRun(
        str(tmp_path), data_dir="d", do_train=True, config_file="c", vocab_file="v"
    )
    tuning = FineTuningConfig()
    cross_validate(ClassificationTask, run, {}, tuning, ReplicaConfig(), 3)
    assert [folder for folder, _ in seen] == [
        str(tmp_path / f"fold_{i}") for i in (1, 2, 3)
    ]
    for _, read in seen:
        assert (len(read["train"].rows), len(read["val"].rows)) == (4, 2)
        assert read["test"] == "its rows"
    held = {row.text_a for _, read in seen for row in read["val"].rows}
    assert len(held) == 4  # names repeat in the two files
    assert (tmp_path / "eval_results.txt").read_text() == "rows = 2.0\n"
    summary = json.loads((tmp_path / "cross_validation.json").read_text())
    expected = {"mean": 2.0, "deviation": 0.0, "parts": [2.0, 2.0, 2.0]}
    assert summary == {"rows": expected}
