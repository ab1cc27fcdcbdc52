"""What may be wrong with NER data, found before a model is trained on them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Iterator, Mapping, NamedTuple, Optional, Sequence

from albert.tasks.ner.conll import ConllFile
from albert.tasks.ner.entities import read_default
from albert.tasks.ner.tag_schemes import OUTSIDE, Scheme, is_legal


class Finding(NamedTuple):
    """One thing that may be wrong.

    Attributes:
        kind: what it is, a heading over all of its kind.
        text: the thing, with split and line.
    """

    kind: str
    text: str


class SplitCounts(NamedTuple):
    """What a file holds: sentences, columns, entities by type, longest sentence."""

    sentences: int
    columns: int
    entities: Mapping[str, int]
    longest: int


class Place(NamedTuple):
    """A sentence of a split, by the number of its first line."""

    split: str
    line: int

    def __str__(self) -> str:
        return f"{self.split} line {self.line}"


Splits = Mapping[str, ConllFile]

SHARED = "sentences that several splits share"
REPEATED = "sentences that a split holds more than once"
RELABELLED = "sentences that are labelled in several ways"
CONTRADICTORY = "surfaces with several types"
RARE = "types that are rare, or not in the training data"
ILLEGAL = "illegal transitions"
TOO_LONG = "sentences longer than max_seq_length"


def count_split(conll: ConllFile) -> SplitCounts:
    """Count what a file holds, its tags read as the conlleval script does."""
    lengths = [len(sentence.columns) for sentence in conll.sentences]
    types = Counter(
        span.type
        for sentence in conll.sentences
        for span in read_default(sentence.tags)
    )
    return SplitCounts(
        len(lengths), sum(lengths), dict(types.most_common()), max(lengths)
    )


def _group_sentences(splits: Splits) -> dict[str, list[tuple[Place, tuple[str, ...]]]]:
    """Return text -> where it stands, with its tags; columns are joined by a space."""
    found = defaultdict(list)
    for split, conll in splits.items():
        for sentence in conll.sentences:
            place = Place(split, sentence.line)
            found["\0".join(sentence.columns)].append((place, sentence.tags))
    return found


def find_repeated(splits: Splits) -> Iterator[Finding]:
    """Yield sentences that stand in several splits, or in one of them repeatedly.

    A model that has seen a test sentence in training is not tested by it. One finding
    a sentence; which labels differ is said as well.
    """
    for text, places in _group_sentences(splits).items():
        if len(places) == 1:
            continue
        shown = text.replace("\0", "")
        where = ", ".join(str(place) for place, _ in places)
        several = len({place.split for place, _ in places}) > 1
        yield Finding(SHARED if several else REPEATED, f"{where}: {_shorten(shown)}")
        if len({tags for _, tags in places}) > 1:
            yield Finding(RELABELLED, f"{where}: {_shorten(shown)}")


def _shorten(text: str, longest: int = 40) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)})"


def find_contradictory(splits: Splits) -> Iterator[Finding]:
    """Yield surfaces that are entities of several types, the most frequent first."""
    types: dict[str, Counter] = defaultdict(Counter)
    for conll in splits.values():
        for sentence in conll.sentences:
            for kind, start, end in read_default(sentence.tags):
                types["".join(sentence.columns[start:end])][kind] += 1
    several = {text: counts for text, counts in types.items() if len(counts) > 1}
    for text in sorted(several, key=lambda t: (-sum(several[t].values()), t)):
        listed = ", ".join(f"{kind} {n}" for kind, n in several[text].most_common())
        yield Finding(CONTRADICTORY, f"{_shorten(text)}: {listed}")


def find_rare(counts: Mapping[str, SplitCounts], least: int) -> Iterator[Finding]:
    """Yield types with fewer than `least` entities in the training data.

    Args:
        counts: split -> its counts; without "train" nothing is rare.
    """
    if "train" not in counts:
        return
    seen = counts["train"].entities
    for kind in sorted({kind for part in counts.values() for kind in part.entities}):
        if seen.get(kind, 0) < least:
            listed = ", ".join(
                f"{split} {part.entities.get(kind, 0)}"
                for split, part in counts.items()
            )
            yield Finding(RARE, f"{kind}: {listed}")


def find_illegal(splits: Splits, scheme: Scheme) -> Iterator[Finding]:
    """Yield each pair of tags of which the second may not follow the first."""
    for split, conll in splits.items():
        for sentence in conll.sentences:
            padded = [OUTSIDE, *sentence.tags, OUTSIDE]
            for index, (before, after) in enumerate(zip(padded, padded[1:])):
                if not is_legal(scheme, before, after):
                    first, last = index == 0, index == len(sentence.tags)
                    shown = (
                        "the sentence's start" if first else before,
                        "the sentence's end" if last else after,
                    )
                    place = Place(split, sentence.line + min(index, len(padded) - 3))
                    yield Finding(ILLEGAL, f"{place}: {shown[0]} → {shown[1]}")


def find_long(splits: Splits, max_seq_length: int) -> Iterator[Finding]:
    """Yield sentences that do not fit, with [CLS] and [SEP], into `max_seq_length`.

    A column is one token, whatever it holds; such sentences are seen through windows.
    """
    for split, conll in splits.items():
        for sentence in conll.sentences:
            tokens = len(sentence.columns) + 2
            if tokens > max_seq_length:
                place = Place(split, sentence.line)
                yield Finding(TOO_LONG, f"{place}: {tokens} tokens")


def check_splits(
    splits: Splits,
    scheme: Scheme,
    max_seq_length: Optional[int] = None,
    least_entities: int = 10,
) -> list[Finding]:
    """Return all that may be wrong with files of one data set.

    Args:
        splits: "train", "val", "test" -> file, those that there are.
        scheme: of their tags.
        max_seq_length: tokens that a model sees at once; None for no limit.
        least_entities: a type with fewer in the training data is rare.
    """
    counts = {split: count_split(conll) for split, conll in splits.items()}
    findings = [
        *find_illegal(splits, scheme),
        *find_repeated(splits),
        *find_contradictory(splits),
        *find_rare(counts, least_entities),
    ]
    if max_seq_length is not None:
        findings += find_long(splits, max_seq_length)
    return findings


def format_findings(findings: Sequence[Finding], examples: int) -> str:
    """Return findings by kind, with their number and the first few of each."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        by_kind[finding.kind].append(finding.text)
    lines = []
    for kind, texts in by_kind.items():
        lines.append(f"{kind}: {len(texts)}")
        lines += [f"    {text}" for text in texts[:examples]]
        if len(texts) > examples:
            lines.append(f"    … and {len(texts) - examples} more")
    return "\n".join(lines) or "nothing found"


def format_counts(counts: Mapping[str, SplitCounts]) -> str:
    """Return a line a split: sentences, characters, entities of each type."""
    return "\n".join(
        f"{split}: {part.sentences} sentences (the longest of {part.longest}), "
        f"{part.columns} characters, {sum(part.entities.values())} entities ("
        + ", ".join(f"{kind} {n}" for kind, n in part.entities.items())
        + ")"
        for split, part in counts.items()
    )
