"""Flags made of configs, in scripts of their own processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = '''
"""A script."""
from __future__ import annotations
import dataclasses
from typing import Optional
from albert.base import cli
from albert.base.settings import REQUIRED, Settings, above, at_least, setting
from albert.base import settings as s

@dataclasses.dataclass(frozen=True)
class Run(Settings):
    input_file: tuple[str, ...] = setting(REQUIRED, "Read.", path=s.INPUT_FILES)
    output_dir: str = setting(REQUIRED, "Where to.", path=s.ANY_PATH, flag="to")
    vocab: Optional[str] = setting(None, "Words.", path=s.INPUT_FILE)
    data: Optional[str] = setting(None, "Folder.", path=s.INPUT_FOLDER)
    steps: int = setting(10, "How many.", check=at_least(1))
    limit: Optional[int] = setting(None, "At most.", check=at_least(1))
    rate: float = setting(0.5, "How fast.", check=above(0))
    fast: bool = setting(True, "Whether fast.")
    kind: str = setting("a", "Which.", choices=("a", "b"))
    names: tuple[str, ...] = setting(("p", "q"), "Who.")
    seed: int = setting(1, "Chance.")

cli.define_flags(Run, leave_out=["seed"], defaults={"steps": 20})
cli.define_flags(Run, only=["kind"])  # the same setting twice is one flag

def main(words):
    run = cli.read_flags(Run, words, seed=5)
    print(*dataclasses.astuple(run), sep="|")
    print(cli.given_flags(Run))

if __name__ == "__main__":
    cli.run_main(main)
'''


@pytest.fixture
def script(tmp_path, repo):
    """A function: arguments -> (exit status, stdout, stderr), run in tmp_path."""
    (tmp_path / "script.py").write_text(SCRIPT)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)

    def run(*arguments, home="/nowhere"):
        done = subprocess.run(
            [sys.executable, "script.py", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(repo), "PATH": "", "HOME": str(home)},
            capture_output=True,
            check=False,
        )
        output, errors = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in errors
        return done.returncode, output, errors

    return run


@pytest.mark.slow
def test_defaults_are_those_of_the_config_and_of_the_script(script):
    status, output, _ = script("--input_file=a.txt", "--to=m")
    values, given = output.splitlines()
    assert values == "('a.txt',)|m|None|None|20|None|0.5|True|a|('p', 'q')|5"
    assert given == "{'input_file': ('a.txt',), 'output_dir': 'm'}"
    assert status == 0


@pytest.mark.slow
def test_values_come_from_the_flags(script):
    _, output, errors = script(
        *("--input_file=?.txt", "--to=m", "--vocab=a.txt", "--data=.", "--steps=3"),
        *("--limit=4", "--rate=2", "--nofast", "--kind=b", "--names=x, y,"),
    )
    assert not errors
    assert output.splitlines()[0] == (
        "('a.txt', 'b.txt')|m|a.txt|.|3|4|2.0|False|b|('x', 'y')|5"
    )


@pytest.mark.slow
def test_a_flag_of_several_words_may_be_given_several_times(script):
    _, output, errors = script(
        *("--input_file=a.txt", "--to=m", "--names=x,y", "--names=z")
    )
    assert not errors
    assert output.splitlines()[0].split("|")[-2] == "('x', 'y', 'z')"


@pytest.mark.slow
def test_names_that_a_shell_left_over_are_input_files(script):
    _, output, _ = script("--input_file=a.txt", "b.txt", "--to=m")
    assert output.startswith("('a.txt', 'b.txt')|m|")


@pytest.mark.slow
def test_a_tilde_is_the_home_folder(script, tmp_path):
    arguments = ["--input_file=~/a.txt,~/b*", "--to=~/new", "--vocab=~/a.txt"]
    _, output, errors = script(*arguments, "--data=~", home=tmp_path)
    assert not errors
    h = tmp_path
    assert output.startswith(f"('{h}/a.txt', '{h}/b.txt')|{h}/new|{h}/a.txt|{h}|")


@pytest.mark.slow
def test_help_succeeds_and_shows_the_flags(script):
    status, output, errors = script("--help")
    assert (status, errors) == (0, "")
    assert "A script." in output
    assert "--steps: How many.\n    (default: '20')" in output
    assert "--[no]fast: Whether fast." in output
    assert "--kind: <a|b>: Which." in output
    assert "--seed" not in output


@pytest.mark.slow
def test_a_required_flag_that_is_left_out_is_named(script):
    assert script("--to=m")[2] == "error: --input_file must be given\n"
    assert script("--input_file=a.txt")[2] == "error: --to must be given\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to="], "--to must be given"),
        (["--input_file="], "--input_file must be given"),
        (["--input_file=c.txt"], "--input_file: no such file: c.txt"),
        (["--input_file=c*"], "--input_file: no file matches c*"),
        (["--vocab=no"], "--vocab: no such file: no"),
        (["--vocab=."], "--vocab: . is a folder, not a file"),
        (["--data=no"], "--data: the folder no does not exist"),
        (["--data=a.txt"], "--data: the folder a.txt is a file"),
        (["--steps=0"], "steps must be at least 1, got 0"),
        (["--steps=x"], "flag --steps=x: invalid literal for int()"),
        (["--limit=1.5"], "flag --limit=1.5: invalid literal for int()"),
        (["--rate=inf"], "rate must be finite and above 0, got inf"),
        (["--rate=nan"], "rate must be finite and above 0, got nan"),
        (["--kind=c"], "flag --kind=c: value should be one of <a|b>"),
        (["--step=3"], "Unknown command line flag 'step'. Did you mean: steps ?"),
        (["--step=3", "--bogus"], "Unknown command line flag 'step'."),
        (["--nofast=1"], "--nofast=1 does not take an argument"),
        (["--seed=3"], "Unknown command line flag 'seed'"),
        (["--steps"], "Missing value for flag --steps"),
        (["c.txt"], "unexpected argument 'c.txt': there is no such file for --input"),
        ([b"--to=caf\xe9"], r"--to: 'caf\udce9' is not UTF-8: rename it"),
    ],
)
def test_wrong_flags_are_one_line(script, arguments, message):
    status, output, errors = script("--input_file=a.txt", "--to=m", *arguments)
    assert (status, output) == (1, "")
    assert errors.startswith(f"error: {message}")
    assert errors.count("\n") == 1


@pytest.mark.slow
def test_names_that_are_not_utf8_are_one_line(script, tmp_path):
    (tmp_path / "caf\udce9.txt").write_text("")
    for arguments in (["--input_file=caf*"], ["--input_file=a.txt", b"caf\xe9.txt"]):
        status, _, errors = script(*arguments, "--to=m")
        assert status == 1
        assert errors == (
            "error: --input_file: 'caf\\udce9.txt' is not UTF-8: rename it\n"
        )


@pytest.mark.slow
def test_a_name_found_in_a_folder_that_is_not_utf8_is_one_line(script, tmp_path):
    """As a split of a data folder, which no flag names."""
    (tmp_path / "script.py").write_text(
        "import os\n"
        "from albert.base import cli, files\n"
        "def main(words):\n"
        "    files.write_json('list.json', sorted(os.listdir('.')))\n"
        "cli.run_main(main)\n"
    )
    (tmp_path / "caf\udce9").write_text("")
    status, _, errors = script()
    assert status == 1
    assert errors.startswith("error: ")
    assert errors.endswith("is not UTF-8: rename it\n")
    assert errors.count("\n") == 1
