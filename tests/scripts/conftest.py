"""What runs the scripts in processes."""

from __future__ import annotations

import pytest

from tests import pretraining_kit as kit


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """See `kit.Runner`."""
    return kit.Runner(tmp_path_factory.mktemp("runner"))
