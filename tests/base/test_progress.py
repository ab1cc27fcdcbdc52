"""Progress: a bar on a terminal, lines now and then elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from albert.base import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.show_progress("reading", 10, "B") as advance:
        advance(4)
    assert "reading" in stream.getvalue()


@pytest.mark.parametrize(("seconds", "lines"), [(1, 0), (9, 0), (29, 1), (30, 3)])
def test_lines_now_and_then_elsewhere(monkeypatch, caplog, capsys, seconds, lines):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    caplog.set_level("INFO", logger="absl")
    with progress.show_progress("creating", 300, "document") as advance:
        for _ in range(3):
            now[0] += seconds
            advance(50)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == lines
    if lines == 3:
        assert messages[1] == "creating: 100 of 300 document (33 %)"
    assert capsys.readouterr().err == ""


def test_a_total_that_nobody_knows(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    caplog.set_level("INFO", logger="absl")
    with progress.show_progress("reading", None, "B") as advance:
        now[0] = 31
        advance(50)
    assert [r.getMessage() for r in caplog.records] == ["reading: 50 B"]
