"""run_ner.py stopped and resumed, exported, and kept from replacing what it made."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert.checkpoints import storage
from tests import forked
from tests.ner_kit import arguments_of, make_files, read_results, run

# The script without dropout before the head, which is no flag: its masks start anew in
# a resumed run. PREPARE is what a test has done to the process first.
SCRIPT = """
import os, signal, sys
from albert.evaluation.evaluator import CheckpointEvaluator
import run_ner
given = run_ner.cli.given_flags
run_ner.cli.given_flags = lambda config: {**given(config), "dropout_prob": 0.0}
PREPARE
run_ner.cli.run_main(run_ner.main)
"""
# A signal in the first evaluation, as a machine that is taken away sends it.
STOP_IN_EVALUATION = """
evaluate = CheckpointEvaluator.evaluate
def stop_first(self, checkpoint, stop):
    os.kill(os.getpid(), signal.SIGTERM)
    return evaluate(self, checkpoint, stop)
CheckpointEvaluator.evaluate = stop_first
"""
# What must go on as it was, too.
FURTHER = ["--fgm_epsilon=0.1", "--average_decay=0.8"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return make_files(tmp_path_factory.mktemp("ner"), **dropout)


def _start(repo, arguments, prepare=""):
    code = SCRIPT.replace("PREPARE", prepare)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return forked.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repo
    )


def _finish(process, status=0):
    printed, log = process.communicate(timeout=300)
    assert process.returncode == status, log
    return printed, log


def _newest_variables(folder):
    checkpoint = tf.train.latest_checkpoint(str(folder))
    names = sorted(storage.read_shapes(checkpoint))
    return storage.read_variables(checkpoint, names)


@pytest.fixture(scope="module")
def whole(files, repo):
    """A model directory after a run that was not disturbed."""
    arguments = arguments_of(files, files / "whole", "--num_train_epochs=10")
    arguments += ["--learning_rate=0.01", "--do_train", "--do_eval", "--do_predict"]
    arguments += FURTHER
    _finish(_start(repo, arguments))
    return files / "whole"


def test_the_two_newest_checkpoints_and_the_best_are_kept(whole):
    """40 steps, 4 of them an epoch."""
    newest = {path.name for path in whole.glob("model.ckpt-*.index")}
    assert newest == {"model.ckpt-36.index", "model.ckpt-40.index"}
    best = {path.name for path in (whole / "best").glob("*.index")}
    step = json.loads((whole / "best" / "best.json").read_text())["step"]
    assert best == {f"model.ckpt-{step}.index"}


def test_a_run_that_was_stopped_ends_like_one_that_was_not(files, repo, whole):
    output = files / "halves"
    arguments = arguments_of(files, output, "--num_train_epochs=10", "--do_train")
    arguments += ["--learning_rate=0.01", "--do_eval", "--do_predict", *FURTHER]
    process = _start(repo, arguments)
    for line in process.stderr:
        if re.search(r"Step 8 of 40", line):
            break
    process.terminate()
    printed, _ = _finish(process, status=143)
    step = int(re.search(r"Stopped by SIGTERM at step (\d+) of 40", printed).group(1))
    assert 8 <= step < 40
    _, log = _finish(_start(repo, arguments))
    assert f"Training resumes from step {step}" in log
    expected, found = _newest_variables(whole), _newest_variables(output)
    assert set(found) == set(expected)
    assert "bert/pooler/dense/bias/adam_m" not in found  # NER does not train it
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)
    name = "eval_results.txt"
    assert read_results(output / name) == pytest.approx(
        read_results(whole / name), rel=1e-4
    )


def test_an_evaluation_that_was_cut_is_made_up_for(files, repo):
    output = files / "cut"
    arguments = arguments_of(files, output, "--num_train_epochs=1", "--do_train")
    _finish(_start(repo, arguments, STOP_IN_EVALUATION), status=143)
    assert (output / "model.ckpt-4.index").exists()
    assert not (output / "best").exists()
    _finish(_start(repo, arguments))
    assert (output / "best" / "model.ckpt-4.index").exists()
    assert (output / "eval" / "history.json").exists()


def test_an_exported_model_evaluates_and_predicts(files, repo, whole, tmp_path):
    exported, output = tmp_path / "exported", tmp_path / "results"
    forked.run(
        [
            *(sys.executable, "export_checkpoint.py"),
            *(f"--checkpoint={whole / 'best'}", f"--output_dir={exported}"),
        ],
        check=True,
        capture_output=True,
        cwd=repo,
        timeout=300,
    )
    before = sorted(path.name for path in exported.iterdir())
    done = run(
        repo,
        *(f"--model_dir={exported}", f"--output_dir={output}"),
        *(f"--data_dir={files / 'data'}", "--do_eval", "--do_predict"),
    )
    assert done.returncode == 0, done.stderr
    expected = read_results(whole / "eval_results.txt")
    del expected["global_step"]
    assert read_results(output / "eval_results.txt") == pytest.approx(expected)
    name = "predictions_test.conll"
    assert (output / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(path.name for path in exported.iterdir()) == before


def test_predictions_of_another_test_file_do_not_replace_those_of_test(
    repo, whole, tmp_path
):
    other = tmp_path / "other" / "test.conll"
    other.parent.mkdir()
    other.write_text("-DOCSTART-\n\n用\n图\n", encoding="utf-8")
    before = (whole / "predictions_test.conll").read_bytes()
    done = run(repo, "--do_predict", f"--predict_file={other}", f"--output_dir={whole}")
    assert done.returncode == 0, done.stderr
    assert (whole / "predictions_test.conll").read_bytes() == before
    written = (whole / "predictions_other_test.conll").read_text(encoding="utf-8")
    lines = written.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["-DOCSTART-", "", "用", "图"]
    assert [len(line.split(" ")) for line in lines] == [1, 1, 2, 2]


def test_a_folder_without_a_model_is_told_what_it_is(repo, tmp_path):
    bare = tmp_path / "new.txt"
    bare.write_text("用\n", encoding="utf-8")
    done = run(
        repo,
        *("--do_predict", f"--predict_file={bare}"),
        *(f"--model_dir={tmp_path}", f"--output_dir={tmp_path / 'out'}"),
    )
    assert done.returncode == 1
    assert "holds no trained model: it has new.txt, but no checkpoint" in done.stderr
    assert not (tmp_path / "out").exists()
