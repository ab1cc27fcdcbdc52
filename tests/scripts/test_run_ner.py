"""run_ner.py as a user runs it, on sentences written here and a tiny random model."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from albert.tasks.ner.conll import read_conll
from albert.tasks.ner.tag_schemes import count_illegal, find_scheme
from tests.ner_kit import arguments_of, make_files, read_results, run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("ner"))


def _check_predictions(folder, conll_file, stem):
    """Compare predictions with the file they were made for, line for line."""
    lines = conll_file.read_text(encoding="utf-8").split("\n")
    predicted = (folder / f"{stem}.conll").read_text(encoding="utf-8").split("\n")
    assert len(predicted) == len(lines)
    for before, after in zip(lines, predicted):
        assert after == before if not before else after.rpartition(" ")[0] == before
    sentences = read_conll(str(folder / f"{stem}.conll")).sentences
    text = (folder / f"{stem}.jsonl").read_text(encoding="utf-8")
    values = [json.loads(line) for line in text.splitlines()]
    assert len(values) == len(sentences)
    for value, sentence in zip(values, sentences):
        assert value["text"] == "".join(sentence.columns)
        for entity in value["entities"]:
            start, end = entity["start"], entity["end"]
            assert entity["surface"] == value["text"][start:end]
            assert sentence.tags[start] == f"B-{entity['type']}"
            assert set(sentence.tags[start + 1 : end]) <= {f"I-{entity['type']}"}
    return sentences


@pytest.fixture(scope="module")
def model(files, repo):
    """A model directory after training, evaluation and prediction."""
    output_dir = files / "model"
    done = run(
        repo,
        *arguments_of(files, output_dir, "--num_train_epochs=20"),
        *("--do_train", "--do_eval", "--do_predict", "--learning_rate=0.01"),
    )
    assert done.returncode == 0, done.stderr
    return output_dir, done.stderr


@pytest.mark.slow
def test_training_learns_and_keeps_the_best_checkpoint(model):
    output_dir, log = model
    # 16 sentences in batches of 4, 20 epochs.
    assert "16 sentences, num_train_epochs 20: num_train_steps 80" in log
    assert "train (" in log
    results = read_results(output_dir / "eval_results.txt")
    names = {"eval_f", "eval_precision", "eval_recall", "global_step", "loss"}
    assert names | {"eval_f_default"} <= set(results)
    best = json.loads((output_dir / "best" / "best.json").read_text())
    assert results["global_step"] == best["step"]
    assert best["step"] % 4 == 0
    val = read_results(output_dir / "eval_results_val.txt")
    assert val["eval_f"] == pytest.approx(best["value"])
    assert val["eval_f"] > 0.5  # these sentences were trained on
    table = (output_dir / "entity_scores.txt").read_text()
    assert "Method" in table
    assert "Task" in table
    assert "strict" in log
    assert "default" in log


@pytest.mark.slow
def test_predictions_stand_beside_the_lines_of_the_test_file(model, files):
    output_dir, _ = model
    conll_file = files / "data" / "test.conll"
    sentences = _check_predictions(output_dir, conll_file, "predictions_test")
    # Of the longest sentence, only windows fit into 18 tokens.
    assert max(len(sentence.columns) for sentence in sentences) > 18


@pytest.mark.slow
def test_trained_model_labels_a_bare_file_by_itself(model, files, repo):
    output_dir, _ = model
    bare = files / "new.txt"
    bare.write_text("用\n决\n策\n树\n\n\u3000\n鑫\n", encoding="utf-8")
    done = run(
        repo, "--do_predict", f"--predict_file={bare}", f"--output_dir={output_dir}"
    )
    assert done.returncode == 0, done.stderr
    sentences = _check_predictions(output_dir, bare, "predictions_new")
    assert [sentence.columns for sentence in sentences] == [
        tuple("用决策树"),
        ("\u3000", "鑫"),
    ]


@pytest.mark.slow
def test_crf_on_two_replicas_gives_legal_labels(files, repo, tmp_path):
    output_dir = tmp_path / "crf"
    done = run(
        repo,
        *arguments_of(files, output_dir, "--head=crf", "--num_cpu_replicas=2"),
        *("--do_train", "--do_eval", "--do_predict", "--num_train_epochs=2"),
    )
    assert done.returncode == 0, done.stderr
    assert "Training on 2 CPU replica(s)" in done.stderr
    results = read_results(output_dir / "eval_results.txt")
    assert results["illegal_transitions_predicted"] == 0
    assert results["global_step"] in (4, 8)
    conll_file = files / "data" / "test.conll"
    sentences = _check_predictions(output_dir, conll_file, "predictions_test")
    scheme = find_scheme("BIO")
    assert sum(count_illegal(sentence.tags, scheme) for sentence in sentences) == 0


def _fail(repo, *arguments):
    """Run, expect one line and exit status 1, and return the line."""
    done = run(repo, *arguments)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.stderr.splitlines()[-1:] == lines
    return lines[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--do_train", "--head=lstm"], "flag --head=lstm"),
        (["--do_train", "extra"], "unexpected argument 'extra'"),
        (["--do_train", "--init_checkpoint=absent"], "no checkpoint absent"),
    ],
)
def test_wrong_flags_end_in_one_line(files, repo, tmp_path, arguments, message):
    output_dir = tmp_path / "model"
    assert message in _fail(repo, *arguments_of(files, output_dir, *arguments))
    assert not output_dir.exists()


@pytest.mark.slow
def test_wrong_file_ends_in_one_line(files, repo, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.conll").write_text("用 O\n图 B\n", encoding="utf-8")
    output_dir = tmp_path / "model"
    arguments = arguments_of(files, output_dir, "--do_train", f"--data_dir={data}")
    assert "train.conll: line 2: 'B' is no tag" in _fail(repo, *arguments)
    assert not output_dir.exists()


@pytest.mark.slow
def test_best_checkpoint_starts_training_with_its_own_vocabulary_only(
    model, files, repo, tmp_path
):
    tokens = (files / "vocab.txt").read_text(encoding="utf-8").split("\n")
    tokens[5], tokens[6] = tokens[6], tokens[5]
    other = tmp_path / "vocab.txt"
    other.write_text("\n".join(tokens), encoding="utf-8")
    output_dir = tmp_path / "model"
    line = _fail(
        repo,
        *arguments_of(files, output_dir, "--do_train", f"--vocab_file={other}"),
        f"--init_checkpoint={model[0] / 'best'}",
    )
    assert "do not belong together" in line
    assert not output_dir.exists()


@pytest.mark.slow
def test_best_folder_is_a_model_directory_of_its_own(model, files, repo):
    best = model[0] / "best"
    done = run(
        repo, f"--data_dir={files / 'data'}", f"--output_dir={best}", "--do_eval"
    )
    assert done.returncode == 0, done.stderr
    name = "eval_results.txt"
    assert read_results(best / name) == read_results(model[0] / name)


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_and_the_command_that_resumes(repo, files):
    output = files / "stopped"
    command = [sys.executable, "run_ner.py", *arguments_of(files, output)]
    command += ["--do_train", "--num_train_epochs=100000", "--learning_rate=0.001"]
    command += ["--head_learning_rate=0.01", "--layerwise_lr_decay=0.5"]
    log = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repo
    ) as process:
        for line in process.stderr:
            log += line
            if " of 4" in line or "Saved checkpoint" in line:
                break
        process.terminate()
        printed, _ = process.communicate(timeout=120)
    assert process.returncode == 143
    # Layers that share their variables are one, below the head.
    for group in (
        "embeddings: learning rate 0.000125, factor 0.125 (",
        "layer_shared: learning rate 0.00025, factor 0.25 (",
        "head: learning rate 0.01, factor 10 (",
    ):
        assert f"  {group}" in log
    assert "Stopped by SIGTERM at step" in printed
    assert "To go on: python3 run_ner.py" in printed
    assert list(output.glob("model.ckpt-*.index"))
