"""Models by their address, from a stand-in server; each process as a user's."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from albert.base.errors import UserError
from albert.checkpoints import hub
from tests.hub_server import serve

pytest.importorskip("huggingface_hub", reason="needs the extra convert")

CODE = """
import sys
from albert.checkpoints import hub
for address in sys.argv[1:]:
    try:
        print(hub.download(address, "from"))
    except ValueError as error:
        print(error)
"""


def _download(tmp_path, endpoint, *addresses):
    """Return what each address gives, a folder or a message."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *addresses],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _repository(folder, kind, weights="model.safetensors"):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    (folder / "vocab.txt").write_text("[PAD]\n")
    (folder / weights).write_bytes(b"0" * 1000)
    (folder / "tf_model.h5").write_bytes(b"0" * 1000)
    return folder


@pytest.fixture
def revisions(tmp_path):
    return {
        "main": _repository(tmp_path / "a", "bert"),
        "v2": _repository(tmp_path / "b", "albert", "pytorch_model.bin"),
    }


@pytest.mark.slow
def test_a_model_is_fetched_once_and_then_found_without_the_server(tmp_path, revisions):
    addresses = ["hf://someone/tiny", "hf://someone/tiny@v2"]
    with serve(revisions) as (endpoint, requests):
        folders = [pathlib.Path(x) for x in _download(tmp_path, endpoint, *addresses)]
        assert any(path.endswith("model.safetensors") for path in requests)
        assert not any(path.endswith("tf_model.h5") for path in requests)
        kinds = [json.loads((f / "config.json").read_text()) for f in folders]
        assert [kind["model_type"] for kind in kinds] == ["bert", "albert"]
        assert (folders[0] / "model.safetensors").exists()
        assert (folders[1] / "pytorch_model.bin").exists()
        del requests[:]
        again = _download(tmp_path, endpoint, *addresses)
        assert not any(p.endswith((".safetensors", ".bin")) for p in requests)
    assert again == list(map(str, folders))
    assert _download(tmp_path, endpoint, addresses[0]) == [str(folders[0])]


@pytest.mark.slow
def test_what_cannot_be_had_is_one_line(tmp_path, revisions):
    with serve(revisions) as (endpoint, _):
        found = _download(
            tmp_path, endpoint, "hf://someone/huge", "hf://someone/tiny@v3"
        )
    assert len(found) == 2
    assert "--from: hf://someone/huge cannot be had: " in found[0]
    assert "--from: hf://someone/tiny@v3 cannot be had: " in found[1]
    (found,) = _download(tmp_path, endpoint, "hf://someone/tiny")
    assert "--from: hf://someone/tiny cannot be had: " in found


@pytest.mark.parametrize("address", ["hf://tiny", "hf://a/b/c", "hf://a/b@", "hf://"])
def test_what_is_no_address_is_named(address):
    with pytest.raises(UserError, match=f"--from: {address} is no address"):
        hub.download(address, "from")
