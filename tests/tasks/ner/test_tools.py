"""The tools around NER data and predictions, run as a user runs them."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest

from tests import forked

REPO = pathlib.Path(__file__).resolve().parent.parent.parent.parent
pytestmark = pytest.mark.slow


def _run(tool, *arguments):
    command = [sys.executable, str(REPO / "tools" / tool), *map(str, arguments)]
    return forked.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120
    )


def _write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def gold(tmp_path):
    return _write(tmp_path / "gold.conll", "图 B-A\n像 I-A\n\n用 O\n树 B-B\n")


@pytest.fixture
def predictions(tmp_path):
    """Gold and prediction side by side, as run_ner.py writes them; one type wrong."""
    text = "图 B-A B-A\n像 I-A I-A\n\n用 O O\n树 B-B B-A\n"
    return _write(tmp_path / "predictions.conll", text)


def test_evaluation_reports_the_errors_of_a_prediction_file(
    tmp_path, gold, predictions
):
    target = tmp_path / "report.json"
    done = _run(
        "evaluate_ner.py",
        f"--gold_file={gold}",
        f"--train_file={gold}",
        f"--output_file={target}",
        f"--prediction_file={predictions}",
    )
    assert done.returncode == 0, done.stderr
    assert "line 5: B “树” → A “树”" in done.stdout
    value = json.loads(target.read_text(encoding="utf-8"))
    assert value["measures"]["strict"]["f1"] == 0.5
    assert value["measures"]["exact boundary"]["f1"] == 1.0
    assert value["by_novelty"]["seen in training"]["correct"] == 1


def test_two_prediction_files_are_compared(tmp_path, gold, predictions):
    target = tmp_path / "comparison.json"
    done = _run(
        "evaluate_ner.py",
        "--compare",
        predictions,
        gold,
        f"--gold_file={gold}",
        "--samples=200",
        f"--output_file={target}",
    )
    assert done.returncode == 0, done.stderr
    assert "difference, second minus first: +50.00" in done.stdout
    assert json.loads(target.read_text(encoding="utf-8"))["f1"] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of --prediction_file and --compare must be given"),
        (["--compare={gold}"], "must name two different files"),
        (["--compare={gold}", "{gold}x"], "unexpected argument"),
        (["--prediction_file={gold}", "--reading=loose"], "reading"),
        (["--prediction_file={gold}", "--train_file=no"], "--train_file"),
    ],
)
def test_wrong_flags_of_the_evaluation_are_one_line(gold, arguments, message):
    given = [argument.format(gold=gold) for argument in arguments]
    done = _run("evaluate_ner.py", f"--gold_file={gold}", *given)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


def test_predictions_go_to_label_studio_and_the_losses_are_said(tmp_path):
    entity = {"type": "A", "start": 0, "end": 2, "surface": "图像", "score": 0.75}
    value = {"id": 4, "text": "图像\n用", "entities": [entity]}
    source = _write(tmp_path / "p.jsonl", json.dumps(value, ensure_ascii=False))
    tasks, columns = tmp_path / "tasks.json", tmp_path / "columns.bmes"
    common = [f"--input_file={source}", "--from=predictions"]
    done = _run(
        "convert_annotations.py", *common, "--to=label_studio", f"--output_file={tasks}"
    )
    assert done.returncode == 0, done.stderr
    assert "lost" not in done.stdout
    (task,) = json.loads(tasks.read_text(encoding="utf-8"))
    assert task["predictions"][0]["result"][0]["score"] == 0.75
    done = _run(
        "convert_annotations.py", *common, "--to=bmes", f"--output_file={columns}"
    )
    assert columns.read_text(encoding="utf-8") == "图 B-A\n像 E-A\n\n用 O\n"
    assert [x for x in done.stdout.splitlines() if x.startswith("lost")] == [
        "lost: 1 identifiers of documents",
        "lost: 1 line breaks inside documents: each line is a sentence of its own",
        "lost: 1 scores",
    ]


def test_a_damaged_annotation_file_leaves_no_output(tmp_path):
    source = _write(tmp_path / "d.jsonl", '{"text": "图", "label": [[0, 9, "A"]]}\n')
    target = tmp_path / "out.bio"
    done = _run(
        "convert_annotations.py",
        f"--input_file={source}",
        "--from=doccano",
        "--to=bio",
        f"--output_file={target}",
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {source}: line 1: the entity A from 0 to 9")
    assert not target.exists()


def test_data_are_looked_through(tmp_path):
    _write(tmp_path / "train.conll", "图 B-A\n像 I-A\n\n用 O\n")
    _write(tmp_path / "dev.conll", "图 B-A\n像 I-A\n")
    done = _run("check_ner_data.py", f"--data_dir={tmp_path}", "--max_seq_length=4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "tags are BIO",
        "train: 2 sentences (the longest of 2), 3 characters, 1 entities (A 1)",
        "val: 1 sentences (the longest of 2), 2 characters, 1 entities (A 1)",
        "",
        "sentences that several splits share: 1",
        "    train line 1, val line 1: 图像",
        "types that are rare, or not in the training data: 1",
        "    A: train 1, val 1",
    ]
