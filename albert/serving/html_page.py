"""A page that shows texts with their entities highlighted, on a screen and on paper.

It stands alone: no script, no font, no picture from elsewhere.
"""

from __future__ import annotations

import html
import re
from typing import Any, Mapping, Sequence

# Backgrounds light enough for black text, and a darker line under each, which paper
# shows where a printer leaves backgrounds out. Types beyond them begin again.
COLOURS = (
    ("#cfe3ff", "#1f5fb4"),
    ("#ffd9c2", "#b4531f"),
    ("#d3f0d0", "#2f7d32"),
    ("#f6d3ea", "#a3297a"),
    ("#fff0b3", "#8a6d00"),
    ("#ded6fa", "#5b3fb0"),
    ("#c9f0f0", "#0b7676"),
    ("#ead9c8", "#7a4a1c"),
    ("#e2e6ea", "#4a5560"),
    ("#ffcfd6", "#b3263e"),
)

_STYLE = """
:root { color-scheme: light; }
body {
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24;
  background: #fff; line-height: 2.1;
  font-family: system-ui, "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei",
    sans-serif;
}
h1 { font-size: 1.35rem; line-height: 1.4; margin: 0 0 .6rem; }
.legend { margin: 0 0 1.4rem; padding: .3rem 0 .7rem;
  border-bottom: 1px solid #d0d7de; }
.legend mark { margin-right: .8rem; white-space: nowrap; }
ol { margin: 0; padding-left: 2.6rem; }
li { margin: 0 0 .55rem; padding-left: .3rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
li::marker { color: #6e7781; font-size: .8rem; }
mark {
  color: inherit; padding: .12em .25em; margin: 0 .08em; border-radius: .25em;
  border-bottom: 2px solid; box-decoration-break: clone;
  -webkit-box-decoration-break: clone;
  -webkit-print-color-adjust: exact; print-color-adjust: exact;
}
small { font-size: .68em; color: #3d444d; margin-left: .35em; white-space: nowrap; }
footer { margin-top: 1.4rem; padding-top: .5rem; border-top: 1px solid #d0d7de;
  font-size: .85rem; color: #57606a; line-height: 1.6; }
@page { margin: 18mm 16mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 10.5pt; line-height: 1.9; }
  li { break-inside: avoid; orphans: 3; widows: 3; }
  h1, .legend { break-after: avoid; }
}
"""

_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def _style_types(types: Sequence[str]) -> str:
    rules = []
    for number, _ in enumerate(types):
        back, line = COLOURS[number % len(COLOURS)]
        rules.append(f".t{number} {{ background: {back}; border-color: {line}; }}")
    return "\n".join(rules)


def _escape(text: str) -> str:
    """Return text as HTML, with U+FFFD for what no HTML may hold."""
    allowed = _FORBIDDEN.sub("\ufffd", text)
    # As itself a browser takes it for a line feed, or for none before one.
    return html.escape(allowed).replace("\r", "&#13;")


def write_head(title: str, types: Sequence[str]) -> str:
    """Return the page up to its texts.

    Args:
        title: of the page.
        types: of entities; each is in the legend.
    """
    marks = "\n".join(
        f'<mark class="t{number}">{_escape(kind)}</mark>'
        for number, kind in enumerate(types)
    )
    return f"""<!DOCTYPE html>
<html lang="zh">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_escape(title)}</title>
<style>{_STYLE}{_style_types(types)}
</style>
</head>
<body>
<h1>{_escape(title)}</h1>
<p class="legend">
{marks}
</p>
<ol>
"""


def write_text(
    text: str, entities: Sequence[Mapping[str, Any]], types: Sequence[str]
) -> str:
    """Return a text with its entities marked.

    Args:
        entities: see `NerPredictor.predict`; in order, none overlaps another.
        types: as for `write_head`.
    """
    parts, done = [], 0
    for entity in entities:
        start, end, kind = entity["start"], entity["end"], entity["type"]
        forced = entity.get("source") == "dictionary"
        score = "dictionary" if forced else f"{entity['score']:.2f}"
        parts += [
            _escape(text[done:start]),
            f'<mark class="t{types.index(kind)}" title="{_escape(kind)} {score}">',
            f"{_escape(text[start:end])}<small>{_escape(kind)} {score}</small></mark>",
        ]
        done = end
    parts.append(_escape(text[done:]))
    return f"<li>{''.join(parts)}</li>\n"


def write_foot(texts: int, counts: Mapping[str, int]) -> str:
    """Return the end of the page.

    Args:
        texts: how many there are.
        counts: type -> how many entities.
    """
    listed = ", ".join(f"{_escape(k)} {n:,}" for k, n in sorted(counts.items()))
    found = f"; entities: {listed}" if listed else "; no entities"
    return f"</ol>\n<footer>{texts:,} texts{found}</footer>\n</body>\n</html>\n"
