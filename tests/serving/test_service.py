"""The limits of the service, as a process on loopback with stand-ins for models."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time

import pytest

from tests.serving.service_kit import (
    STAND_IN,
    head,
    is_open,
    read_until_closed,
    serving,
)

pytestmark = pytest.mark.slow
SECRET = "机密"  # in every text here; nothing that is logged may hold it


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with folders that stand for models."""
    path = tmp_path_factory.mktemp("service")
    for name in ("first", "second", "pairs", "a", "terminated", "late", "int"):
        (path / name).mkdir()
    return path


@pytest.fixture(scope="module")
def service(folder):
    """One service for most tests, with narrow limits."""
    names = ("first", "second", "pairs")
    flags = [f"--model={name}={folder}/{name}" for name in names]
    flags += ["--max_body_bytes=3000", "--max_text_length=100", "--max_texts=3"]
    flags += ["--queue_size=2", "--batch_characters=1", "--request_timeout=1.5"]
    with serving(STAND_IN, folder / "log", *flags) as server:
        yield server
        assert server.stop() == 0
        log = server.log()
    assert "POST /v1/predict 200" in log
    assert "Traceback" not in log
    assert SECRET not in log
    assert "query=" not in log


def computed(folder, name="first"):
    """Return the texts that a stand-in was given."""
    path = folder / name / "texts"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def in_threads(function, arguments):
    """Return the results of calls at the same time."""
    results = {}

    def call(argument):
        results[argument] = function(argument)

    threads = [threading.Thread(target=call, args=(a,)) for a in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [results[argument] for argument in arguments]


def error_of(answer):
    """Return what an answer as it comes says was wrong, from a body of its length."""
    lines, _, body = answer.partition(b"\r\n\r\n")
    assert int(re.search(rb"(?i)content-length: (\d+)", lines).group(1)) == len(body)
    return json.loads(body)["error"]


def test_one_text(service):
    answer = service.predict(text=SECRET + "x")
    entity = {"type": "X", "start": 2, "end": 3, "surface": "x", "score": 0.5}
    result = {"text": SECRET + "x", "entities": [entity]}
    assert answer.status == 200
    assert answer.json == {"model": "first", "results": [result]}
    assert SECRET.encode() in answer.body  # not as \u escapes
    assert answer.headers["Content-Type"] == "application/json"


def test_several_texts_keep_their_order(service):
    answer = service.predict(texts=["x", "", "y"])
    assert [r["text"] for r in answer.json["results"]] == ["x", "", "y"]
    assert service.predict(texts=[]).json["results"] == []


def test_pairs_alone_and_several(service):
    expected = {"text": "a", "text_b": "b", "label": "same"}
    (one,) = service.predict(text="a", text_b="b", model="pairs").json["results"]
    assert {name: one[name] for name in expected} == expected
    several = service.predict(texts=[["a", "b"], ["c", "d"]], model="pairs").json
    assert [r["text_b"] for r in several["results"]] == ["b", "d"]


def test_a_model_is_chosen_by_name(service, folder):
    assert service.predict(text="to the second", model="second").status == 200
    assert "to the second" in computed(folder, "second")
    assert "to the second" not in computed(folder)


def test_the_lowest_score_is_passed_on(service):
    texts = {s: service.predict(text="x", min_score=s).json for s in (0, 0.5, 1)}
    counts = {s: len(t["results"][0]["entities"]) for s, t in texts.items()}
    assert counts == {0: 1, 0.5: 1, 1: 0}


def test_models_and_limits_are_told(service):
    told = service.ask("/v1/model").json
    assert told["default"] == "first"
    assert [m["name"] for m in told["models"]] == ["first", "second", "pairs"]
    assert told["models"][0]["types"] == ["X"]
    assert told["limits"] == {
        "max_body_bytes": 3000,
        "max_text_length": 100,
        "max_texts": 3,
    }


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"{'text': 1}", 400, "no JSON"),
        (b'{"text": "\xff"}', 400, "no JSON"),
        (b'{"text": "\\ud800"}', 400, "no JSON"),  # half a character
        (b"[" * 2900, 400, "no JSON"),
        (b"[]", 422, "object"),
        (b"null", 422, "object"),
        (b'"text"', 422, "object"),
        (b"{}", 422, "give either text or texts"),
        (b'{"text": "a", "texts": ["b"]}', 422, "give either text or texts"),
        (b'{"text": 3}', 422, "text: Input should be a valid string"),
        (b'{"text": ["a"]}', 422, "text: Input should be a valid string"),
        (b'{"texts": "a"}', 422, "texts: Input should be a valid"),
        (b'{"texts": ["a", null]}', 422, "texts.1: Input should be a valid string"),
        (b'{"text": "a", "model": 3}', 422, "model: Input should be a valid string"),
        (b'{"text": "a", "min_score": "0"}', 422, "min_score: Input should be a valid"),
        (b'{"text": "a", "min_score": true}', 422, "min_score: Input should be"),
        (b'{"text": "a", "min_score": 2}', 422, "min_score: Input should be less"),
        (b'{"text": "a", "min_score": NaN}', 422, "min_score: Input should be"),
        (b'{"text": "a", "txt": "b"}', 422, "txt: Extra inputs are not permitted"),
        (b'{"text": "a", "model": "third"}', 404, "there is first, second, pairs"),
        (b'{"texts": ["a", "a", "a", "a"]}', 422, "at most 3 texts, not 4"),
        (
            b'{"text": "a", "text_b": "b"}',
            422,
            "text 1 is a pair; the model takes sing",
        ),
        (b'{"texts": ["a", ["a", "b"]]}', 422, "text 2 is a pair; the model takes"),
        (b'{"texts": ["a"], "text_b": "b"}', 422, "in texts a pair is a list of two"),
        (b'{"text": "a", "model": "pairs"}', 422, "takes pairs: text and text_b"),
        (
            *(b'{"text": "a", "question": "b", "model": "pairs"}', 422),
            "the model takes text and text_b, not question",
        ),
    ],
)
def test_wrong_requests_are_told_what_is_wrong(service, body, status, message):
    answer = service.ask("/v1/predict", body)
    assert answer.status == status, answer
    assert message in answer.json["error"]
    assert list(answer.json) == ["error"]


