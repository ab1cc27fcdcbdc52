"""What a run that starts, goes on or only evaluates asks of `init_checkpoint`."""

from __future__ import annotations

import dataclasses
import os
from typing import Optional

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.checkpoints import hub, initial, storage

ADDRESS = "hf://someone/tiny"


@dataclasses.dataclass(frozen=True)
class Config:
    output_dir: str
    init_checkpoint: Optional[str] = None


def write_checkpoint(folder):
    folder.mkdir()
    storage.write_variables(str(folder / "model.ckpt-3"), {"x": np.zeros(1)})
    storage.write_state(str(folder), "model.ckpt-3")
    return str(folder / "model.ckpt-3")


@pytest.fixture
def no_network(monkeypatch):
    def fail(address, flag):
        raise UserError(f"--{flag}: {address} cannot be had")

    monkeypatch.setattr(hub, "download", fail)


def test_a_run_that_starts_resolves_its_checkpoint(tmp_path, no_network):
    prefix = write_checkpoint(tmp_path / "start")
    config = Config(str(tmp_path / "new"), str(tmp_path / "start"))
    assert initial.resolve_init(config, trains=True).init_checkpoint == prefix
    with pytest.raises(UserError, match="cannot be had"):
        initial.resolve_init(Config(str(tmp_path / "new"), ADDRESS), trains=True)


def test_a_run_that_goes_on_or_does_not_train_needs_no_network(tmp_path, no_network):
    write_checkpoint(tmp_path / "model")
    resumed = Config(str(tmp_path / "model"), ADDRESS)
    assert initial.resolve_init(resumed, trains=True).init_checkpoint is None
    evaluated = Config(str(tmp_path / "new"), ADDRESS)
    assert initial.resolve_init(evaluated, trains=False).init_checkpoint is None


def test_of_two_that_convert_at_once_the_first_one_stays(tmp_path, monkeypatch):
    """Another process writes the same folder while this one still converts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(initial.convert, "read_huggingface", lambda _: Model)
    names = []

    class Model:
        notes = ()

    def write(model, folder):
        del model
        names.append(os.path.basename(folder))
        if len(names) == 1:  # the other one starts now and is done first
            initial._convert(str(tmp_path))
        for ending in (".index", ".data-00000-of-00001"):
            path = os.path.join(folder, f"albert_model.ckpt{ending}")
            with open(path, "w") as file:
                file.write(f"conversion {len(names)} of {folder}")
        return []

    monkeypatch.setattr(initial.convert, "write_tensorflow", write)
    monkeypatch.setattr(
        initial.socket, "gethostname", iter(("first", "second")).__next__
    )
    prefix = initial._convert(str(tmp_path))
    with open(f"{prefix}.index") as file:
        assert ".second-" in file.read()
    (left,) = (tmp_path / "cache/albert/converted").iterdir()
    assert os.path.dirname(prefix) == str(left)
    assert ".first-" in names[0]
