"""Settings: what a field declares, and that every rule holds for every caller."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Optional

import numpy as np
import pytest

from albert.base.settings import (
    ANY_PATH,
    REQUIRED,
    Settings,
    above,
    at_least,
    in_range,
    list_settings,
    setting,
)


@dataclasses.dataclass(frozen=True)
class Run(Settings):
    output_dir: str = setting(REQUIRED, "Where to.", path=ANY_PATH, flag="to")
    steps: int = setting(10, "How many.", check=at_least(1))
    rate: Optional[float] = setting(None, "How fast.", check=above(0))
    share: float = setting(0.5, "How much.", check=in_range(0, 1, high_open=True))
    kind: str = setting("a", "Which.", choices=("a", "b"))
    names: tuple[str, ...] = setting((), "Who.", choices=("x", "y"))
    counts: tuple[int, ...] = setting((), "Each.", check=at_least(1))
    fast: bool = setting(False, "Whether.")
    helper: Optional[dict] = None

    def validate(self):
        if self.steps == 7:
            raise ValueError("validate was called")


def test_a_setting_is_listed_as_its_field_declares_it():
    found = {s.name: s for s in list_settings(Run)}
    assert list(found) == [
        *("output_dir", "steps", "rate", "share", "kind", "names", "counts", "fast")
    ]
    assert found["output_dir"].flag == "to"
    assert found["output_dir"].path == ANY_PATH
    assert found["output_dir"].default is REQUIRED
    steps, rate, names = found["steps"], found["rate"], found["names"]
    assert (steps.flag, steps.type, steps.help) == ("steps", int, "How many.")
    assert (rate.type, rate.optional, rate.sequence) == (float, True, False)
    assert (names.type, names.optional, names.sequence) == (str, False, True)
    assert found["kind"].choices == ("a", "b")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"output_dir": ""}, "^--to must be given$"),
        ({"steps": 0}, "^steps must be at least 1, got 0$"),
        ({"steps": 2**63}, "^steps must be .* at most 9223372036854775807, got 9"),
        ({"steps": 7}, "^validate was called$"),
        ({"rate": 0.0}, "^rate must be above 0, got 0.0$"),
        ({"rate": float("inf")}, "^rate must be finite and above 0, got inf$"),
        ({"rate": float("nan")}, "^rate must be finite and above 0, got nan$"),
        ({"share": 1.0}, "^share must be at least 0 and below 1, got 1.0$"),
        ({"kind": "c"}, "^kind must be one of a, b; got 'c'$"),
        ({"names": ("x", "z")}, "^names must be one of x, y; got 'z'$"),
        ({"counts": (2, 0)}, "^counts must be at least 1, got 0$"),
        ({"output_dir": 3}, "^to must be text, got 3$"),
        ({"steps": "3"}, "^steps must be a whole number, got '3'$"),
        ({"steps": 3.0}, "^steps must be a whole number, got 3.0$"),
        ({"steps": None}, "^steps must be a whole number, got None$"),
        ({"steps": True}, "^steps must be a whole number, got True$"),
        ({"rate": "much"}, "^rate must be a number, got 'much'$"),
        ({"rate": False}, "^rate must be a number, got False$"),
        ({"fast": "false"}, "^fast must be true or false, got 'false'$"),
        ({"fast": 0}, "^fast must be true or false, got 0$"),
        ({"names": "x"}, "^names must be a list, got 'x'$"),
        ({"counts": (1, "2")}, "^counts must be a whole number, got '2'$"),
    ],
)
def test_wrong_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Run(**{"output_dir": "m", **values})


def test_values_within_the_rules_are_kept():
    values = ("m", 1, 0.1, 0.0, "b", ("y",), (1,), True, {})
    assert dataclasses.astuple(Run(*values)) == values


def test_a_whole_number_is_a_number_and_numpys_are_numbers():
    run = Run("m", steps=np.int64(3), rate=2, share=np.float32(0.5))
    assert (run.steps, run.rate, run.share) == (3, 2, 0.5)


def test_a_path_may_be_an_object():
    assert Run(pathlib.Path("m")).output_dir == pathlib.Path("m")