def test_a_text_is_measured_in_characters(service):
    assert service.predict(text="𠀀" * 100).status == 200
    answer = service.predict(texts=["a", "密" * 101])
    message = "text 2 has 101 characters, more than the 100 that are allowed"
    assert (answer.status, answer.json["error"]) == (422, message)


def test_a_body_that_is_too_long_is_refused(service):
    longest = json.dumps({"text": "a"}).encode().ljust(3000)
    assert service.ask("/v1/predict", longest).status == 200
    answer = service.ask("/v1/predict", longest + b" ")
    message = "a request has at most 3000 bytes"
    assert (answer.status, answer.json["error"]) == (413, message)


def test_a_long_body_in_chunks_is_refused_too(service):
    with service.connect() as connection:
        lines = "POST /v1/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall((lines + "Content-Type: application/json\r\n\r\n").encode())
        for _ in range(48):  # 16 times the limit is read before the answer
            connection.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
        assert read_until_closed(connection).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_asks_before_it_sends_is_refused_at_once(service):
    with service.connect() as connection:
        request = head(length=10**9, Expect="100-continue")
        connection.sendall(request.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        assert read_until_closed(connection).startswith(b"HTTP/1.1 413 ")


def test_other_content_types_and_methods_and_paths(service):
    form = {"Content-Type": "text/plain"}
    assert service.ask("/v1/predict", b"{}", form).status == 415
    assert service.ask("/v1/predict").status == 405
    assert service.ask("/v1/nothing").status == 404
    assert service.ask("/docs").status == 404  # it would ask other hosts for scripts
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert service.ask("/v1/predict", b'{"text": ""}', kind).status == 200


def test_what_is_no_http_is_refused(service):
    with service.connect() as connection:
        connection.sendall(b"hello\r\n\r\n")
        assert read_until_closed(connection).startswith(b"HTTP/1.1 400 ")
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000)
        assert read_until_closed(connection).startswith(b"HTTP/1.1 400 ")


def test_a_full_queue_says_come_later(service):
    """One is computed, two wait; the fourth and the fifth are refused."""
    texts = [f"sleep 1 {SECRET} {i}" for i in range(5)]
    before = service.metric('albert_requests_total{path="/v1/predict",status="503"}')
    answers = in_threads(lambda text: service.predict(text=text), texts)
    refused = [a for a in answers if a.status == 503]
    assert sorted(a.status for a in answers) == [200, 200, 200, 503, 503]
    assert all(a.headers["Retry-After"] == "1" for a in refused)
    assert refused[0].json["error"] == "2 requests wait; come again later"
    after = service.metric('albert_requests_total{path="/v1/predict",status="503"}')
    assert after - before == 2
    assert service.predict(text="again").status == 200


