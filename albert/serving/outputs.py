"""Results of prediction as text: JSON lines, CoNLL, an HTML page."""

from __future__ import annotations

import abc
import json
import re
from collections import Counter
from typing import Any, Mapping, NamedTuple, Sequence

from albert.serving import html_page
from albert.serving.inputs import Item
from albert.serving.prediction_config import CONLL, HTML, JSONL
from albert.tasks.ner.output import add_column
from albert.tasks.ner.text import TextSentence

_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: no character


class Result(NamedTuple):
    """An item of the input with the entities that a model finds in it.

    What any task's results have: see `albert.serving.task_predictor.TaskResult`.

    Attributes:
        sentences: its columns.
        tags: of each sentence.
        entities: see `NerPredictor.predict`.
    """

    item: Item
    sentences: Sequence[TextSentence]
    tags: Sequence[Sequence[str]]
    entities: Sequence[Mapping[str, Any]]

    @property
    def fields(self) -> dict[str, Any]:
        """What JSON lines hold beside the item's own."""
        return {"entities": list(self.entities)}

    @property
    def counted(self) -> list[str]:
        """What totals count."""
        return [entity["type"] for entity in self.entities]


class Totals(NamedTuple):
    """How much was predicted; `counts` are by type of entity, or by label."""

    texts: int
    counts: Mapping[str, int]

    def add(self, results: Sequence[Any]) -> Totals:
        """Return the totals with these results, of any task, in them."""
        found = Counter(name for result in results for name in result.counted)
        texts = self.texts + sum(not _is_rest(result) for result in results)
        return Totals(texts, Counter(self.counts) + found)


def _is_rest(result: Any) -> bool:
    """Whether a result is only what stands after the last sentence of a CoNLL file."""
    block = result.item.block
    return block is not None and block.sentence is None


class Writer(abc.ABC):
    """Writes results one after the other."""

    def begin(self) -> str:
        """Return what stands before all results."""
        return ""

    @abc.abstractmethod
    def write(self, result: Any) -> str:
        """Return a result as text."""

    def end(self, totals: Totals) -> str:
        """Return what stands after all results."""
        del totals
        return ""


class JsonLines(Writer):
    """A JSON object a text: its fields, and what the model says; for any task."""

    def write(self, result: Any) -> str:
        """See `Writer`."""
        if _is_rest(result):
            return ""
        fields = result.item.fields
        if fields is None:
            fields = {"text": result.item.text}
            if result.item.second is not None:
                fields[result.item.second_name] = result.item.second
        value = {**fields, **result.fields}
        line = json.dumps(value, ensure_ascii=False)
        if not _is_unicode(line):  # half a surrogate pair, which only JSON can escape
            line = json.dumps(value)
        return line + "\n"


class Conll(Writer):
    """A column and its tag a line; of CoNLL input its own lines with a field more."""

    def write(self, result: Result) -> str:
        """See `Writer`."""
        block = result.item.block
        if block is None:
            lines = [
                line
                for sentence, tags in zip(result.sentences, result.tags)
                for line in (*map(" ".join, zip(sentence.columns, tags)), "")
            ]
        else:
            tags = result.tags[0] if result.tags else ()
            lines = [*block.before, *map(add_column, block.lines, tags)]
        text = "".join(f"{line}\n" for line in lines)
        return text if _is_unicode(text) else _HALF.sub("\ufffd", text)


class HtmlPage(Writer):
    """A page in which entities are highlighted."""

    def __init__(self, types: Sequence[str], title: str):
        """Keep the types of the model, each of which gets a colour, and the title."""
        self._types = types
        self._title = title

    def begin(self) -> str:
        """See `Writer`."""
        return html_page.write_head(self._title, self._types)

    def write(self, result: Result) -> str:
        """See `Writer`."""
        if _is_rest(result):
            return ""
        item = result.item
        return html_page.write_text(item.text, result.entities, self._types)

    def end(self, totals: Totals) -> str:
        """See `Writer`."""
        return html_page.write_foot(totals.texts, totals.counts)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def make_writer(output_format: str, types: Sequence[str], title: str) -> Writer:
    """Return the writer of a format, one of `prediction_config.OUTPUT_FORMATS`.

    Args:
        types: those of the model's entities.
        title: of an HTML page.
    """
    makers = {
        JSONL: JsonLines,
        CONLL: Conll,
        HTML: lambda: HtmlPage(types, title),
    }
    return makers[output_format]()
