"""Finding input files, reading their lines, and outputs that appear whole."""

from __future__ import annotations

import os
import stat

import pytest

from albert.base import files
from albert.base.errors import UserError
from albert.base.settings import ANY_PATH


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        ("\ufeff首行\n\ufeff次行\n".encode(), ["首行", "\ufeff次行"]),
        ("a\u2028b\x0cc\x85d\n".encode(), ["a\u2028b\x0cc\x85d"]),
        (b" a \n", [" a "]),
    ],
)
def test_lines_end_at_line_feeds_alone(tmp_path, content, lines):
    path = tmp_path / "text"
    path.write_bytes(content)
    assert list(files.read_lines(str(path))) == lines


def test_a_line_that_is_not_utf8_is_named_after_the_lines_before_it(tmp_path):
    path = tmp_path / "gbk.txt"
    path.write_bytes(b"ok\n" + "中文\n".encode("gbk"))
    lines = files.read_lines(str(path))
    assert next(lines) == "ok"
    with pytest.raises(UserError, match="gbk.txt: line 2 is not UTF-8"):
        next(lines)


def test_globs_are_sorted_and_each_file_comes_once(tmp_path):
    for name in ("b.txt", "a.txt", "c[1].txt"):
        (tmp_path / name).touch()
    text = f"{tmp_path}/b.txt, {tmp_path}/?.txt"
    names = [os.path.basename(p) for p in files.expand_globs(text, "f")]
    assert names == ["b.txt", "a.txt"]
    literal = str(tmp_path / "c[1].txt")
    assert files.expand_globs([literal], "f") == [literal]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "--f: no file given"),
        (" , ", "--f: no file given"),
        ("{}/none", "--f: no such file: .*none"),
        ("{}/*.none", r"--f: no file matches .*\*\.none"),
        ("{}", "--f: .* is a folder"),
    ],
)
def test_patterns_without_files_are_refused(tmp_path, pattern, message):
    with pytest.raises(UserError, match=message):
        files.expand_globs(pattern.format(tmp_path), "f")


def test_the_home_folder_is_expanded_and_that_of_nobody_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").touch()
    assert files.expand_globs("~/x", "f") == [str(tmp_path / "x")]
    assert files.resolve_path("~/new", ANY_PATH, "f") == str(tmp_path / "new")
    message = "--f: ~nosuchuser/x: ~nosuchuser is no user's home folder"
    with pytest.raises(UserError, match=message):
        files.resolve_path("~nosuchuser/x", ANY_PATH, "f")
    with pytest.raises(UserError, match=message):
        files.expand_globs("~nosuchuser/x", "f")
    (tmp_path / "~name").touch()
    for name in ("~name", "./~name"):
        assert files.resolve_path(name, ANY_PATH, "f") == name


def test_output_must_be_a_file_in_an_existing_folder(tmp_path):
    files.check_output_file(str(tmp_path / "new"), "f")
    with pytest.raises(UserError, match="--f: the folder .*none does not exist"):
        files.check_output_file(str(tmp_path / "none" / "new"), "f")
    with pytest.raises(UserError, match="--f: .* is a folder, not a file name"):
        files.check_output_file(str(tmp_path), "f")


def test_a_file_that_is_spelled_twice_comes_once_by_its_first_name(tmp_path):
    (tmp_path / "a.txt").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.txt").symlink_to("a.txt")
    first = f"{tmp_path}/./a.txt"
    others = (
        f"{tmp_path}/a.txt",
        f"{tmp_path}/folder/../*.txt",
        f"{tmp_path}/link.txt",
    )
    assert files.expand_globs([first, *others], "f") == [first]


def test_only_regular_files_are_replaced(tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    for path in (pipe, "/dev/null"):
        with pytest.raises(UserError, match=f"--f: {path} is a device, a pipe"):
            files.check_output_file(path, "f")
    for path in (pipe, str(tmp_path)):  # not /dev/null: a defect would replace it
        with pytest.raises(UserError, match=f"{path} is no regular file"):
            files.write_text(path, "text")
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("old")
    for name, target in (("link", "data/file"), ("new", "data/new")):
        (tmp_path / name).symlink_to(target)
        files.check_output_file(str(tmp_path / name), "f")
        files.write_text(str(tmp_path / name), "text")
        assert os.readlink(tmp_path / name) == target
        assert (tmp_path / target).read_text() == "text"
    (tmp_path / "nowhere").symlink_to("gone/file")
    with pytest.raises(UserError, match="--f: the folder .*gone does not exist"):
        files.check_output_file(str(tmp_path / "nowhere"), "f")
    assert sorted(os.listdir(tmp_path / "data")) == ["file", "new"]


def write_half(path):
    with files.atomic_path(path) as temporary:
        with open(temporary, "w") as file:
            file.write("half")
        raise KeyboardInterrupt


def test_an_interrupted_output_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(str(path))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_text_and_json_are_utf8_with_unix_line_ends(tmp_path):
    files.write_text(str(tmp_path / "t"), "灸\n")
    assert (tmp_path / "t").read_bytes() == "灸\n".encode()
    files.write_json(str(tmp_path / "j"), {"词": [1]})
    assert "词" in (tmp_path / "j").read_text(encoding="utf-8")
    assert files.read_json(str(tmp_path / "j")) == {"词": [1]}


@pytest.mark.parametrize("content", [b"{", b'"\xff"', b""])
def test_a_file_that_is_not_json_is_named(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="x.json is not JSON"):
        files.read_json(str(path))


def test_json_with_too_long_a_number_is_one_line():
    assert files.parse_json("1" * 4300, "x") == int("1" * 4300)
    with pytest.raises(UserError, match="x: line 1 holds a number that is too long"):
        files.parse_json("1" * 4301, "x: line 1")


def test_json_that_is_nested_too_deeply_is_one_line(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(UserError, match="deep.json is JSON nested too deeply"):
        files.read_json(str(path))
