"""Load on a service of this machine: is every request answered with its own answer?

    python3 benchmarks/service.py MODEL_DIR [--requests 2000] [--connections 32]

Starts serve.py with the model on a free port of 127.0.0.1, sends requests of 1 to 2,000
characters of the bundled corpus over connections that each send the next as soon as
they have an answer, and ends it. Says how many answers were lost, or belonged to
another text, and the milliseconds that requests took. Asks no other machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from typing import Any, NamedTuple, Optional, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
LONGEST = 2000
SECONDS = 540  # after which it gives up


class Reply(NamedTuple):
    """What became of a request; without entities it is lost."""

    milliseconds: float
    entities: Optional[list[dict[str, Any]]]
    is_own: bool


def make_texts(count: int, seed: int = 1) -> list[str]:
    """Return texts of 1 to LONGEST characters; long ones end in their number."""
    rng = random.Random(seed)
    corpus = (ROOT / "examples/corpus.txt").read_text("utf-8").replace("\n", "")
    texts = []
    for number in range(count):
        size, mark = rng.randint(1, LONGEST), f"第{number}篇"
        start = rng.randrange(len(corpus) - LONGEST)
        body = corpus[start : start + size]
        texts.append(body[: -len(mark)] + mark if size > len(mark) else body)
    return texts


def start_service(model_dir: str) -> tuple[subprocess.Popen, int]:
    """Return the service and its port, once it serves."""
    process = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "serve.py"),
            f"--model_dir={model_dir}",
            "--port=0",
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if found := re.search(r"Serving .*:(\d+)$", line):
            # Nobody else reads the log, and a full pipe would stop the service.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, int(found.group(1))
    sys.exit("error: the service did not start: " + line.strip())


def ask(connection: http.client.HTTPConnection, text: str) -> Reply:
    """Send a text and wait for its answer."""
    start = time.perf_counter()
    body = json.dumps({"text": text}).encode()
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/predict", body, headers)
        answer = json.loads(connection.getresponse().read())
        result = answer["results"][0]
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        connection.close()
        return Reply(0.0, None, False)
    milliseconds = (time.perf_counter() - start) * 1000
    entities = result["entities"]
    own = all(text[e["start"] : e["end"]] == e["surface"] for e in entities)
    return Reply(milliseconds, entities, own and result["text"] == text)


def ask_all(port: int, texts: Sequence[str], connections: int) -> list[Reply]:
    """Return the replies to texts, in their order, sent over several connections."""
    replies: list[Optional[Reply]] = [None] * len(texts)
    numbers = iter(range(len(texts)))
    lock = threading.Lock()
    deadline = time.monotonic() + SECONDS

    def work() -> None:
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        while time.monotonic() < deadline:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            replies[number] = ask(connection, texts[number])
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [reply or Reply(0.0, None, False) for reply in replies]


def same_entities(one: Reply, other: Reply) -> bool:
    """Whether two replies name the same entities; last digits of scores may differ."""
    if one.entities is None or other.entities is None:
        return False
    places = [
        [(e["type"], e["start"], e["end"]) for e in reply.entities]
        for reply in (one, other)
    ]
    return places[0] == places[1]


def report(texts: Sequence[str], replies: Sequence[Reply], seconds: float) -> None:
    """Print what was measured."""
    times = [r.milliseconds for r in replies if r.entities is not None]
    characters = sum(map(len, texts))
    print(f"requests            {len(texts)}, {characters} characters")
    print(f"lost                {len(texts) - len(times)}")
    print(f"not their own       {sum(not r.is_own for r in replies)}")
    if len(times) > 1:
        percentiles = statistics.quantiles(times, n=100)
        print(f"median              {percentiles[49]:.0f} ms")
        print(f"99th percentile     {percentiles[98]:.0f} ms")
    print(f"in all              {seconds:.1f} s, {len(texts) / seconds:.0f} requests/s")
    print(f"characters          {characters / seconds:.0f} a second")


def main() -> None:
    """Start the service, load it, end it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=32)
    arguments = parser.parse_args()
    texts = make_texts(arguments.requests)
    process, port = start_service(arguments.model_dir)
    try:
        start = time.perf_counter()
        replies = ask_all(port, texts, arguments.connections)
        seconds = time.perf_counter() - start
        alone = ask_all(port, texts[::40], 1)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    report(texts, replies, seconds)
    others = sum(not same_entities(a, b) for a, b in zip(alone, replies[::40]))
    median = statistics.median(reply.milliseconds for reply in alone)
    print(f"asked again alone   {len(alone)}, median {median:.0f} ms")
    print(f"other entities in   {others}")
    print(f"exit status         {status}")
    if status or any(not reply.is_own for reply in replies) or others:
        sys.exit(1)


if __name__ == "__main__":
    main()
