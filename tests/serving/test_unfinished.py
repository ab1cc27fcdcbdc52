"""Results that appear whole or not at all, and are gone on with."""

from __future__ import annotations

import contextlib
import json
import os

import pytest

from albert.base.errors import UserError
from albert.serving.unfinished import InputHash, open_unfinished

SETTINGS = {"min_score": 0.0, "model": {"step": 3}}


def stop_after(path, kept, lost, settings=SETTINGS, resume=False):
    """Write, keep, write more, and fail."""
    with contextlib.suppress(KeyboardInterrupt):
        with open_unfinished(str(path), settings, resume) as target:
            target.write(kept)
            target.keep(2, "hash", {"texts": 2})
            target.write(lost)
            raise KeyboardInterrupt


def test_results_appear_when_finished(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    with open_unfinished(str(path), SETTINGS, resume=False) as target:
        target.write("用\n")
        target.keep(1, "hash", {})
        assert path.read_text() == "old"
        assert (tmp_path / "out.partial").read_text("utf-8") == "用\n"
        target.finish()
    assert path.read_text("utf-8") == "用\n"
    assert os.listdir(tmp_path) == ["out"]


def test_a_stopped_run_is_gone_on_with_after_what_it_kept(tmp_path):
    path = tmp_path / "out"
    stop_after(path, "用\n", "半")
    assert not path.exists()
    with open_unfinished(str(path), SETTINGS, resume=True) as target:
        assert target.progress.items == 2
        assert target.progress.input_sha256 == "hash"
        assert target.progress.totals == {"texts": 2}
        target.write("图\n")
        target.finish()
    assert path.read_text("utf-8") == "用\n图\n"
    assert os.listdir(tmp_path) == ["out"]


def test_without_resume_all_begins_anew(tmp_path):
    path = tmp_path / "out"
    stop_after(path, "用\n", "半")
    with open_unfinished(str(path), {"other": 1}, resume=False) as target:
        assert target.progress is None
        target.write("图\n")
        target.finish()
    assert path.read_text("utf-8") == "图\n"


def test_a_run_that_kept_nothing_leaves_nothing(tmp_path):
    with contextlib.suppress(UserError):
        with open_unfinished(str(tmp_path / "out"), SETTINGS, False) as target:
            target.write("half")
            raise UserError("wrong input")
    assert os.listdir(tmp_path) == []


def test_results_of_other_settings_are_not_gone_on_with(tmp_path):
    stop_after(tmp_path / "out", "用\n", "")
    now = {**SETTINGS, "min_score": 0.5}
    with pytest.raises(UserError, match=r"made with min_score 0.0, now it is 0.5"):
        with open_unfinished(str(tmp_path / "out"), now, resume=True):
            pass
    assert (tmp_path / "out.partial").exists()


def test_results_that_were_cut_short_are_made_again(tmp_path):
    stop_after(tmp_path / "out", "用\n", "")
    (tmp_path / "out.partial").write_bytes(b"")
    with open_unfinished(str(tmp_path / "out"), SETTINGS, resume=True) as target:
        assert target.progress is None


@pytest.mark.parametrize("content", ["[]", '{"progress": {}}', '{"progress": 3}'])
def test_a_state_that_is_none_is_one_line(tmp_path, content):
    stop_after(tmp_path / "out", "用\n", "")
    (tmp_path / "out.partial.json").write_text(content)
    with pytest.raises(UserError, match="does not hold the state of a run"):
        with open_unfinished(str(tmp_path / "out"), SETTINGS, resume=True):
            pass


def test_two_runs_never_write_to_one_file(tmp_path):
    path = str(tmp_path / "out")
    with open_unfinished(path, SETTINGS, resume=False):
        with pytest.raises(UserError, match="in use by"):
            with open_unfinished(path, SETTINGS, resume=False):
                pass


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "there" / "real")
    with open_unfinished(str(tmp_path / "out"), SETTINGS, resume=False) as target:
        target.write("a")
        target.finish()
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "there" / "real").read_text() == "a"


def test_the_state_is_json_for_people(tmp_path):
    stop_after(tmp_path / "out", "用\n", "")
    state = json.loads((tmp_path / "out.partial.json").read_text("utf-8"))
    assert state["settings"] == SETTINGS
    assert state["progress"]["size"] == 4  # bytes of "用\n"


def test_the_hash_tells_lines_apart():
    values = []
    for lines in (["ab"], ["a", "b"], ["a", "b\ud800"], []):
        running = InputHash()
        running.add(lines)
        values.append(running.value())
    assert len(set(values)) == 4
