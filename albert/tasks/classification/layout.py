"""Where the texts and the label stand in the rows of a file (no TensorFlow)."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional, Union

from albert.tasks.classification.config import ClassificationConfig

TEXT_A, TEXT_B, LABEL, LANGUAGE = "text_a", "text_b", "label", "language"
Key = Union[int, str]  # of a cell: number from 0, or field of a JSON object


class Layout(NamedTuple):
    """How the rows of files are laid out; roles are TEXT_A and its like.

    Attributes:
        names: role -> names of its column, in a header line or in JSON objects; the
            first one that is there counts.
        places: role -> number of its column from 0, in rows without a header line;
            none where such files cannot be read.
        header: whether line 1 is a header; None: where it has the names above.
        pair: whether rows are pairs; None where the columns of a file say so.
        labels: those there are; None for any.
        same_labels: label -> the label that means the same.
        language: rows of other languages are left out, where there is such a column.
    """

    names: Mapping[str, tuple[str, ...]]
    places: Mapping[str, int] = {}
    header: Optional[bool] = None
    pair: Optional[bool] = None
    labels: Optional[tuple[str, ...]] = None
    same_labels: Mapping[str, str] = {}
    language: Optional[str] = None


_SINGLE = {
    TEXT_A: ("text_a", "text", "sentence", "content", "review"),
    LABEL: ("label", "gold_label", "labels", "class"),
}
_PAIRS = {
    TEXT_A: ("text_a", "sentence1", "premise", "query1", "question1", "text"),
    TEXT_B: ("text_b", "sentence2", "hypo", "hypothesis", "query2", "question2"),
    LABEL: _SINGLE[LABEL],
}
_BINARY = ("0", "1")
_MATCHING = Layout(_PAIRS, {TEXT_A: 0, TEXT_B: 1, LABEL: 2}, pair=True, labels=_BINARY)

# By --task_name. Columns of xnli, chnsenticorp, lcqmc and bqcorpus are those of
# ymcui/Chinese-ELECTRA; XNLI's own dev and test files have their label and texts in
# other columns, which their header line names, and hold fifteen languages. CSL comes as
# CLUE has it (JSON: are these the abstract's keywords?) and as tables of prompt,
# abstract and discipline.
PRESETS: Mapping[str, Layout] = {
    "chnsenticorp": Layout(_SINGLE, {LABEL: 0, TEXT_A: 1}, pair=False, labels=_BINARY),
    "lcqmc": _MATCHING,
    "bqcorpus": _MATCHING,
    "afqmc": _MATCHING,
    "xnli": Layout(
        {**_PAIRS, LANGUAGE: ("language",)},
        {TEXT_A: 0, TEXT_B: 1, LABEL: 2},
        pair=True,
        labels=("contradictory", "entailment", "neutral"),
        same_labels={"contradiction": "contradictory"},
        language="zh",
    ),
    "csl": Layout(
        {TEXT_A: ("keyword",), TEXT_B: ("abst",), LABEL: _SINGLE[LABEL]},
        {TEXT_A: 1, LABEL: 2},
    ),
}
_BY_NAME = Layout(
    {
        TEXT_A: (*_SINGLE[TEXT_A], *_PAIRS[TEXT_A][1:-1]),
        TEXT_B: _PAIRS[TEXT_B],
        LABEL: _SINGLE[LABEL],
    }
)


def choose_layout(settings: ClassificationConfig) -> Layout:
    """Return the layout that a model's settings name."""
    if settings.task_name is not None:
        return PRESETS[settings.task_name]
    if settings.text_column is None:
        return _BY_NAME
    columns = {
        TEXT_A: settings.text_column,
        TEXT_B: settings.pair_column,
        LABEL: settings.label_column,
    }
    given = {role: name for role, name in columns.items() if name is not None}
    pair = TEXT_B in given
    names = {role: (name,) for role, name in given.items()}
    if not settings.text_column.isdigit():
        return Layout(names, header=True, pair=pair)
    places = {role: int(name) - 1 for role, name in given.items()}
    return Layout(names, places, header=settings.header, pair=pair)
