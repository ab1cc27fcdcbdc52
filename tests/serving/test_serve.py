"""serve.py with a model of random variables, and what its user may do wrong."""

from __future__ import annotations

import concurrent.futures
import os
import socket
import subprocess
import sys

import pytest

from albert.serving.predictor import Predictor
from tests import forked
from tests.serving.conftest import CHARACTERS
from tests.serving.service_kit import SCRIPT, serving

pytestmark = pytest.mark.slow
TEXTS = [CHARACTERS[i % 15 :] * (1 + i % 7) + str(i) for i in range(96)]


@pytest.fixture(scope="module")
def service(model_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    log, terms = folder / "log", folder / "terms=1.txt"
    terms.write_text("文心\tA\n", "utf-8")
    flags = [f"--model_dir={model_dir}", f"--model=again={model_dir},third={model_dir}"]
    flags.append(f"--dictionary=third={terms}")
    with serving(SCRIPT, log, *flags) as server:
        yield server
        assert server.stop() == 0
    assert CHARACTERS[:4] not in server.log()


def test_answers_are_those_of_the_predictor_and_none_is_mixed_up(service, model_dir):
    predictor = Predictor(model_dir)
    expected = predictor.predict(TEXTS, 0.2)
    predictor.close()
    assert sum(len(result["entities"]) for result in expected) > 50

    def ask(number):
        model = ("default", "again", "third")[number % 3]
        body = {"text": TEXTS[number], "min_score": 0.2, "model": model}
        return service.predict(**body).json

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(len(TEXTS))))
    for answer, result in zip(answers, expected):
        assert answer["results"][0]["text"] == result["text"]
        got = answer["results"][0]["entities"]
        assert [dict(e, score=0) for e in got] == [
            dict(e, score=0) for e in result["entities"]
        ]
        scores = [e["score"] for e in result["entities"]]
        assert [e["score"] for e in got] == pytest.approx(scores, abs=1e-4)
    batches = service.metric("albert_batch_requests_count")
    assert batches < len(TEXTS)  # some were computed together


def test_terms_belong_to_the_model_that_they_were_given_for(service):
    answers = [
        service.predict(text="用文心做", model=name).json["results"][0]["entities"]
        for name in ("third", "again")
    ]
    found = [[e for e in part if "source" in e] for part in answers]
    assert [len(part) for part in found] == [1, 0]
    wanted = {"type": "A", "start": 1, "end": 3, "surface": "文心", "score": 1.0}
    assert found[0][0] == {**wanted, "source": "dictionary"}


def test_the_models_are_described(service):
    models = service.ask("/v1/model").json["models"]
    assert [m["name"] for m in models] == ["default", "again", "third"]
    assert models[0]["types"] == ["A", "B"]
    assert models[0]["global_step"] == 7


def run_wrongly(*flags, run=subprocess.run, **environment):
    """Return the one line with which serve.py ends."""
    environment = {**os.environ, **environment}
    environment.pop("TF_CPP_MIN_LOG_LEVEL")  # as a user has it
    done = run(
        [*SCRIPT, *flags],
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_port_in_use_is_one_line(model_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = run_wrongly(f"--model_dir={model_dir}", f"--port={port}")
    assert line == (
        f"error: --port: 127.0.0.1:{port} is in use; give another --port, or 0 for a "
        "free one"
    )


def test_wrong_flags_are_one_line(model_dir, tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "words").write_text("two words\n")
    free = "--port=0"
    cases = {
        (): "--model_dir or --model must be given",
        (f"--model_dir={tmp_path}/no",): f"--model_dir: the folder {tmp_path}/no does",
        (f"--model_dir={tmp_path}", free): f"--model_dir: {tmp_path} holds no trained",
        (f"--model=a={tmp_path}/no", free): f"--model: the folder {tmp_path}/no does",
        ("--model=ner",): "--model takes name=folder, got 'ner'",
        (f"--model=a b={model_dir}",): "--model: the name 'a b' is not made of",
        (f"--model=a={model_dir}", f"--model=a={tmp_path}"): "--model: two models are",
        (f"--model_dir={model_dir}", "--host=no such host"): "--host: there is no",
        (f"--model_dir={model_dir}", "--host=192.0.2.1", free): "cannot listen at 192",
        (f"--model_dir={model_dir}", "--queue_size=0"): "queue_size must be at least 1",
        (f"--model_dir={model_dir}", f"--token_file={tmp_path}/no"): "--token_file: no",
        (f"--model_dir={model_dir}", f"--token_file={tmp_path}/empty"): "--token_file:",
        (f"--model_dir={model_dir}", f"--token_file={tmp_path}/words"): "--token_file:",
        (f"--model_dir={model_dir}", "name"): "unexpected argument 'name'",
    }
    for flags, message in cases.items():
        assert run_wrongly(*flags, run=forked.run).startswith(f"error: {message}")


def test_without_the_extra_one_line_says_what_to_install(model_dir, tmp_path, repo):
    (tmp_path / "fastapi.py").write_text("raise ImportError('No module fastapi')")
    path = os.pathsep.join([str(tmp_path), str(repo)])
    line = run_wrongly(f"--model_dir={model_dir}", PYTHONPATH=path)
    assert line == "error: No module fastapi: pip install -e '.[serve]'"


def test_help_needs_no_extra(tmp_path, repo):
    (tmp_path / "fastapi.py").write_text("raise ImportError('No module fastapi')")
    path = os.pathsep.join([str(tmp_path), str(repo)])
    done = subprocess.run(
        [sys.executable, "serve.py", "--help"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0
    assert b"--queue_size" in done.stdout
