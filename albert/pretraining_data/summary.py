"""What data creation did: counts for the metadata, and text for a user."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

from albert.pretraining_data.documents import TextCounts
from albert.pretraining_data.instances import Instance, InstanceTokens, join_segments
from albert.text.vocabulary import CONTINUATION, MASK, Vocabulary

if TYPE_CHECKING:
    from albert.pretraining_data.execution.runner import Report
    from albert.pretraining_data.record_maker import RecordMaker

_MOST_FREQUENT = 20
_LONGEST_SHOWN = 60  # characters of a word in lists


@dataclasses.dataclass
class InstanceCounts:
    """What was written; `add` counts one more instance.

    Attributes:
        instances, tokens, masked, swapped: of all instances; tokens without padding.
        fallbacks: id of a token -> how often its label was bare for want of a ## form.
        spans: number of words -> masked spans of so many, with n-gram masking.
    """

    instances: int = 0
    tokens: int = 0
    masked: int = 0
    swapped: int = 0
    fallbacks: Counter = dataclasses.field(default_factory=Counter)
    spans: Counter = dataclasses.field(default_factory=Counter)

    def add(self, instance: Instance, tokens: InstanceTokens) -> None:
        """Count one instance."""
        self.instances += 1
        self.tokens += len(tokens.ids)
        self.masked += len(instance.positions)
        self.swapped += instance.pair.swapped
        for words, count in enumerate(instance.spans, start=1):
            self.spans[words] += count
        if tokens.fell_back.any():
            hidden = tokens.originals[instance.positions][tokens.fell_back]
            self.fallbacks.update(hidden.tolist())


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _list_most_frequent(counter: Counter) -> list[list]:
    """Return the most frequent items as [text, count]; ties in alphabetical order."""
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    return [
        [text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...", count]
        for text, count in ranked[:_MOST_FREQUENT]
    ]


def _describe_spans(spans: Mapping[Any, int]) -> dict[str, dict[str, float]]:
    """Return the number and share of masked spans of each length in words."""
    total = sum(spans.values())
    return {
        str(words): {"count": count, "share": _share(count, total)}
        for words, count in sorted(spans.items())
    }


def count_text(text: TextCounts) -> dict[str, Any]:
    """Return the counts of what was read, for the metadata of any objective."""
    return {
        "documents": text.documents,
        "sentences": text.sentences,
        "tokens": text.tokens,
        "truncated_sentences": text.truncated_sentences,
        "unknown": {
            "tokens": text.unknown_tokens,
            "share": _share(text.unknown_tokens, text.tokens),
            "most_frequent": _list_most_frequent(text.unknown_words),
        },
    }


def make_counts(
    text: TextCounts, written: InstanceCounts, vocabulary: Vocabulary
) -> dict[str, Any]:
    """Return the counts as the metadata beside the records holds them."""
    fallbacks = Counter(
        {vocabulary.tokens[index]: n for index, n in written.fallbacks.items()}
    )
    fallen = sum(fallbacks.values())
    spans = {"masked_spans": _describe_spans(written.spans)} if written.spans else {}
    return {
        **count_text(text),
        "documents_without_instances": {
            "single_sentence": text.single_sentence_documents,
            "no_tokens": text.empty_documents,
        },
        "instances": written.instances,
        "instance_tokens": written.tokens,
        "masked_positions": written.masked,
        "swapped_instances": written.swapped,
        "swapped_share": _share(written.swapped, written.instances),
        "labels_without_continuation_form": {
            "positions": fallen,
            "share": _share(fallen, written.masked),
            "most_frequent": _list_most_frequent(fallbacks),
        },
        **spans,
    }


def _merge(parts: Sequence[Any]) -> Any:
    """Return the sum of numbers, of lists as `_list_most_frequent` has, or of both."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _merge([part[key] for part in parts]) for key in first}
    if isinstance(first, list):
        total: Counter = Counter()
        for part in parts:
            total.update(dict(map(tuple, part)))
        return _list_most_frequent(total)
    return sum(parts)


