"""The report of an analysis, and of a comparison, as text for a terminal."""

from __future__ import annotations

from typing import Any, Mapping

from albert.tasks.ner.analysis import matching
from albert.tasks.ner.analysis.compare import Comparison
from albert.tasks.ner.analysis.report import Analysis, describe_error
from albert.tasks.ner.entities import format_counts

_EXPLANATIONS = {
    matching.BOUNDARY: "right type, wrong boundary",
    matching.TYPE: "right boundary, wrong type",
    matching.BOTH: "overlap, but wrong boundary and type",
    matching.MISSED: "in gold alone",
    matching.SPURIOUS: "in the prediction alone",
}


def _format_entity(entity: Mapping[str, Any] | None) -> str:
    return f"{entity['type']} “{entity['surface']}”" if entity else "–"


def format_errors(analysis: Analysis, examples: int) -> list[str]:
    """Return how many errors of each kind there are, and the first few of each."""
    lines = []
    for name, items in analysis.errors.items():
        lines.append(f"{name}: {len(items)} ({_EXPLANATIONS[name]})")
        for item in items[:examples]:
            error = describe_error(item)
            sides = [_format_entity(error[side]) for side in ("gold", "predicted")]
            lines.append(f"    line {error['line']}: {' → '.join(sides)}")
            lines.append(f"        …{error['text']}…")
    return lines


def format_analysis(analysis: Analysis, examples: int) -> str:
    """Return the report, with at most `examples` of each kind of error."""
    blocks = [format_counts("measure", analysis.measures)]
    tables = {
        "strict, by surface": analysis.by_novelty,
        "strict, by characters": analysis.by_length,
        "strict, by sentence": analysis.by_sentence_length,
    }
    blocks += [format_counts(title, table) for title, table in tables.items() if table]
    blocks.append(format_errors(analysis, examples))
    if analysis.confusions:
        blocks.append(
            ["types taken for others:"]
            + [
                f"    {gold} → {predicted}: {count}"
                for (gold, predicted), count in analysis.confusions.items()
            ]
        )
    return "\n\n".join("\n".join(block) for block in blocks)


def format_comparison(names: tuple[str, str], result: Comparison) -> str:
    """Return the strict F1 of two prediction files and how sure their difference is."""
    width = max(map(len, names))
    lines = [
        f"{name:{width}}  strict F1 {100 * f1:6.2f}"
        for name, f1 in zip(names, result.f1)
    ]
    low, high = result.interval
    lines.append(
        f"difference, second minus first: {100 * result.difference:+.2f}, "
        f"{100 * result.confidence:g} % interval {100 * low:+.2f} to {100 * high:+.2f}"
    )
    lines.append(
        f"the second is better in {100 * result.share_better:.1f} %, equal in "
        f"{100 * result.share_equal:.1f} % of {result.samples:,} samples of "
        f"{result.sentences:,} sentences, drawn with replacement"
    )
    return "\n".join(lines)