def test_a_client_that_goes_away_costs_nothing(service, folder):
    with service.connect() as first, service.connect() as second:
        first.sendall(head("sleep 1"))
        service.wait_for(lambda: "sleep 1" in computed(folder))
        second.sendall(head("nobody waits for this"))
        service.wait_for(lambda: service.metric("albert_queue_length") == 1)
        second.close()
        service.wait_for(lambda: service.metric("albert_queue_length") == 0)
        assert b"200 OK" in first.recv(65536)
    assert service.predict(text="after them").status == 200
    assert "nobody waits for this" not in computed(folder)
    left = 'albert_requests_total{path="/v1/predict",status="499"}'
    assert service.metric(left) >= 1


def test_a_client_that_leaves_its_body_half_sent_is_forgotten(service):
    with service.connect() as connection:
        connection.sendall(head(length=500))
    assert service.predict(text="a").status == 200


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b"HTTP/1.1 408 "),
        (b"POST /v1/pre", b"HTTP/1.1 408 "),
        (b"POST /v1/predict HTTP/1.1\r\nHost: x\r\n", b"HTTP/1.1 408 "),
        (head(length=500), b"HTTP/1.1 408 "),
        (head("a") + b"POST /v1", b"HTTP/1.1 200 "),  # then half of another
    ],
)
def test_half_sent_requests_run_out_of_time(service, sent, answer):
    with service.connect() as connection:
        start = time.monotonic()
        connection.sendall(sent)
        assert is_open(connection)
        found = read_until_closed(connection)
        assert found.startswith(answer)
        assert b" 200 " in answer or "not whole in" in error_of(found)
        # 20 s are given between requests, and 1.5 s for one that has begun.
        assert 1.2 < time.monotonic() - start < 12


def test_a_request_sent_in_drips_runs_out_of_time_too(service):
    with service.connect() as connection:
        start = time.monotonic()
        try:
            for byte in head("a" * 90, length=100):
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            pass
        assert time.monotonic() - start < 10


def test_a_body_that_nobody_reads_keeps_no_connection(service):
    """Its sender could wait for ever before the rest: nobody waits for that."""
    request = "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(request.format(100).encode() + b"x")
        assert b"\r\nconnection: close\r\n" in read_until_closed(connection)
    with service.connect() as connection:
        for _ in range(2):  # there is nothing to read: it stays
            connection.sendall(request.format(0).encode())
            assert b"connection: close" not in connection.recv(65536)


def test_answers_that_nobody_reads_keep_no_connection(service):
    """The first of many pages fill what the system holds back, some MB."""
    before = service.log().count("did not take its answer")
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000)
        service.wait_for(
            lambda: service.log().count("did not take its answer") > before
        )
    assert service.predict(text="a").status == 200


def test_a_failing_model_is_an_answer_and_its_log_names_no_text(service):
    answers = in_threads(
        lambda text: service.predict(text=text), [f"fail {SECRET}", "good"]
    )
    assert [a.status for a in answers] == [500, 200]
    assert answers[0].json["error"] == "the service has failed; its log says where"
    service.wait_for(lambda: "ValueError in /v1/predict" in service.log())
    assert 'raise ValueError(f"it' in service.log()  # where; not of what


def test_queries_are_not_logged(service):
    assert service.ask("/healthz?query=" + "words").status == 200
    assert service.ask("/some%20words").status == 404
    service.wait_for(lambda: "GET (unknown) 404" in service.log())
    assert "words" not in service.log()


