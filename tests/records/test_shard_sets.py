"""Record files that are not all the shards of one run."""

from __future__ import annotations

import logging
import os

import pytest

from albert.base.errors import UserError
from albert.records.shard_sets import check_shard_sets, parse_shard_name


def test_a_name_says_output_index_and_count():
    assert parse_shard_name("o/a-00002-of-00004.b") == ("o/a.b", 2, 4)
    assert parse_shard_name("o/a-123456-of-200000") == ("o/a", 123456, 200000)
    assert parse_shard_name("o/a.b") == ("o/a.b", 0, 1)
    assert parse_shard_name("o-00000-of-00002.d/a.b").base == "o-00000-of-00002.d/a.b"
    assert parse_shard_name("a-00000-of-00002-x.b").count == 1


def make_metadata(index, count, sha256="s", **parameters):
    return {
        "format": "f",
        "version": "1",
        "input": {"bytes": 9, "sha256": sha256},
        "parameters": {"output_file": ["anything"], "random_seed": 1, **parameters},
        "shard": {"index": index, "count": count},
    }


@pytest.fixture
def make_set(tmp_path):
    """Files of a run and their metadata: make_set(count, base="a", **of each)."""

    def make(count, base="a", **values):
        made = {}
        for index in range(count):
            shard = f"-{index:05d}-of-{count:05d}" if count > 1 else ""
            path = tmp_path / f"{base}{shard}.b"
            path.write_bytes(b"")
            made[str(path)] = make_metadata(index, count, **values)
        return made

    return make


def test_whole_sets_pass_side_by_side(make_set):
    check_shard_sets(
        {**make_set(3), **make_set(2, "b", sha256="t"), **make_set(1, "c")}
    )


def test_files_without_metadata_and_renamed_ones_pass(make_set, tmp_path):
    without = dict.fromkeys(make_set(2))
    renamed = {str(tmp_path / "part1.b"): make_metadata(0, 2)}
    foreign = {str(tmp_path / "other.b"): {"shard": None}}
    check_shard_sets({**without, **renamed, **foreign, str(tmp_path / "c.b"): {}})


@pytest.mark.parametrize("older", [1, 2])
def test_shards_of_an_older_run_with_another_number_are_named(make_set, older):
    new, old = make_set(3), make_set(older)
    for path in old:
        os.utime(path, (1, 1))
    message = f"the number of shards is .*; remove {next(iter(old))}, the older one"
    with pytest.raises(UserError, match=message):
        check_shard_sets({**new, **old})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"random_seed": 2}, "--random_seed is 2 in one, 1 in the other"),
        ({"sha256": "t"}, "the input's sha256 is 't' in one, 's' in the other"),
    ],
)
def test_a_shard_left_by_an_older_run_with_as_many_is_named(make_set, values, message):
    """As when a run over the files of another one is killed."""
    files = make_set(3)
    changed = list(files)[1]
    files[changed] = make_metadata(1, 3, **values)
    with pytest.raises(UserError, match=f"{changed} and .*00000-of.*: {message}"):
        check_shard_sets(files)


def test_paths_and_the_size_of_shards_may_differ(make_set):
    files = make_set(2)
    second = list(files)[1]
    files[second] = make_metadata(1, 2, output_file=["elsewhere"])
    check_shard_sets(files)


def test_missing_shards_are_named(make_set, caplog):
    files = make_set(6)
    for path in list(files)[1:5]:
        os.unlink(path)
        del files[path]
    message = (
        "4 of the 6 shards of .*a.b are missing: .*a-00001-of-00006.b, "
        ".*a-00003-of-00006.b and 1 more"
    )
    with pytest.raises(UserError, match=message):
        check_shard_sets(files)
    with caplog.at_level(logging.WARNING):
        check_shard_sets(files, allow_missing=True)
    assert "4 of the 6 shards" in caplog.text


def test_shards_that_are_there_may_be_left_out(make_set, caplog):
    files = make_set(3)
    first, *_ = files
    with caplog.at_level(logging.WARNING):
        check_shard_sets({first: files[first]})
    assert "2 of the 3 shards of" in caplog.text


def test_a_shard_whose_metadata_are_gone_is_not_missing(make_set):
    files = make_set(2)
    files[list(files)[1]] = None
    check_shard_sets(files)


def test_shards_that_are_reached_through_links_are_there(make_set, tmp_path, caplog):
    (tmp_path / "links").mkdir()
    linked = {}
    for path, metadata in make_set(2).items():
        link = tmp_path / "links" / os.path.basename(path)
        link.symlink_to(path)
        linked[str(link)] = metadata
    with caplog.at_level(logging.WARNING):
        check_shard_sets(linked)
    assert caplog.text == ""


def test_a_shard_that_was_copied_for_a_trial_can_be_renamed(make_set, tmp_path):
    first, metadata = next(iter(make_set(2).items()))
    (tmp_path / "trial").mkdir()
    copy = tmp_path / "trial" / os.path.basename(first)
    copy.write_bytes(b"")
    with pytest.raises(UserError, match="to use a shard by itself, rename the file"):
        check_shard_sets({str(copy): metadata})
    check_shard_sets({str(copy.rename(tmp_path / "trial/some.b")): metadata})
