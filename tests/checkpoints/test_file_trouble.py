"""File operations that failed in TensorFlow."""

from __future__ import annotations

import errno

import pytest

from albert.checkpoints.file_trouble import find_file_trouble


@pytest.mark.parametrize(
    ("message", "path", "reason"),
    [
        ("/m/events.1.vm; No space left on device", "/m/events.1.vm", "No space"),
        (
            "Graph execution error:\n\nNode: 'save/SaveV2'\n"
            "/a b/model.ckpt-40_temp/part-00000-of-00001.data-00000-of-00001"
            ".tempstate737; No space left on device\n\t [[{{node save/SaveV2}}]]",
            "/a b/model.ckpt-40",
            "No space left on device",
        ),
        ("m/ckpt-4.meta.tmp591d22; File too large", "m/ckpt-4.meta", "File too large"),
        ("Parent directory of a/b doesn't exist, can't save.", "a/b", "No such file"),
        ("Failed to make: m/x_temp; Not a directory", "m/x", "Not a directory"),
    ],
)
def test_file_and_reason_are_found_in_a_message(message, path, reason):
    found = find_file_trouble(message)
    assert found.path == path
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    "message",
    ["Incompatible shapes: [2,3] vs. [3,2]", "a; b", "No space left on device"],
)
def test_other_messages_tell_of_no_file(message):
    assert find_file_trouble(message) is None


def test_the_error_is_the_one_that_python_raises():
    error = find_file_trouble("/m/x; No space left on device").as_error()
    assert (error.errno, error.filename) == (errno.ENOSPC, "/m/x")
