"""Pretraining on a task's own texts before it is fine-tuned.

Gururangan et al., "Don't Stop Pretraining" (2020), section 4: task-adaptive
pretraining. Only masked tokens are learned: texts of a task are often one sentence.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional

import tensorflow as tf
from absl import logging

from albert.base import cli, files
from albert.base.compare import first_difference
from albert.base.errors import UserError
from albert.base.lock import hold_folder
from albert.checkpoints import guard
from albert.pretraining_data.config import ExecutionConfig, PretrainingDataConfig
from albert.pretraining_data.execution.runner import (
    Interrupted,
    create_pretraining_data,
)
from albert.pretraining_data.sources import split_sentences
from albert.tasks.cross_validation import cross_validate
from albert.tasks.data_files import find_splits
from albert.tasks.finetuning import run_finetuning
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.further_pretraining_config import FurtherPretraining
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.stopping import Stopped

NAME = "further_pretraining"  # after that of the model directory; and of the fact
SUMMARY_FILE = "summary.json"
_SPLITS = {"train": "train", "dev": "val", "test": "test"}
_PASSES = 2  # over the texts, each with other pairs of segments; masks are drawn anew
_WARMUP = 0.1  # share of the steps


Pretrain = Callable[..., Optional[Stopped]]


class Further(NamedTuple):
    """What came of it: the checkpoint to start from, or how a signal ended it.

    Attributes:
        facts: what results say of it.
    """

    checkpoint: Optional[str]
    stopped: Optional[Stopped]
    facts: Mapping[str, str]


def make_documents(texts: Iterable[str]) -> list[list[str]]:
    """Return the sentences of texts in documents of two or more.

    Records are made of pairs of segments, so texts of one sentence are put together
    with those that follow. The last document may have one sentence.

    Example: the texts `甲。乙。`, `丙`, `丁` are the documents `甲。 乙。` and `丙 丁`.
    """
    documents: list[list[str]] = [[]]
    for text in texts:
        if len(documents[-1]) > 1:
            documents.append([])
        documents[-1] += split_sentences(text)
    if len(documents) > 1 and len(documents[-1]) == 1:
        documents[-2:] = [documents[-2] + documents[-1]]
    return documents


def _write_corpus(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    settings: Any,
    names: str,
    path: str,
) -> dict[str, int]:
    """Write the texts of splits as a corpus; return how many each gave."""
    found = find_splits(run.data_dir, task_class.suffixes)
    texts, counts = [], {}
    for name in names.split(","):
        if _SPLITS[name] not in found:
            raise UserError(
                f"--further_pretraining_texts: {run.data_dir} holds no {name} file"
            )
        file = task_class.read_file(found[_SPLITS[name]], False, settings)
        own = task_class.texts_of(file)
        counts[name] = len(own)
        texts += own
    blocks = ["\n".join(lines) + "\n" for lines in make_documents(texts)]
    files.write_text(path, "\n".join(blocks))
    return counts


def _claim(folder: str, wanted: Mapping[str, Any], run: FineTuningRun) -> None:
    """Make a folder and write there what its pretraining is; refuse another's."""
    summary = os.path.join(folder, SUMMARY_FILE)
    if os.path.exists(summary):
        difference = first_difference(files.read_json(summary), wanted)
        if difference is not None:
            name, before, now = difference
            raise UserError(
                f"{folder} holds a pretraining with {name} {before}, this run has "
                f"{now}; give another output_dir"
            )
    guard.check_output_dir(run.output_dir)
    guard.make_output_dir(folder)
    files.write_json(summary, wanted)


def _make_records(
    corpus: str, records: str, vocab_file: str, settings: Any, seed: int
) -> None:
    config = PretrainingDataConfig(
        input_file=(corpus,),
        output_file=(records,),
        vocab_file=vocab_file,
        do_lower_case=settings.do_lower_case,
        max_seq_length=settings.max_seq_length,
        random_seed=seed,
        dupe_factor=_PASSES,
    )
    try:
        create_pretraining_data(config, ExecutionConfig())
    except Interrupted as stop:
        again = f"Stopped by {stop.reason}. To go on: {cli.command_line()}"
        cli.end_stopped(stop.reason, again)


