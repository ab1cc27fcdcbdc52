"""Services as processes of their own on loopback, and what asks them."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from email.message import Message
from typing import NamedTuple

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = [sys.executable, "serve.py"]
STAND_IN = [sys.executable, "-m", "tests.serving.service_run"]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer(NamedTuple):
    """What a service said."""

    status: int
    headers: Message  # names in any case
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    """A service that runs."""

    def __init__(self, command, log, *flags):
        """Start it, and wait until it serves."""
        self.log_file = log
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                [*command, "--port=0", *flags],
                cwd=REPO,
                env={**os.environ, "PYTHONPATH": str(REPO)},
                stdout=errors,
                stderr=errors,
            )
        deadline = time.monotonic() + 120
        while (found := re.search(r"Serving .* at (http\S+)", self.log())) is None:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        self.url = found.group(1)
        self.port = int(self.url.rpartition(":")[2])

    def log(self):
        return self.log_file.read_text("utf-8")

    def ask(self, path, body=None, headers=None, method=None):
        """Return the answer; `body` is bytes, or what to send as JSON."""
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data=body, headers=headers, method=method
        )
        try:
            with DIRECT.open(request, timeout=60) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def predict(self, **body):
        return self.ask("/v1/predict", body)

    def metric(self, line):
        """Return the number after a name and its labels; 0 if it is not shown yet."""
        text = self.ask("/metrics").body.decode()
        found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def wait_for(self, condition):
        """Wait until a function of no arguments is true."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def stop(self, number=signal.SIGTERM):
        """Send a signal; return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def serving(command, log, *flags):
    """Give a service while the context lasts."""
    server = Server(command, log, *flags)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait(60)


def head(text="", path="/v1/predict", length=None, texts=None, **headers):
    """Return a request for raw sockets, of the text once or `texts` times.

    `length` is what it says of its body.
    """
    value = {"text": text} if texts is None else {"texts": [text] * texts}
    body = json.dumps(value).encode()
    headers = {
        "Host": "x",
        "Content-Type": "application/json",
        "Content-Length": len(body) if length is None else length,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_until_closed(connection):
    """Return all that a connection still gives."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def is_open(connection):
    """Whether the other side has not closed a connection; nothing is read."""
    readable, _, _ = select.select([connection], [], [], 0)
    return not readable or connection.recv(1, socket.MSG_PEEK) != b""