def merge_counts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the counts of all shards together; see `RecordMaker.make_counts`.

    What is rare enough to be in no shard's list of the most frequent is in none here.
    """
    if len(parts) == 1:
        return dict(parts[0])
    merged = _merge(parts)
    unknown = merged["unknown"]
    unknown["share"] = _share(unknown["tokens"], merged["tokens"])
    if "swapped_instances" in merged:
        swapped = merged["swapped_instances"]
        merged["swapped_share"] = _share(swapped, merged["instances"])
        fallen = merged["labels_without_continuation_form"]
        fallen["share"] = _share(fallen["positions"], merged["masked_positions"])
    if "masked_spans" in merged:
        spans = {words: span["count"] for words, span in merged["masked_spans"].items()}
        merged["masked_spans"] = _describe_spans(spans)
    return merged


def _list_items(items: Sequence[Sequence]) -> str:
    return ", ".join(f"{text} {count:,}" for text, count in items)


def describe_read(counts: Mapping[str, Any]) -> str:
    """Return in words how much was read."""
    return (
        f"read {counts['documents']:,} documents, {counts['sentences']:,} sentences, "
        f"{counts['tokens']:,} tokens"
    )


def describe_unknown(counts: Mapping[str, Any]) -> str:
    """Return in words how many tokens are [UNK], and from what."""
    unknown = counts["unknown"]
    return (
        f"{unknown['share']:.3%} of the tokens are [UNK]"
        + (", from " if unknown["most_frequent"] else "")
        + _list_items(unknown["most_frequent"])
    )


def describe_truncated(counts: Mapping[str, Any]) -> list[str]:
    """Return a line on sentences that are too long for an instance, if there are."""
    if not counts["truncated_sentences"]:
        return []
    return [
        f"{counts['truncated_sentences']:,} sentences are longer than an instance "
        "and were truncated: split them, or raise --max_seq_length"
    ]


def describe_counts(counts: Mapping[str, Any]) -> list[str]:
    """Return `make_counts`'s counts in words, a line each."""
    instances = counts["instances"]
    barren = counts["documents_without_instances"]
    fallen = counts["labels_without_continuation_form"]
    lines = [
        describe_read(counts),
        f"wrote {instances:,} instances of "
        f"{counts['instance_tokens'] / instances:.1f} tokens on average; "
        f"{counts['masked_positions'] / instances:.1f} of them masked; "
        f"{counts['swapped_share']:.1%} of the pairs swapped",
        f"documents that gave nothing: {barren['single_sentence']:,} of one sentence "
        f"only, {barren['no_tokens']:,} without any token",
        describe_unknown(counts),
    ]
    if "masked_spans" in counts:
        shares = counts["masked_spans"].items()
        listed = ", ".join(f"{span['share']:.1%} of {words}" for words, span in shares)
        lines.append(f"masked spans by their words: {listed}")
    if fallen["positions"]:
        lines.append(
            f"{fallen['positions']:,} labels ({fallen['share']:.3%}) are bare, for the "
            "vocabulary lacks their ## form: " + _list_items(fallen["most_frequent"])
        )
    lines += describe_truncated(counts)
    if 2 * barren["single_sentence"] > counts["documents"]:
        lines.append(
            "most documents have one sentence only: does each line hold one sentence, "
            "and do blank lines stand between documents alone?"
        )
    return lines


def _group_by_joins(joins: Sequence[bool]) -> Iterator[list[int]]:
    group: list[int] = []
    for index, join in enumerate(joins):
        if group and not join:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _join_pieces(tokens: Sequence[str]) -> str:
    text = tokens[0]
    for token in tokens[1:]:
        text += token[len(CONTINUATION) :] if token.startswith(CONTINUATION) else token
    return text


def _show_group(originals: Sequence[str], seen: Sequence[str], masked: bool) -> str:
    text = _join_pieces(originals)
    if not masked:
        return text
    if all(token == MASK for token in seen):
        return f"{{{text}}}"
    return f"{{{text} -> {' '.join(seen)}}}"


def show_instance(
    instance: Instance,
    tokens: InstanceTokens,
    vocabulary: Vocabulary,
    do_whole_word_mask: bool,
) -> str:
    """Return an instance as text in two lines, one a segment; see `MaskedLmMaker`.

    Groups that are masked together have spaces around them.

    Example: "first   一种 {图像} 分割 的 {方法 -> 方 [MASK]}".
    """
    originals = vocabulary.to_tokens(tokens.originals)
    seen = vocabulary.to_tokens(tokens.ids)
    joins = join_segments(instance.document.joins, instance.pair, False, False)
    masked = set(instance.positions)
    lines = []
    for name, start, end in (
        ("first ", 1, tokens.first_length - 1),
        ("second", tokens.first_length, len(originals) - 1),
    ):
        inside = joins[start:end] if do_whole_word_mask else [False] * (end - start)
        shown = [
            _show_group(
                [originals[start + i] for i in group],
                [seen[start + i] for i in group],
                any(start + i in masked for i in group),
            )
            for group in _group_by_joins(inside)
        ]
        lines.append(f"{name}  {' '.join(shown)}")
    if instance.pair.swapped:
        lines[0] += "  (swapped: follows the second in the text)"
    return "\n".join(lines)


def describe_report(report: Report, maker: type[RecordMaker]) -> Iterator[str]:
    """Yield lines that say what a run did."""
    if report.shown:
        yield "\nThe first instances. " + maker.legend
    for text in report.shown:
        yield "\n" + text
    yield ""
    yield from maker.describe_counts(report.counts)
    for path, count in report.output_files.items():
        yield f"{path}: {count:,} instances; metadata in {path}.json"
    if report.replaced:
        yield (
            f"removed {len(report.replaced)} files of an older run, with another "
            f"number of shards or jobs: {', '.join(report.replaced)}"
        )
    if report.kept_shards:
        yield f"{report.kept_shards} shards were finished before and were kept"
    if report.peak_memory is not None:
        memory = report.peak_memory / 1e6
        yield f"at most {memory:,.0f} MB of memory, all processes together"
