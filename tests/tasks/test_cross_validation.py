"""Cross-validation: how data are cut and what is averaged; trainings are stand-ins."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.tasks import cross_validation
from albert.tasks.classification.files import Row, RowFile
from albert.tasks.classification.task import ClassificationTask
from albert.tasks.cross_validation import cross_validate
from albert.tasks.data_files import name_files
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


FACTS = {"start": "far"}


class StandIn:
    """A task whose score is the number of the line of its first row."""

    table_name = "table"

    def report(self, decoded, data):
        return Report({"line": float(decoded)})


class Kit:
    """A folder of data, and trainings that keep what they were given."""

    def __init__(self, folder):
        self.folder = folder
        self.seen: list[tuple[str, dict]] = []
        (folder / "data").mkdir()
        self.write("train", "aabb")
        self.write("dev", "ab")
        self.write("test", "ab")

    def write(self, name, labels):
        lines = [f"{label}\t{name} {i}\n" for i, label in enumerate(labels)]
        path = self.folder / "data" / f"{name}.tsv"
        path.write_text("label\ttext\n" + "".join(lines), "utf-8")

    def run_finetuning(
        self, task_class, run, given, tuning, replicas, change, see, facts
    ):
        """Do what `run_finetuning` does of files; one model's score is its number."""
        paths = name_files(run, task_class.suffixes)
        settings = task_class.settings_class()
        read = {n: task_class.read_file(p, True, settings) for n, p in paths.items()}
        read = change(read)
        self.seen.append((run.output_dir, read))
        if run.do_train:
            os.makedirs(run.output_dir, exist_ok=True)
            step = {"global_step": np.int64(1)}
            storage.write_variables(f"{run.output_dir}/model.ckpt-1", step)
            storage.write_state(run.output_dir, "model.ckpt-1")
        for split in {"val", "test"} & set(read):
            score = read[split].rows[0].line if split == "val" else len(self.seen)
            see(Evaluated(StandIn(), split, "p", None, score, "", True, False, FACTS))

    def call(self, seed=1, folds=3, **steps):
        """Cross-validate; return what each model was given."""
        given = {"config_file": "c", "vocab_file": "v"} if "do_train" in steps else {}
        data = str(self.folder / "data")
        run = FineTuningRun(str(self.folder / "out"), data_dir=data, **given, **steps)
        self.seen.clear()
        what = (FineTuningConfig(random_seed=seed), ReplicaConfig(), folds)
        cross_validate(ClassificationTask, run, {}, *what)
        return [read for _, read in self.seen]

    def scores(self):
        """Return the files of scores, as they stand."""
        paths = sorted((self.folder / "out").glob("*.*"))
        return {path.name: path.read_text() for path in paths}


@pytest.fixture
def kit(tmp_path, monkeypatch):
    made = Kit(tmp_path)
    monkeypatch.setattr(cross_validation, "run_finetuning", made.run_finetuning)
    monkeypatch.setattr(ClassificationTask, "average", np.mean)
    return made


def test_models_train_without_their_part_and_their_mean_is_scored(kit):
    reads = kit.call(do_train=True, do_eval=True)
    out = kit.folder / "out"
    assert [folder for folder, _ in kit.seen] == [
        str(out / f"fold_{i}") for i in (1, 2, 3)
    ]
    for read in reads:
        assert (len(read["train"].rows), len(read["val"].rows)) == (4, 2)
        assert [row.text_a for row in read["test"].rows] == ["test 0", "test 1"]
        assert not set(read["train"].rows) & set(read["val"].rows)
    held = {row.text_a for read in reads for row in read["val"].rows}
    assert held == {*(f"train {i}" for i in range(4)), "dev 0", "dev 1"}
    assert (out / "eval_results.txt").read_text() == "line = 2.0\nstart = far\n"
    lines = [float(read["val"].rows[0].line) for read in reads]
    summary = json.loads((out / "cross_validation.json").read_text())["line"]
    assert summary["parts"] == lines
    assert summary["mean"] == pytest.approx(sum(lines) / 3)


def test_scoring_later_scores_each_model_on_the_part_it_did_not_see(kit):
    trained = kit.call(do_train=True, do_eval=True)
    scores = kit.scores()
    later = kit.call(seed=2, do_eval=True)  # of training alone, so it does not matter
    assert [read["val"] for read in later] == [read["val"] for read in trained]
    assert all("train" not in read for read in later)
    assert kit.scores() == scores
    (kit.folder / "data" / "test.tsv").unlink()
    later = kit.call(do_predict=True)  # of val, as there is no test
    assert [read["val"] for read in later] == [read["val"] for read in trained]


@pytest.mark.parametrize("lost", ["train", "parts", "rows"])
def test_val_is_left_out_where_its_parts_are_lost(kit, lost, caplog):
    kit.call(do_train=True, do_eval=True)
    if lost == "parts":
        (kit.folder / "out" / "parts.json").unlink()
    elif lost == "rows":
        kit.write("train", "aabbb")
    else:
        (kit.folder / "data" / "train.tsv").unlink()
    before = kit.scores()["cross_validation.json"]
    with caplog.at_level("WARNING"):
        assert [set(read) for read in kit.call(do_eval=True)] == [{"test"}] * 3
    assert "the val file is left out, models may be trained on it: " in caplog.text
    assert kit.scores()["cross_validation.json"] == before
    (kit.folder / "data" / "test.tsv").unlink()
    for step in ("do_eval", "do_predict"):
        with pytest.raises(UserError, match="the val file is left out"):
            kit.call(**{step: True})
    assert kit.seen == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, "of parts cut with random_seed 1, this run has 2; give another"),
        ({"folds": 2}, "of parts cut with num_folds 3, this run has 2"),
        ({"rows": "aabbb"}, r"cut with rows_sha256 \w{64}, this run has \w{64}"),
    ],
)
def test_models_of_other_parts_are_not_trained_on(kit, change, message):
    kit.call(do_train=True)
    kit.call(do_train=True)
    if "rows" in change:
        kit.write("train", change.pop("rows"))
    with pytest.raises(UserError, match=message):
        kit.call(**change, do_train=True)
    assert kit.seen == []


def test_models_of_unknown_parts_are_not_trained_on(kit):
    kit.call(do_train=True)
    (kit.folder / "out" / "parts.json").unlink()
    with pytest.raises(UserError, match="with num_folds unknown, this run has 3"):
        kit.call(do_train=True)


def test_parts_bind_only_once_a_model_has_seen_them(kit):
    kit.call(do_train=True)
    for path in (kit.folder / "out").glob("fold_*/*"):
        path.unlink()
    kit.call(seed=2, folds=2, do_train=True)
    assert len(kit.seen) == 2


def test_scoring_takes_all_models(kit):
    kit.call(do_train=True)
    with pytest.raises(UserError, match="models with num_folds 3, this run has 2"):
        kit.call(folds=2, do_predict=True)
