"""A trained model that predicts, whatever its task: the folder says which.

predictor = Predictor("ner_model")
predictor.predict(["本文使用支持向量机进行图像分类。"])
"""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.checkpoints.best import choose_checkpoint
from albert.evaluation.evaluator import read_step
from albert.serving.class_predictor import ClassPredictor
from albert.serving.dictionary import NO_TERMS, read_terms
from albert.serving.model_session import ModelSession
from albert.serving.mrc_predictor import MrcPredictor
from albert.serving.ner_predictor import NerPredictor
from albert.serving.prediction_config import FLOAT32
from albert.serving.task_predictor import TaskPredictor
from albert.serving.texts import Input
from albert.tasks.classification.task import ClassificationTask
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.model_folder import LABELS_FILE, describe_folder, open_trained
from albert.tasks.mrc.task import MrcTask
from albert.tasks.ner.task import NerTask
from albert.text.vocabulary import identify
from albert.training.config import ReplicaConfig
from albert.training.replicas import set_up_devices


class ServedTask(NamedTuple):
    """A row of the table: a task, and what predicts with its models."""

    task_class: type[FineTuningTask]
    make_predictor: Callable[..., TaskPredictor]


TASKS: Mapping[str, ServedTask] = {
    row.task_class.name: row
    for row in (
        ServedTask(NerTask, NerPredictor),
        ServedTask(ClassificationTask, ClassPredictor),
        ServedTask(MrcTask, MrcPredictor),
    )
}


def find_task(model_dir: str, flag: str = "model_dir") -> ServedTask:
    """Return the row of the task that a model's folder names.

    Raises:
        UserError: the folder holds no model, or one of a task that is not served.
    """
    path = os.path.join(model_dir, LABELS_FILE)
    if not os.path.exists(path):
        raise UserError(
            f"--{flag}: {model_dir} holds no trained model: "
            f"{describe_folder(model_dir)}"
        )
    value = files.read_json(path)
    name = value.get("task", NerTask.name) if isinstance(value, dict) else None
    if name not in TASKS:
        raise UserError(f"--{flag}: {path} names the unknown task {name!r}")
    return TASKS[name]


class Predictor:
    """A model of any task; one graph and session, which threads may share."""

    def __init__(
        self,
        model_dir: str,
        batch_size: int = 64,
        dictionary: Optional[str] = None,
        replicas: ReplicaConfig = ReplicaConfig(),  # noqa: B008, it is frozen
        flag: str = "model_dir",
        precision: str = FLOAT32,
    ):
        """Open a model.

        Args:
            model_dir: the folder of a fine-tuning run, its `best` or an export.
            batch_size: windows that the model computes at once.
            dictionary: a file of the user's terms, see `albert.serving.dictionary`.
            replicas: the devices, of which the first is used.
            flag: names `model_dir` in messages.
            precision: the type of matrix products, "float32" or "bfloat16".

        Raises:
            UserError: the folder holds no model, or what lies in it does not fit.
        """
        row = find_task(model_dir, flag)
        set_up_devices(replicas)
        self.task = open_trained(row.task_class, model_dir, flag)
        self.model_dir = model_dir
        checkpoint = choose_checkpoint(model_dir, flag)
        terms = NO_TERMS if dictionary is None else read_terms(dictionary)
        self._session = ModelSession(self.task, checkpoint, replicas, precision)
        # Now: a training that goes on may remove the files later.
        self._checkpoint = {
            "checkpoint": os.path.basename(checkpoint),
            "global_step": read_step(checkpoint),
            "weights": storage.identify_values(checkpoint),
        }
        # What predicts for this task alone, with its own methods.
        self.of_task = row.make_predictor(self.task, self._session, batch_size, terms)

    @property
    def second(self) -> Optional[str]:
        """What the model calls the second text of an input; None: it takes none."""
        return self.of_task.second

    def predict(
        self, texts: Sequence[Input], min_score: float = 0.0
    ) -> list[dict[str, Any]]:
        """Return what the model says of each text, ready for JSON.

        Args:
            texts: strings; for models that take two texts pairs of strings, as
                `[("怎么改密码", "密码在哪里修改")]`, or passage and question.
            min_score: entities of a lower probability are left out.

        Returns:
            See `predict` of the task's own predictor, as `NerPredictor.predict`.
        """
        return self.of_task.predict(texts, min_score)

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the tags of sentences in columns; see `NerPredictor.tag`.

        Raises:
            UserError: the model finds no entities.
        """
        if not self.of_task.finds_entities:
            raise UserError(f"a model of the task {self.task.name} gives no tags")
        return self.of_task.tag(sentences)

    def warm_up(self) -> None:
        """Predict once: the first run of a graph takes longer than those after it."""
        text = "热身。"
        self.predict([text if self.second is None else (text, text)])

    def describe(self) -> dict[str, Any]:
        """Return what the model is, ready for JSON."""
        vocabulary = identify(self.task.tokenizer.vocabulary)
        return {
            "task": self.task.name,
            **self.task.describe_labels(),
            "second_text": self.second,
            "max_seq_length": self.task.settings.max_seq_length,
            "do_lower_case": self.task.settings.do_lower_case,
            "encoder": self.task.encoder.to_dict(),
            "vocabulary": {"size": vocabulary.size, "sha256": vocabulary.sha256},
            **self._checkpoint,
        }

    def close(self) -> None:
        """Free the session."""
        self._session.close()
