"""Missing extras are one line, and each has its packages in setup.py."""

from __future__ import annotations

import re
import sys

import pytest

from albert.base.errors import UserError
from albert.base.optional import extra


def test_a_missing_package_and_what_installs_it_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError, match=r"tokenizers.*: pip install -e '\.\[vocab\]'$"):
        with extra("vocab"):
            import tokenizers  # noqa: F401


def test_other_errors_stay_what_they_are():
    with pytest.raises(ZeroDivisionError), extra("vocab"):
        1 // 0  # noqa: B018


def test_every_extra_that_is_named_is_in_setup(repo):
    known = set(
        re.findall(r'^        "(\w+)": \[', (repo / "setup.py").read_text(), re.M)
    )
    assert "vocab" in known
    files = [*repo.glob("albert/**/*.py"), *repo.glob("tools/*.py"), *repo.glob("*.py")]
    named = {
        name
        for path in files
        for name in re.findall(r'with .*\bextra\("(\w+)"\)', path.read_text("utf-8"))
    }
    assert {"vocab", "rjieba", "plot", "beam"} <= named <= known
