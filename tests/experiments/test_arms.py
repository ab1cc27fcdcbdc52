"""The driver of arms: what it runs, what it leaves, what it writes."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from albert.base.errors import UserError
from albert.base.lock import hold_folder
from experiments import arms, plan, report

EXPERIMENT = {
    "flags": {"learning_rate": 0.1, "num_train_epochs": 1},
    "arms": {"plain": {}, "other": {"learning_rate": 0.2, "x": 3}},
    "sets": {"toy": {"data_dir": "data"}},
    "seeds": [1, 2],
    "compare": [["other", "plain"]],
}
TRAIN = "甲 B-A\n乙 I-A\n丙 O\n"
GOLD = "甲 B-A\n乙 I-A\n丙 O\n\n丁 B-A\n戊 O\n"
# The first sentence's entity is found, the second's is too long.
FOUND = "甲 B-A B-A\n乙 I-A I-A\n丙 O O\n\n丁 B-A B-A\n戊 O I-A\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An experiment's folder; in place of run_ner.py something that writes results."""
    calls = []

    def run_command(command, log_file):
        flags = dict(word[2:].split("=", 1) for word in command[2:])
        calls.append(flags)
        model = flags["output_dir"]
        os.makedirs(model, exist_ok=True)
        with open(f"{model}/predictions_test.conll", "w", encoding="utf-8") as file:
            right = flags["learning_rate"] == "0.2"
            with open(f"{flags['data_dir']}/test.conll", encoding="utf-8") as gold:
                file.write(gold.read() if right else FOUND)
        with open(log_file, "a", encoding="utf-8") as log:
            log.write("error: no such rate\n")
        return int(flags["learning_rate"] == "0.9")

    monkeypatch.setattr(arms, "run_command", run_command)
    few = functools.partial(report.compare, samples=20)
    monkeypatch.setattr(report, "compare", few)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.conll").write_text(TRAIN, encoding="utf-8")
    (tmp_path / "data/test.conll").write_text(GOLD, encoding="utf-8")
    write_experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path, calls


def write_experiment(path, **changes):
    text = json.dumps({**EXPERIMENT, **changes})
    (path / "experiment.json").write_text(text)


def run_all(**given):
    arms.run_experiment(arms.DriverConfig("experiment.json", "out", **given))
    return arms.open_table("out")


def test_all_arms_of_a_seed_run_before_the_next_seed_with_their_own_flags(folder):
    _, calls = folder
    run_all()
    order = [(c["random_seed"], c["learning_rate"]) for c in calls]
    assert order == [("1", "0.1"), ("1", "0.2"), ("2", "0.1"), ("2", "0.2")]
    assert {c["do_train"] for c in calls} == {"True"}
    assert calls[0]["output_dir"] == "out/toy/plain/seed_1/model"
    assert "x" not in calls[1]


def test_what_is_done_is_not_run_again_and_other_settings_are_refused(folder):
    path, calls = folder
    run_all()
    (path / "out/toy/other/seed_2/result.json").unlink()
    calls.clear()
    run_all()
    assert [(c["random_seed"], c["learning_rate"]) for c in calls] == [("2", "0.2")]
    # It went on in a folder that was there: its time is not known.
    result = json.loads((path / "out/toy/other/seed_2/result.json").read_text())
    assert result["cpu_minutes"] is None
    write_experiment(path, flags={"learning_rate": 0.1, "num_train_epochs": 2})
    with pytest.raises(UserError, match=r"made with num_train_epochs 1, the experim"):
        run_all()