def test_health_metrics_and_the_description(service):
    assert service.ask("/healthz").json == {"status": "ok"}
    before = service.metric("albert_text_characters_total")
    service.predict(texts=["abc", "密"])
    assert service.metric("albert_text_characters_total") - before == 4
    seconds = 'albert_request_seconds_count{path="/v1/predict"}'
    assert service.metric(seconds) > 0
    assert service.metric("albert_batch_requests_count") > 0
    described = service.ask("/openapi.json").json
    assert set(described["paths"]) == {
        *("/healthz", "/metrics", "/v1/model", "/v1/predict")
    }
    operation = described["paths"]["/v1/predict"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    names = {"text", "text_b", "question", "texts", "model", "min_score"}
    assert set(body["properties"]) == names
    assert {"200", "400", "404", "413", "422", "503"} <= set(operation["responses"])


def test_the_page_names_no_other_host_and_may_load_nothing(service):
    answer = service.ask("/")
    page = answer.body.decode()
    assert re.findall(r"(?:src|href|action)=\S+", page) == ['href="data:,">']
    assert not re.search(r"https?:|url\(|@import", page)
    rules = answer.headers["Content-Security-Policy"]
    assert rules.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in rules


def test_a_token_is_asked_for(folder):
    (folder / "token").write_text("open-sesame\n")
    flags = [f"--model_dir={folder}", f"--token_file={folder}/token"]
    with serving(STAND_IN, folder / "token_log", *flags) as server:
        for path in ("/healthz", "/"):
            assert server.ask(path).status == 200
        for given in (None, "open-sesame", "Bearer open", "Basic open-sesame", "é"):
            headers = {} if given is None else {"Authorization": given}
            for path in ("/v1/model", "/metrics", "/openapi.json", "/nothing"):
                answer = server.ask(path, headers=headers)
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert server.ask("/v1/predict", {"text": "x"}, headers).status == 401
        headers = {"Authorization": "bearer open-sesame"}
        assert server.ask("/v1/model", headers=headers).status == 200
        assert server.ask("/nothing", headers=headers).status == 404
        log = server.log()
    assert "sesame" not in log


def test_too_many_connections_are_told_to_come_later(folder):
    flags = [f"--model=a={folder}/a", "--max_connections=3", "--request_timeout=60"]
    with serving(STAND_IN, folder / "connections_log", *flags) as server:
        waiting = [server.connect() for _ in range(3)]
        time.sleep(0.3)  # until they are accepted
        with server.connect() as connection:
            answer = read_until_closed(connection)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in answer
        assert "too many connections" in error_of(answer)
        for connection in waiting:
            connection.close()
        time.sleep(0.3)
        assert server.ask("/healthz").status == 200


def test_sigterm_finishes_what_was_accepted(folder):
    """One is computed, one waits, one is half sent, one connection is idle."""
    flags = [f"--model=a={folder}/terminated", "--batch_characters=1"]
    with serving(STAND_IN, folder / "sigterm_log", *flags) as server:
        computing, waiting, half, idle = (server.connect() for _ in range(4))
        computing.sendall(head("sleep 1 x"))
        server.wait_for(lambda: "sleep 1 x" in computed(folder, "terminated"))
        waiting.sendall(head("sleep 0.1 x"))
        server.wait_for(lambda: server.metric("albert_queue_length") == 1)
        request = head("sent in two parts")
        half.sendall(request[:-5])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        half.sendall(request[-5:])
        for connection in (computing, waiting, half):
            assert read_until_closed(connection).startswith(b"HTTP/1.1 200 ")
        assert read_until_closed(idle) == b""
        assert server.process.wait(20) == 0
        assert "every accepted request was answered" in server.log()


def test_sigterm_waits_no_longer_than_it_is_told(folder):
    """Not for what is computed, nor for whoever does not read; once for both."""
    flags = [f"--model=a={folder}/late", "--shutdown_timeout=4"]
    with serving(STAND_IN, folder / "late_log", *flags) as server:
        with server.connect() as connection, server.connect() as deaf:
            deaf.sendall(head("x" * 20_000, texts=8))  # some 10 MB of entities
            server.wait_for(lambda: "POST /v1/predict 200" in server.log())
            connection.sendall(head("sleep 30"))
            server.wait_for(lambda: "sleep 30" in computed(folder, "late"))
            start = time.monotonic()
            assert server.stop() == 143
            assert 3.5 < time.monotonic() - start < 7.5
            assert "2 requests were not finished in time" in server.log()


def test_ctrl_c_ends_it_as_it_ends_every_script(folder):
    with serving(STAND_IN, folder / "int_log", f"--model=a={folder}/int") as server:
        assert server.predict(text="x").status == 200
        assert server.stop(signal.SIGINT) == -signal.SIGINT


def test_only_loopback_is_listened_at(service):
    """Another address of this machine, as other machines would use, is refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; tells our address
        except OSError:
            pytest.skip("no network address but loopback")
        address = probe.getsockname()[0]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((address, service.port), timeout=5)
