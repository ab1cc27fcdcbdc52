"""A stand-in for a hub of Hugging Face's, on loopback: one model in two revisions."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import pathlib
import threading


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers what `huggingface_hub.snapshot_download` asks."""

    folders: dict[str, pathlib.Path] = {}  # revision -> its files
    commits: dict[str, str] = {}  # revision -> its hash
    requests: list[str] = []

    def log_message(self, *arguments) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Answer with the body."""
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        self.requests.append(self.path)
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:4] == ["api", "models", "someone", "tiny"]:
            revision = parts[5] if len(parts) > 5 else "main"
            self._describe(revision, parts[4] if len(parts) > 4 else "", body)
        elif parts[:2] == ["someone", "tiny"] and parts[2] == "resolve":
            self._send_file(parts[3], parts[4], body)
        else:
            self._refuse("RepoNotFound")

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _find(self, revision: str) -> str | None:
        for name, commit in self.commits.items():
            if revision in (name, commit):
                return name
        return None

    def _describe(self, revision: str, what: str, body: bool) -> None:
        name = self._find(revision)
        if name is None:
            self._refuse("RevisionNotFound")
            return
        files = sorted(self.folders[name].iterdir())
        if what == "tree":
            value = [
                {
                    "type": "file",
                    "path": path.name,
                    "size": path.stat().st_size,
                    "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
                }
                for path in files
            ]
        else:
            value = {
                "_id": "1",
                "id": "someone/tiny",
                "sha": self.commits[name],
                "siblings": [{"rfilename": path.name} for path in files],
            }
        self._send(json.dumps(value).encode(), body, "application/json")

    def _send_file(self, revision: str, file: str, body: bool) -> None:
        name = self._find(revision)
        path = self.folders[name] / file if name else None
        if path is None or not path.exists():
            self._refuse("EntryNotFound")
            return
        content = path.read_bytes()
        headers = {
            "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
            "X-Repo-Commit": self.commits[name],
        }
        self._send(content, body, "application/octet-stream", headers)

    def _send(self, content: bytes, body: bool, kind: str, headers=None) -> None:
        self.send_response(200)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


@contextlib.contextmanager
def serve(folders: dict[str, pathlib.Path]):
    """Serve the model someone/tiny; yield the address and the requests so far.

    Args:
        folders: revision ("main", ...) -> the folder of its files.
    """
    commits = {name: hashlib.sha1(name.encode()).hexdigest() for name in folders}
    requests: list[str] = []
    handler = type(
        "Handler",
        (_Handler,),
        {"folders": folders, "commits": commits, "requests": requests},
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
