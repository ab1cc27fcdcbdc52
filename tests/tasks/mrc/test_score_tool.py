"""tools/score_mrc.py, run as a user runs it."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

REPO = pathlib.Path(__file__).resolve().parents[3]
RECORDED = REPO / "tests" / "testdata" / "electra" / "mrc"
pytestmark = pytest.mark.slow


def test_the_tool_prints_the_official_form_and_writes_each_question(tmp_path):
    target = tmp_path / "scores.json"
    command = [
        *(sys.executable, "tools/score_mrc.py", f"--output_file={target}"),
        f"--data_file={RECORDED / 'dev.json'}",
        f"--prediction_file={RECORDED / 'preds.json'}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPO, timeout=60)
    assert done.returncode == 0, done.stderr
    expected = json.loads((RECORDED / "score_total.json").read_text("utf-8"))
    expected["FILE"] = str(RECORDED / "preds.json")
    assert json.loads(done.stdout) == expected
    assert "no answer to DEV_1_QUERY_2" in done.stderr
    rows = json.loads(target.read_text("utf-8"))["questions"]
    assert len(rows) == 9
    assert rows[1]["prediction"] == "张伟说"
    assert (rows[1]["em"], rows[1]["f1"]) == (0, pytest.approx(0.8))