def test_a_run_begun_with_other_settings_is_refused(folder):
    path, calls = folder
    arm = {"bad": {"learning_rate": 0.9}}
    write_experiment(path, arms=arm, compare=[], seeds=[1])
    with pytest.raises(UserError, match="1 runs failed"):
        run_all()
    arm["bad"]["num_train_epochs"] = 2
    write_experiment(path, arms=arm, compare=[], seeds=[1])
    calls.clear()
    with pytest.raises(UserError, match="made with num_train_epochs 1, the experiment"):
        run_all()
    assert calls == []
    # Nothing was trained with the first settings: these may change.
    shutil.rmtree(path / "out/toy/bad/seed_1/model")
    arm["bad"]["learning_rate"] = 0.2
    write_experiment(path, arms=arm, compare=[], seeds=[1])
    run_all()
    result = json.loads((path / "out/toy/bad/seed_1/result.json").read_text())
    assert result["settings"]["num_train_epochs"] == 2


def test_a_run_begun_by_an_earlier_version_goes_on(folder):
    path, calls = folder
    run_all()
    for name in ("result.json", "settings.json"):
        (path / "out/toy/plain/seed_1" / name).unlink()
    (path / "out/toy/plain/seed_2/settings.json").unlink()
    calls.clear()
    run_all()
    assert [(c["random_seed"], c["learning_rate"]) for c in calls] == [("1", "0.1")]


def test_time_of_a_run_stopped_while_it_pretrained_further_is_not_known(folder):
    path, _ = folder
    (path / "out/toy/plain/seed_1/model_further_pretraining").mkdir(parents=True)
    run_all()
    paths = [path / f"out/toy/plain/seed_{seed}/result.json" for seed in (1, 2)]
    minutes = [json.loads(path.read_text())["cpu_minutes"] for path in paths]
    assert [value is None for value in minutes] == [True, False]


