"""predict.py as a user runs it."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from albert.tasks.ner.config import HEADS
from tests import forked
from tests.serving.conftest import write_model
from tests.serving.test_outputs import PageReader
from tests.serving.test_predictor import random_texts

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
LONG = 800  # texts that take some seconds in small batches
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return str(write_model(tmp_path_factory.mktemp("models") / "ner"))


@pytest.fixture(scope="module")
def texts():
    return [text.replace("\n", "") for text in random_texts(40, seed=21)]


@pytest.fixture
def long_file(tmp_path, texts):
    path = tmp_path / "long.txt"
    path.write_text("".join(f"{text}\n" for text in texts * (LONG // 40)), "utf-8")
    return path


def command(model_dir, *flags, script="predict.py"):
    return [sys.executable, str(REPO / script), f"--model_dir={model_dir}", *flags]


def run(model_dir, *flags, given=b"", status=0, script="predict.py", how=forked):
    """Run a script; return standard output."""
    done = how.run(
        command(model_dir, *flags, script=script),
        input=given,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == status, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    if status:
        assert done.stderr.count(b"error: ") == 1
        return done.stderr.decode("utf-8")
    return done.stdout.decode("utf-8")


def read_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def check_entities(lines, texts):
    assert [line["text"] for line in lines] == texts
    found = [(line["text"], e) for line in lines for e in line["entities"]]
    assert found
    for text, entity in found:
        assert text[entity["start"] : entity["end"]] == entity["surface"]


def test_from_standard_input_to_standard_output(model_dir, texts):
    given = "".join(f"{text}\n" for text in texts).encode()
    found = run(model_dir, given=given, how=subprocess)
    check_entities(read_lines(found), texts)
    assert run(model_dir, given=gzip.compress(given), how=subprocess) == found


def test_from_files_to_a_file(tmp_path, model_dir, texts):
    for number in range(2):
        lines = [{"n": i, "body": text} for i, text in enumerate(texts)][number::2]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"in-{number}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    out = tmp_path / "out.jsonl"
    flags = ("--input_format=jsonl", "--text_field=body", "--batch_size=4")
    run(model_dir, f"--input_file={tmp_path}/in-*.gz", f"--output_file={out}", *flags)
    found = read_lines(out.read_text("utf-8"))
    assert [line["n"] for line in found] == [*range(0, 40, 2), *range(1, 40, 2)]
    lines = [{"text": x["body"], "entities": x["entities"]} for x in found]
    check_entities(lines, texts[::2] + texts[1::2])
    assert not list(tmp_path.glob("out.jsonl.*"))


# head -> a seed of random variables with which it finds both types.
FINDING = {"crf": 5, "softmax": 8}


@pytest.mark.parametrize("head", HEADS)
def test_tags_are_those_of_run_ner(tmp_path, head, texts):
    """The same model and file: the same lines, whatever the batches."""
    model_dir = str(write_model(tmp_path / "model", head=head, seed=FINDING[head]))
    lines = [
        line
        for text in texts
        for line in (*(f"{c}\tO" for c in text if not c.isspace()), "")
    ]
    given = tmp_path / "given.conll"
    given.write_text("-DOCSTART- O\n\n" + "".join(f"{x}\n" for x in lines), "utf-8")
    done = forked.run(
        [
            *(sys.executable, str(REPO / "run_ner.py"), "--do_predict"),
            *(f"--predict_file={given}", f"--model_dir={model_dir}"),
            f"--output_dir={tmp_path / 'ner'}",
        ],
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    expected = (tmp_path / "ner" / "predictions_given.conll").read_text("utf-8")
    flags = ("--input_format=conll", f"--input_file={given}", "--batch_size=7")
    assert run(model_dir, *flags, "--output_format=conll") == expected
    assert expected.count("\tB-") > 20
    ours = read_lines(run(model_dir, *flags))
    jsonl = (tmp_path / "ner" / "predictions_given.jsonl").read_text("utf-8")
    for line in ours:
        for entity in line["entities"]:
            del entity["score"]
    assert ours == read_lines(jsonl)


def test_a_page(tmp_path, model_dir, texts):
    out = tmp_path / "out.html"
    flags = ("--output_format=html", f"--output_file={out}")
    given = "".join(f"{text} <b>&\n" for text in texts).encode()
    run(model_dir, *flags, given=given)
    reader = PageReader()
    reader.feed(out.read_text("utf-8"))
    assert reader.items == [f"{text} <b>&" for text in texts]
    assert len(reader.marks) > 20


def start_and_wait(model_dir, out, *flags):
    """Start a run and return once it has kept some results."""
    process = forked.Popen(
        command(model_dir, f"--output_file={out}", "--batch_size=2", *flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    state = pathlib.Path(f"{out}.partial.json")
    while not state.exists():
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("output_format", ["jsonl", "html"])
def test_a_killed_run_goes_on(tmp_path, model_dir, texts, long_file, output_format):
    out = tmp_path / "out"
    flags = (f"--input_file={long_file}", f"--output_format={output_format}")
    process = start_and_wait(model_dir, out, *flags)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    state = json.loads(pathlib.Path(f"{out}.partial.json").read_text("utf-8"))
    assert 0 < state["progress"]["items"] < LONG
    with open(f"{out}.partial", "ab") as file:
        file.write(b'{"text": "half')
    whole = tmp_path / "whole"
    run(model_dir, *flags, f"--output_file={out}", "--batch_size=2", "--resume")
    run(model_dir, *flags, f"--output_file={whole}", "--batch_size=2")
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("out.*"))
    if output_format == "jsonl":
        lines = read_lines(out.read_text("utf-8"))
        assert [x["text"] for x in lines] == texts * (LONG // 40)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)]
)
def test_a_stopped_run_says_how_to_go_on(
    tmp_path, model_dir, long_file, number, status
):
    out = tmp_path / "out"
    process = start_and_wait(model_dir, out, f"--input_file={long_file}")
    process.send_signal(number)
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == status
    assert said.startswith(f"Stopped by {number.name}. To go on: python3 ")
    assert said.endswith(" --resume\n")
    assert os.path.exists(f"{out}.partial.json")
    assert not out.exists()


def test_a_stopped_run_leaves_its_results_alone_on_standard_output(
    model_dir, long_file
):
    flags = (f"--input_file={long_file}", "--batch_size=2")
    process = forked.Popen(
        command(model_dir, *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    first = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    lines = [first, *process.stdout.read().splitlines(keepends=True)]
    said = process.stderr.read()
    assert process.wait(timeout=60) == 143
    assert b"Stopped by SIGTERM." in said
    for line in lines[:-1]:  # the pipe may have taken half of the last one
        json.loads(line)
    assert lines[-1].startswith(b'{"text": ')


def test_a_reader_that_has_gone_ends_the_run_in_silence(model_dir, long_file):
    flags = (f"--input_file={long_file}", "--batch_size=2")
    process = forked.Popen(
        command(model_dir, *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read().decode()
    process.wait(timeout=60)
    assert process.returncode == -signal.SIGPIPE
    assert "error" not in said.lower()
    assert "Traceback" not in said


def test_wrong_input_is_one_line(tmp_path, model_dir):
    given = b'{"text": "a"}\n{"body": "b"}\n'
    said = run(model_dir, "--input_format=jsonl", given=given, status=1)
    assert "standard input: line 2 has no field 'text'" in said
    (tmp_path / "empty").mkdir()
    said = run(str(tmp_path / "empty"), status=1)
    assert "holds no trained model: the folder is empty" in said
    said = run(str(tmp_path / "none"), status=1)
    assert "--model_dir: the folder" in said
    (tmp_path / "terms").write_text("支持\tC\n", "utf-8")
    said = run(model_dir, f"--dictionary={tmp_path / 'terms'}", status=1)
    assert "the type 'C'; the model knows A, B" in said
    said = run(model_dir, f"--output_file={tmp_path / 'none' / 'out'}", status=1)
    assert "--output_file: the folder" in said
