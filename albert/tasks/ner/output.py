"""What comes out of NER: scores of a labelled file, predictions beside its lines."""

from __future__ import annotations

import json
import re
from typing import Any, Iterator, NamedTuple, Sequence

from albert.base import files
from albert.tasks.ner import entities
from albert.tasks.ner.conll import ConllFile, Sentence
from albert.tasks.ner.entities import EntityScores
from albert.tasks.ner.tag_schemes import Scheme, count_illegal

Tags = Sequence[str]

# The white space before a line's last field, which separates the field added to it.
_LAST_SEPARATOR = re.compile(r"\S(\s+)\S+$")


class NerReport(NamedTuple):
    """How predicted tags compare with those of a file.

    Attributes:
        strict, default: see `albert.tasks.ner.entities`.
        illegal_gold, illegal_predicted: illegal transitions, sentence edges included.
        loss: mean negative log-likelihood of a character's label.
    """

    strict: EntityScores
    default: EntityScores
    illegal_gold: int
    illegal_predicted: int
    loss: float

    def metrics(self) -> dict[str, float]:
        """Return the report by name; `eval_f` and its like are the strict scores."""
        results: dict[str, float] = {}
        for suffix, scores in (("", self.strict), ("_default", self.default)):
            results[f"eval_f{suffix}"] = scores.total.f1
            results[f"eval_precision{suffix}"] = scores.total.precision
            results[f"eval_recall{suffix}"] = scores.total.recall
        results["illegal_transitions_gold"] = self.illegal_gold
        results["illegal_transitions_predicted"] = self.illegal_predicted
        results["loss"] = self.loss
        return results

    def table(self) -> str:
        """Return scores of each type, strict and default, and the illegal counts."""
        table = entities.format_table({"strict": self.strict, "default": self.default})
        return (
            f"{table}\nillegal transitions: {self.illegal_gold} in gold, "
            f"{self.illegal_predicted} in predictions"
        )


def make_report(
    gold: Sequence[Tags], predicted: Sequence[Tags], loss: float, scheme: Scheme
) -> NerReport:
    """Compare sentences of tags, gold and predicted."""
    return NerReport(
        entities.score_strict(gold, predicted, scheme),
        entities.score_default(gold, predicted),
        sum(count_illegal(tags, scheme) for tags in gold),
        sum(count_illegal(tags, scheme) for tags in predicted),
        loss,
    )


def add_column(line: str, tag: str) -> str:
    """Return a line with one more field, set apart as its last one is."""
    line = line.rstrip(" \t\f\v")
    separator = _LAST_SEPARATOR.search(line)
    return f"{line}{separator.group(1) if separator else ' '}{tag}"


def label_lines(conll: ConllFile, predicted: Sequence[Tags]) -> list[str]:
    """Return the lines of a file, each with its predicted tag as a last column.

    Lines between sentences stay as they are; separators are the file's own.
    """
    lines = list(conll.lines)
    for sentence, tags in zip(conll.sentences, predicted):
        for index, tag in enumerate(tags, start=sentence.line - 1):
            lines[index] = add_column(lines[index], tag)
    return lines


def describe_entities(sentence: Sentence, tags: Tags, scheme: Scheme) -> dict[str, Any]:
    """Return the text of a sentence and its entities, strictly read.

    Offsets count characters of the text, which is the sentence's columns joined: for
    an entity, `text[start:end]` is its surface. Example: `{"text": "用支持向量机",
    "entities": [{"type": "Method", "start": 1, "end": 6, "surface": "支持向量机"}]}`.
    """
    text = "".join(sentence.columns)
    offsets = [0]
    for column in sentence.columns:
        offsets.append(offsets[-1] + len(column))
    found = []
    for kind, first, last in entities.read_strict(tags, scheme):
        start, end = offsets[first], offsets[last]
        found.append(
            {"type": kind, "start": start, "end": end, "surface": text[start:end]}
        )
    return {"text": text, "entities": found}


def _json_lines(
    conll: ConllFile, predicted: Sequence[Tags], scheme: Scheme
) -> Iterator[str]:
    for sentence, tags in zip(conll.sentences, predicted):
        value = describe_entities(sentence, tags, scheme)
        yield json.dumps(value, ensure_ascii=False) + "\n"


def write_predictions(
    stem: str, conll: ConllFile, predicted: Sequence[Tags], scheme: Scheme
) -> tuple[str, str]:
    """Write `<stem>.conll` and `<stem>.jsonl`; return their names.

    Args:
        stem: path without suffix.
        conll: the file that was labelled.
        predicted: tags of each of its sentences.
        scheme: of the tags.
    """
    lines = label_lines(conll, predicted)
    files.write_text(f"{stem}.conll", "".join(f"{line}\n" for line in lines))
    files.write_text(f"{stem}.jsonl", "".join(_json_lines(conll, predicted, scheme)))
    return f"{stem}.conll", f"{stem}.jsonl"
