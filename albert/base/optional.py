"""Packages that only some users need: extras of setup.py."""

from __future__ import annotations

import contextlib
from typing import Iterator

from albert.base.errors import UserError


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Turn a failing import into one line that says what to install.

    Example:
        with extra("vocab"):
            import tokenizers

    Args:
        name: of the extra in setup.py that the package belongs to.

    Raises:
        UserError: an import inside failed.
    """
    try:
        yield
    except ImportError as error:
        raise UserError(f"{error}: pip install -e '.[{name}]'") from error