def _pretrain(
    config: FurtherPretraining,
    run: FineTuningRun,
    tuning: FineTuningConfig,
    replicas: ReplicaConfig,
    records: str,
    output_dir: str,
    pretrain: Pretrain,
) -> Optional[Stopped]:
    steps = config.further_pretraining_steps
    training = TrainingConfig(
        output_dir=output_dir,
        learning_rate=config.further_pretraining_learning_rate,
        num_train_steps=steps,
        num_warmup_steps=int(steps * _WARMUP),
        train_batch_size=tuning.train_batch_size,
        save_checkpoints_steps=max(1, steps // 4),
        optimizer="adamw",
        init_checkpoint=run.init_checkpoint,
        random_seed=tuning.random_seed,
        keep_checkpoint_max=1,
        log_every_steps=max(1, steps // 10),
        precision=tuning.precision,
    )
    return pretrain(records, run.config_file, run.vocab_file, training, replicas)


def pretrain_further(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    given: Mapping[str, Any],
    tuning: FineTuningConfig,
    replicas: ReplicaConfig,
    config: FurtherPretraining,
    pretrain: Pretrain,
) -> Further:
    """Go on pretraining on the task's texts, unless that has been done.

    The corpus, its records and the model are in `OUTPUT_DIR_further_pretraining`,
    beside the model directory; a stopped run goes on with the same call.

    Args:
        pretrain: see `albert.tasks.pretraining.further.pretrain_on`.

    Other arguments as those of `run_finetuning`.

    Raises:
        UserError: a file is missing or wrong, or the folder holds another pretraining.
    """
    settings = task_class.settings_class(**given)
    # Beside the model directory: training starts anew there, and none in its own start.
    folder = f"{run.output_dir.rstrip(os.sep)}_{NAME}"
    model = os.path.join(folder, "model")
    wanted = {
        "steps": config.further_pretraining_steps,
        "texts": config.further_pretraining_texts,
        "learning_rate": config.further_pretraining_learning_rate,
        "init_checkpoint": run.init_checkpoint or "random variables",
    }
    facts = {
        NAME: f"{wanted['steps']} steps on the texts of {wanted['texts']}, from "
        f"{wanted['init_checkpoint']}"
    }
    _claim(folder, wanted, run)
    records = os.path.join(folder, "records.tfrecord")
    if not os.path.exists(records):
        with hold_folder(folder):
            corpus = os.path.join(folder, "corpus.txt")
            names = config.further_pretraining_texts
            counts = _write_corpus(task_class, run, settings, names, corpus)
            logging.info("Further pretraining on texts of %s", counts)
            _make_records(corpus, records, run.vocab_file, settings, tuning.random_seed)
    stopped = _pretrain(config, run, tuning, replicas, records, model, pretrain)
    return Further(tf.train.latest_checkpoint(model), stopped, facts)


def fine_tune(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    given: Mapping[str, Any],
    tuning: FineTuningConfig,
    replicas: ReplicaConfig,
    config: FurtherPretraining,
    pretrain: Pretrain,
    num_folds: int = 1,
) -> Optional[Stopped]:
    """Pretrain further and cross-validate as asked, and fine-tune.

    Args:
        pretrain: see `albert.tasks.pretraining.further.pretrain_on`.
        num_folds: parts of the training data, see `cross_validate`; 1 for none.

    Other arguments, result and errors as those of `run_finetuning`.
    """
    facts: Mapping[str, str] = {}
    if config.further_pretraining_steps and run.do_train:
        what = (task_class, run, given, tuning, replicas)
        further = pretrain_further(*what, config, pretrain)
        if further.stopped is not None:
            return further.stopped
        run = dataclasses.replace(run, init_checkpoint=further.checkpoint)
        facts = further.facts
    what = (task_class, run, given, tuning, replicas)
    if num_folds > 1:
        return cross_validate(*what, num_folds, facts)
    return run_finetuning(*what, facts=facts)