def test_table_has_means_the_seen_entities_apart_and_the_comparison(folder):
    path, _ = folder
    table = run_all()
    # One entity of two: the one that training has, too.
    assert (
        "| toy, plain | 50.0 ± 0.0 (sd 0.0) | 50.0 | 50.0 | 100.0 | 0.0 | 2 |" in table
    )
    assert "| toy, other | 100.0 ± 0.0 (sd 0.0) | 100.0 | 100.0 | 100.0 |" in table
    assert "| toy, other minus plain | +50.0 |" in table
    results = json.loads((path / "out/results.json").read_text(encoding="utf-8"))
    assert [len(cell["seeds"]) for cell in results["cells"]] == [2, 2]
    result = json.loads((path / "out/toy/plain/seed_1/result.json").read_text())
    assert result["counts"] == [[1, 1, 1], [0, 1, 1]]  # correct, predicted, gold
    # "丁戊" was predicted, "丁" is in gold; neither is in training.
    assert result["unseen"] == [0, 1, 1]
    wanted = {"f1": 0.5, "precision": 0.5, "recall": 0.5, "f1_seen": 1, "f1_unseen": 0}
    assert results["cells"][0]["seeds"][0]["scores"] == wanted
    assert results["compare"][0]["mean"] == pytest.approx(0.5)
    for name in ("results.png", "curves.png"):  # one arm has an x
        assert (path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_a_run_that_another_process_is_at_is_left_to_it(folder):
    _, calls = folder
    with hold_folder("out/toy/plain/seed_1"):
        run_all()
    order = [(c["random_seed"], c["learning_rate"]) for c in calls]
    assert order == [("1", "0.2"), ("2", "0.1"), ("2", "0.2")]
    run_all()
    assert len(calls) == 4


def test_models_can_be_left_out(folder):
    path, _ = folder
    run_all(keep_models=False)
    names = {p.name for p in (path / "out/toy/plain/seed_1").iterdir()}
    assert {"result.json", "predictions_test.conll"} <= names
    assert "model" not in names


def test_a_run_that_fails_is_named_with_its_error_and_the_others_are_made(folder):
    path, calls = folder
    write_experiment(path, arms={"bad": {"learning_rate": 0.9}, "plain": {}})
    write_experiment(
        path, arms={"bad": {"learning_rate": 0.9}, "plain": {}}, compare=[]
    )
    with pytest.raises(UserError, match=r"2 runs failed; .*bad on toy.*no such rate"):
        run_all()
    assert len(calls) == 4
    assert "| toy, plain |" in arms.open_table("out")


def test_folds_are_pooled_and_a_seed_counts_when_all_its_folds_are_there(folder):
    path, _ = folder
    lines = [f"{c} B-A\n丙 O\n" for c in "甲乙丁戊己庚辛壬癸子"]
    (path / "data/train.conll").write_text("\n".join(lines), encoding="utf-8")
    sets = {"toy": {"data_dir": "data", "folds": 2}}
    write_experiment(
        path, sets=sets, arms={"other": {"learning_rate": 0.2}}, compare=[]
    )
    run_all()
    (cell,) = json.loads((path / "out/results.json").read_text())["cells"]
    # Ten sentences of train and two of test, each scored once.
    assert cell["examples"] == 12
    (path / "out/toy/other/seed_2/fold_1/result.json").unlink()
    experiment = plan.read_experiment("experiment.json")
    assert [c.seeds for c in arms.write_results(experiment, "out")] == [(1,)]


def test_a_program_without_a_seed_runs_once(folder):
    path, _ = folder
    write_experiment(path, arms={"crf": {"program": "ngram_crf"}}, compare=[])
    (run,) = plan.list_runs(plan.read_experiment("experiment.json"), "out")
    command = run.command("data", "model")
    assert command[1:3] == ["-m", "experiments.ngram_crf"]
    # Not what other programs are told.
    assert command[3:] == ["--data_dir=data", "--output_dir=model"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": {}}, "an experiment is a JSON object of"),
        ({"seeds": []}, "seeds is missing or empty"),
        ({"compare": [["plain", "none"]]}, "compare names the arm 'none'"),
        (
            {"arms": {"a": {"learning_rat": 1}}},
            "arm 'a': there is no .* 'learning_rat'",
        ),
        ({"flags": {"output_dir": "x"}}, "flags: there is no flag .* 'output_dir'"),
        ({"arms": {"a": {"program": "svm"}}}, "program 'svm' is none of run_ner, ng"),
        ({"arms": {"a/b": {}}}, "arm 'a/b': the name of a folder holds no '/'"),
        ({"sets": {"s": {}}}, "set 's' has no data_dir"),
        (
            {"sets": {"s": {"data_dir": "d", "folds": 1}}},
            "folds must be a whole number",
        ),
        ({"arms": {"a": {"train_share": 0}}}, "train_share must be above 0"),
    ],
)
def test_wrong_experiments_are_one_line(folder, change, message):
    path, _ = folder
    write_experiment(path, **{"compare": [], **change})
    with pytest.raises(UserError, match=message):
        plan.read_experiment("experiment.json")


def test_unknown_arms_and_sets_on_the_command_line_are_one_line(folder):
    with pytest.raises(UserError, match="--only: 'none' is none of plain, other"):
        run_all(only=("none",))
    with pytest.raises(UserError, match="--only_sets: 'none' is none of toy"):
        run_all(only_sets=("none",))


@pytest.mark.slow
def test_a_stopped_driver_ends_its_run_first(tmp_path):
    code = (
        "import sys\nfrom albert.base.signals import sigterm_raises\n"
        "from experiments.arms import run_command\n"
        "with sigterm_raises():\n"
        "    run_command([sys.executable, '-u', '-c', '''\n"
        "import signal, time\n"
        "def end(number, frame):\n"
        '    time.sleep(0.3); print("saved"); raise SystemExit(143)\n'
        "signal.signal(signal.SIGTERM, end)\n"
        'print("ready")\n'
        "while True: time.sleep(0.05)\n'''], 'log')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": plan.ROOT},
        stderr=subprocess.DEVNULL,
    )
    log = tmp_path / "log"
    end = time.monotonic() + 60
    while not (log.exists() and "ready" in log.read_text()):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) != 0
    assert log.read_text().split() == ["ready", "saved"]
