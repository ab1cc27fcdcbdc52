"""Evaluation on held-out data while training runs: log, curves, best, early stopping.

What was measured is kept in `<output_dir>/eval/history.json`, so that a resumed run
knows which checkpoint is the best and how long there was no gain.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, Optional, Sequence

import tensorflow as tf
from absl import logging

from albert.base import files
from albert.checkpoints import guard, storage
from albert.checkpoints.best import BestCheckpoint, rank
from albert.checkpoints.training_id import EVAL_FOLDER
from albert.evaluation.config import HeldOutConfig
from albert.evaluation.evaluator import CheckpointEvaluator, EvaluationStopped
from albert.training.stopping import StopRequest
from albert.training.task import Metric

v1 = tf.compat.v1

HISTORY_FILE = "history.json"

History = Sequence[Mapping[str, Any]]


def cut_history(history: History, step: int) -> list[Mapping[str, Any]]:
    """Return the evaluations up to a step: those after it will be made again."""
    return [entry for entry in history if entry[storage.GLOBAL_STEP] <= step]


def evaluations_without_gain(history: History, metric: Metric) -> int:
    """Return how many evaluations came after the best one; 0 without any.

    See `checkpoints.best.rank`; of equal ones the first is the best.
    """
    ranks = [
        rank(entry[metric.name], entry["loss"], metric.higher_is_better)
        for entry in history
    ]
    return len(ranks) - 1 - ranks.index(min(ranks)) if ranks else 0


def read_history(output_dir: str) -> list[Mapping[str, Any]]:
    """Return the evaluations of the model in a folder up to its newest checkpoint."""
    path = os.path.join(output_dir, EVAL_FOLDER, HISTORY_FILE)
    done = storage.latest_step(output_dir)
    if done is None or not os.path.exists(path):
        return []
    return cut_history(files.read_json(path), done)


def stop_without_gain(
    history: History,
    metric: Metric,
    patience: Optional[int],
    best: Optional[str],
    stop: StopRequest,
) -> None:
    """Ask to stop where the evaluations had no gain for `patience` times, if given.

    Args:
        metric: which evaluation is the best.
        best: the checkpoint with the best value, for the message.
    """
    waited = evaluations_without_gain(history, metric)
    if patience is not None and waited >= patience:
        moved = "risen" if metric.higher_is_better else "fallen"
        stop.ask(
            f"early stopping: {metric.name} on held-out data has not {moved} for "
            f"{waited} evaluations (early_stopping_patience {patience}); the best "
            f"checkpoint is {best}"
        )


class HeldOutEvaluation:
    """Evaluates a run's checkpoints; to be called after each (see `training.train`)."""

    def __init__(
        self,
        make_evaluator: Callable[[], CheckpointEvaluator],
        config: HeldOutConfig,
        output_dir: str,
        num_train_steps: int,
        stop: StopRequest,
        metric: Metric,
        companions: Sequence[str] = guard.COMPANIONS,
        logged: Sequence[str] = (),
    ):
        """Take up what earlier runs in `output_dir` measured.

        Asks `stop` at once where they already had no gain for too long.

        Args:
            make_evaluator: called once, after training has set up its devices.
            config: how often, what to keep, when to stop.
            output_dir: the model directory.
            num_train_steps: the last step, evaluated too.
            stop: is asked to end training; ends an evaluation that is under way.
            metric: which checkpoint is the best; see `Task.best_metric`.
            companions: what is kept beside the best checkpoint.
            logged: the metrics shown in the log; empty for all.
        """
        self._make_evaluator = make_evaluator
        self._evaluator: Optional[CheckpointEvaluator] = None
        self._config = config
        self._output_dir = output_dir
        self._folder = os.path.join(output_dir, EVAL_FOLDER)
        self._num_train_steps = num_train_steps
        self._stop = stop
        self._metric = metric
        self._logged = tuple(logged)
        self._best = BestCheckpoint(
            output_dir,
            metric.name,
            metric.higher_is_better,
            companions=companions,
            keep=config.keep_best_checkpoints,
        )
        self._history_file = os.path.join(self._folder, HISTORY_FILE)
        self._history: list[Mapping[str, Any]] = read_history(output_dir)
        self._stop_without_gain()

    def is_due(self, step: int) -> bool:
        """Whether the checkpoint of a step is to be evaluated, and was not yet."""
        last = step == self._num_train_steps
        if step % self._config.eval_every_steps and not last:
            return False
        known = (entry[storage.GLOBAL_STEP] for entry in self._history)
        return step > 0 and step not in known

    def after_checkpoint(self, checkpoint: str, step: int) -> None:
        """Evaluate a checkpoint if its turn has come and it was not evaluated yet."""
        if not self.is_due(step):
            return
        if self._evaluator is None:
            self._evaluator = self._make_evaluator()
        try:
            results = self._evaluator.evaluate(checkpoint, self._stop)
        except EvaluationStopped:
            logging.info("The evaluation of step %d is left to the next run", step)
            return
        self._report(results, step)
        self._best.offer(checkpoint, step, results)
        self._history.append({**results, storage.GLOBAL_STEP: step})
        files.write_json(self._history_file, self._history)
        self._stop_without_gain()

    def make_up(self) -> None:
        """Evaluate the newest checkpoint if an earlier run was stopped before it did.

        To be called when training has nothing left to do.
        """
        newest = tf.train.latest_checkpoint(self._output_dir)
        step = storage.latest_step(self._output_dir)
        if newest is not None and not self._stop.asked:
            self.after_checkpoint(newest, step)

    def _report(self, results: Mapping[str, float], step: int) -> None:
        """Log the results and write them to the event file."""
        values = {k: v for k, v in results.items() if k != storage.GLOBAL_STEP}
        shown = self._logged or sorted(values)
        words = ", ".join(f"{name} {values[name]:.4f}" for name in shown)
        logging.info("Step %d on held-out data: %s", step, words)
        summary = v1.Summary(
            value=[v1.Summary.Value(tag=n, simple_value=v) for n, v in values.items()]
        )
        with tf.Graph().as_default():  # a FileWriter refuses to work eagerly
            writer = v1.summary.FileWriterCache.get(self._folder)
        writer.add_summary(summary, step)
        writer.flush()

    def _stop_without_gain(self) -> None:
        patience = self._config.early_stopping_patience
        best = self._best.path
        stop_without_gain(self._history, self._metric, patience, best, self._stop)
