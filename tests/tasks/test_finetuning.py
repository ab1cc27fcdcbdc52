"""Fine-tuning, shown on the smallest task there can be (tests/toy_task.py)."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert.modeling.config import AlbertConfig
from albert.tasks.finetuning import plan_training
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.text.vocabulary import SPECIAL_TOKENS
from albert.training.rates import factor_of
from tests import forked, toy_task

CHARACTERS = "用支持向量机识别图像中的文字"
CONFIG = {
    "vocab_size": len(SPECIAL_TOKENS) + len(CHARACTERS),
    "hidden_size": 16,
    "embedding_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 128,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def _write_lines(path, count, seed):
    """Sentences, about images where they begin with 图, else about text."""
    rng = np.random.default_rng(seed)
    lines = []
    for number in range(count):
        first = "图文"[number % 2]
        rest = "".join(rng.choice(list("用支持向量机识别"), 2))
        lines.append(f"{'image' if first == '图' else 'text'}\t{first}{rest}\n")
    path.write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    (folder / "data").mkdir()
    for seed, (name, count) in enumerate([("train", 32), ("dev", 10), ("test", 9)]):
        _write_lines(folder / "data" / f"{name}.tsv", count, seed)
    tokens = [*SPECIAL_TOKENS, *CHARACTERS]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def _run(repo, *arguments, status=0):
    done = forked.run(
        [sys.executable, "-m", "tests.toy_task", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=repo,
    )
    assert done.returncode == status, done.stderr
    return done.stderr


def _train(repo, files, *more):
    return _run(
        repo,
        f"--data_dir={files / 'data'}",
        f"--bert_config_file={files / 'config.json'}",
        f"--vocab_file={files / 'vocab.txt'}",
        f"--output_dir={files / 'model'}",
        *("--train_batch_size=8", "--learning_rate=0.01", "--num_gpus=0"),
        *("--do_train", *more),
    )


@pytest.mark.slow
def test_a_toy_task_trains_evaluates_resumes_and_predicts(repo, files):
    _train(repo, files, "--num_train_epochs=2")
    log = _train(repo, files, "--num_train_epochs=30", "--do_eval")
    assert "Training resumes from step 8" in log
    model = files / "model"
    history = json.loads((model / "eval" / "history.json").read_text())
    assert [entry["global_step"] for entry in history] == list(range(4, 121, 4))
    best = json.loads((model / "best" / "best.json").read_text())
    assert best["value"] == max(entry["eval_accuracy"] for entry in history)
    results = (model / "eval_results.txt").read_text().splitlines()
    values = {k: float(v) for k, v in (line.split(" = ") for line in results)}
    assert values["eval_accuracy"] > 0.8
    assert values["global_step"] == best["step"]
    kept = {path.name for path in model.glob("model.ckpt-*.index")}
    assert kept == {"model.ckpt-116.index", "model.ckpt-120.index"}
    before = {path: path.stat().st_mtime_ns for path in model.rglob("*")}

    bare = files / "new.txt"
    bare.write_text("图用支持\n文用支持\n", encoding="utf-8")
    output = files / "predicted"
    _run(
        repo,
        f"--model_dir={model}",
        f"--output_dir={output}",
        f"--predict_file={bare}",
        "--do_predict",
    )
    predicted = (output / "predictions_new.tsv").read_text(encoding="utf-8")
    assert predicted == "image\t图用支持\ntext\t文用支持\n"
    assert {path: path.stat().st_mtime_ns for path in model.rglob("*")} == before


@pytest.mark.slow
def test_patience_ends_training_and_a_later_run_does_not_go_on(repo, files, tmp_path):
    flags = ("--num_train_epochs=50", f"--output_dir={tmp_path}")
    # Nothing is learned, so that no evaluation is better than the first.
    flags += ("--learning_rate=1e-12", "--early_stopping_patience=3")
    log = _train(repo, files, *flags)
    assert "eval_accuracy on held-out data has not risen for 3 evaluations" in log
    newest = tf.train.latest_checkpoint(str(tmp_path))
    log = _train(repo, files, *flags, "--do_eval")
    assert "early stopping" in log
    assert tf.train.latest_checkpoint(str(tmp_path)) == newest
    assert (tmp_path / "eval_results.txt").exists()


def _plan(**settings):
    task = toy_task.ToyTask(None, (), None, AlbertConfig(vocab_size=9))
    run = FineTuningRun(
        output_dir="m", data_dir="d", do_train=True, config_file="c", vocab_file="v"
    )
    return plan_training(run, FineTuningConfig(**settings), task, 64)


def test_the_head_and_the_layers_have_their_own_learning_rates():
    assert _plan().rate_rules == ()
    rules = _plan(learning_rate=1e-4, head_learning_rate=1e-3).rate_rules
    assert factor_of("classifier/dense/kernel", rules) == pytest.approx(10)
    assert factor_of("bert/embeddings/word_embeddings", rules) == 1
    rules = _plan(layerwise_lr_decay=0.5).rate_rules
    # One shared layer: it has 0.5 ** 2, the embeddings below it 0.5 ** 3.
    assert factor_of("bert/embeddings/word_embeddings", rules) == 0.125
    assert factor_of("classifier/dense/kernel", rules) == 1


def test_the_precision_of_training_is_a_setting():
    assert _plan().precision == "float32"
    assert _plan(precision="bfloat16").precision == "bfloat16"


def test_the_toy_task_is_small(repo):
    """A new task is a folder of some 250 lines and a script of some 60."""
    lines = (repo / "tests" / "toy_task.py").read_text(encoding="utf-8").splitlines()
    print(f"lines of the toy task and its script: {len(lines)}")
    assert len(lines) <= 200
    assert os.path.basename(toy_task.__file__) == "toy_task.py"
