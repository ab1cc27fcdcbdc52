"""The page of the service: one file, which asks no other host for anything."""

from __future__ import annotations

import base64
import hashlib
import pathlib
import re
from typing import Mapping, NamedTuple

_FILE = pathlib.Path(__file__).with_name("page.html")


class Page(NamedTuple):
    """An HTML file, UTF-8, and the headers to send it with."""

    body: bytes
    headers: Mapping[str, str]


def load_page() -> Page:
    """Return the page; a browser runs and loads nothing but what stands in it."""
    body = _FILE.read_bytes()
    rules = [
        "default-src 'none'",
        f"script-src {_hashes(body, 'script')}",
        f"style-src {_hashes(body, 'style')}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(rules),
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return Page(body, headers)


def _hashes(body: bytes, tag: str) -> str:
    """Return what allows the elements of a tag, by their content."""
    pattern = f"<{tag}>(.*?)</{tag}>".encode()
    found = re.findall(pattern, body, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(part).digest()) for part in found)
    return " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
