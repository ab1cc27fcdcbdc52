"""What comes out of classification: scores, the confusion matrix, predictions."""

from __future__ import annotations

import functools
import json
from typing import Any, Iterator, NamedTuple, Sequence

import numpy as np
from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.tasks.classification.files import Row
from albert.tasks.classification.scores import ClassScores, score_labels
from albert.tasks.finetuning_task import Report

_MATRIX = "confusion_matrix"


class ClassificationReport(NamedTuple):
    """Scores with the names of the labels."""

    labels: Sequence[str]
    scores: ClassScores

    def metrics(self) -> dict[str, float]:
        """Return the scores by name; macro ones are means over labels."""
        return {
            "eval_accuracy": self.scores.accuracy,
            "eval_macro_precision": float(self.scores.precision.mean()),
            "eval_macro_recall": float(self.scores.recall.mean()),
            "eval_macro_f1": float(self.scores.f1.mean()),
            "loss": self.scores.loss,
        }

    def table(self) -> str:
        """Return the scores of each label."""
        scores = self.scores
        lines = ["precision\trecall\tf1\texamples\tpredicted\tlabel"]
        predicted = scores.confusion.sum(axis=0)
        for index, label in enumerate(self.labels):
            numbers = (scores.precision[index], scores.recall[index], scores.f1[index])
            shown = "\t".join(f"{number:.4f}" for number in numbers)
            counts = f"{scores.support[index]}\t{predicted[index]}"
            lines.append(f"{shown}\t{counts}\t{label}")
        return "\n".join(lines)

    def matrix(self) -> str:
        """Return the confusion matrix: a row a label, a column a predicted label."""
        lines = ["\t".join(("label \\ predicted", *self.labels))]
        for label, counts in zip(self.labels, self.scores.confusion):
            lines.append("\t".join((label, *map(str, counts))))
        return "\n".join(lines) + "\n"


def _draw_matrix(report: ClassificationReport, path: str) -> None:
    """Draw the confusion matrix; without matplotlib, say so."""
    try:
        from albert.evaluation import plotting
    except UserError as error:
        logging.warning("No picture of the confusion matrix: %s", error)
        return
    figure = plotting.plot_confusion(report.scores.confusion, report.labels)
    plotting.save_figure(figure, path)


def make_report(
    label_ids: np.ndarray, log_probabilities: np.ndarray, labels: Sequence[str]
) -> Report:
    """Return scores, the table by label, and the confusion matrix as text and PNG."""
    report = ClassificationReport(labels, score_labels(label_ids, log_probabilities))
    more = {
        f"{_MATRIX}.txt": functools.partial(files.write_text, text=report.matrix()),
        f"{_MATRIX}.png": functools.partial(_draw_matrix, report),
    }
    return Report(report.metrics(), report.table(), more)


def describe_prediction(
    log_probabilities: np.ndarray, labels: Sequence[str]
) -> dict[str, Any]:
    """Return a label with the probabilities of all, ready for JSON.

    Example: `{"label": "1", "probabilities": {"0": 0.25, "1": 0.75}}`.

    Args:
        log_probabilities: float64, [L].
    """
    probabilities = np.exp(log_probabilities)
    shown = {n: round(float(p), 6) for n, p in zip(labels, probabilities)}
    return {"label": labels[int(log_probabilities.argmax())], "probabilities": shown}


def _json_lines(
    rows: Sequence[Row], log_probabilities: np.ndarray, labels: Sequence[str]
) -> Iterator[str]:
    for row, logs in zip(rows, log_probabilities):
        value: dict[str, Any] = {"line": row.line, "text": row.text_a}
        if row.text_b is not None:
            value = {"line": row.line, "text_a": row.text_a, "text_b": row.text_b}
        value.update(describe_prediction(logs, labels))
        if row.label is not None:
            value["gold"] = row.label
        yield json.dumps(value, ensure_ascii=False) + "\n"


def write_predictions(
    stem: str,
    rows: Sequence[Row],
    log_probabilities: np.ndarray,
    labels: Sequence[str],
) -> tuple[str]:
    """Write `<stem>.jsonl`, a row of the input a line; return its name.

    Each has the line of the input, its text or texts, the predicted label, the
    probabilities of all labels, and "gold", the file's own label, where it has one.
    """
    lines = _json_lines(rows, log_probabilities, labels)
    files.write_text(f"{stem}.jsonl", "".join(lines))
    return (f"{stem}.jsonl",)
