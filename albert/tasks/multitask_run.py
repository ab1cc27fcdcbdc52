"""A run of several tasks over one encoder: training, best checkpoint, a model each."""

from __future__ import annotations

import contextlib
import os
from itertools import filterfalse
from typing import Any, Iterable, Mapping, NamedTuple, Optional

import numpy as np
from absl import logging

from albert.base import files
from albert.base.compare import first_difference
from albert.base.errors import UserError, prefix_errors
from albert.base.lock import hold_folder
from albert.checkpoints import guard, restoring, storage
from albert.checkpoints.best import choose_checkpoint
from albert.checkpoints.initial import resolve_init
from albert.evaluation.config import HeldOutConfig
from albert.evaluation.evaluator import CheckpointEvaluator, read_step
from albert.evaluation.held_out import HeldOutEvaluation
from albert.modeling.config import EncoderConfig
from albert.modeling.encoder import (
    EncoderBuilder,
    load_encoder_config,
    make_encoder_builder,
)
from albert.tasks.data_files import find_splits
from albert.tasks.finetuning import Split, plan_training
from albert.tasks.finetuning_config import FineTuningConfig
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.model_folder import (
    COMPANIONS,
    LABELS_FILE,
    describe_model,
    save_labels,
)
from albert.tasks.multitask import SCORE, Member, MultiSource, MultiTask, ScopedTask
from albert.tasks.multitask_config import Entry, MultiTaskRun, read_entries
from albert.tasks.reports import Evaluated, write_evaluated
from albert.text.tokenization import Tokenizer
from albert.text.vocabulary import Vocabulary, identify, load_vocabulary
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import train
from albert.training.replicas import set_up_devices
from albert.training.start import Start, check_start
from albert.training.stopping import Stopped, StopRequest, run_until_signal


class _Run(NamedTuple):
    """All that a run is made of, once it has been checked."""

    what: MultiTaskRun
    tuning: FineTuningConfig
    replicas: ReplicaConfig
    encoder: EncoderConfig
    vocabulary: Vocabulary
    build_encoder: EncoderBuilder
    members: list[Member]
    splits: list[Mapping[str, Split]]


class _Evaluator:
    """Evaluates a checkpoint on the val file of each task."""

    def __init__(self, run: _Run):
        self._evaluators = [
            (member, _make_evaluator(run, member, splits["val"]))
            for member, splits in zip(run.members, run.splits)
            if "val" in splits
        ]

    def evaluate(self, checkpoint: str, stop: StopRequest) -> dict[str, float]:
        """Return `NAME/METRIC`, the mean of the best metrics, and of the losses."""
        results: dict[str, float] = {}
        scores, losses = [], []
        for member, evaluator in self._evaluators:
            found = evaluator.evaluate(checkpoint, stop)
            step = found.pop(storage.GLOBAL_STEP)
            results.update({f"{member.name}/{k}": v for k, v in found.items()})
            if member.is_drawn:
                metric = member.task.best_metric
                scores.append(metric.gain(found[metric.name]))
                losses.append(found["loss"])
        means = {SCORE: float(np.mean(scores)), "loss": float(np.mean(losses))}
        return {**results, **means, storage.GLOBAL_STEP: step}


def _make_evaluator(run: _Run, member: Member, split: Split) -> CheckpointEvaluator:
    return CheckpointEvaluator(
        ScopedTask(member),
        split.data,
        run.build_encoder,
        run.tuning.eval_batch_size,
        replicas=run.replicas,
    )


def open_member(
    entry: Entry, encoder: EncoderConfig, vocabulary: Vocabulary, seed: int
) -> tuple[Member, dict[str, Split]]:
    """Read a task's files and return it with them: split -> what is in its file.

    Args:
        entry: the task, as the file of tasks names it.
        encoder, vocabulary: that all tasks share.
        seed: of the shuffling in training.

    Raises:
        UserError: a file is missing or wrong, or a setting does not fit the encoder.
    """
    task_class, settings = entry.task_class, entry.settings
    paths = find_splits(entry.data_dir, task_class.suffixes)
    if "train" not in paths:
        raise UserError(f"{entry.data_dir} holds no train file")
    read = {
        name: task_class.read_file(path, True, settings) for name, path in paths.items()
    }
    guard.check_length(settings.max_seq_length, encoder)
    tokenizer = Tokenizer(vocabulary, settings.do_lower_case)
    labels = task_class.collect_labels(read["train"])
    labels = task_class.complete_labels(labels, read["train"], settings)
    task = task_class(settings, labels, tokenizer, encoder)
    splits = {
        name: Split(paths[name], task.make_source(name, file, seed))
        for name, file in read.items()
    }
    return Member(entry.name, task, entry.weight), splits


def _make_run(
    what: MultiTaskRun,
    classes: Iterable[type[FineTuningTask]],
    tuning: FineTuningConfig,
    replicas: ReplicaConfig,
) -> _Run:
    """Make the devices, look at all inputs, and return what the run is made of."""
    set_up_devices(replicas)
    what = resolve_init(what, True)
    encoder = load_encoder_config(what.config_file, "bert_config_file")
    vocabulary = load_vocabulary(what.vocab_file)
    guard.check_vocabulary_size(identify(vocabulary), encoder)
    if what.init_checkpoint:
        guard.check_pair(encoder, vocabulary, what.init_checkpoint)
    opened = []
    for entry in read_entries(what.tasks, classes, encoder.scope):
        with prefix_errors(f"{what.tasks}: {entry.name}"):
            seed = tuning.random_seed
            opened.append(open_member(entry, encoder, vocabulary, seed))
    members, splits = ([pair[i] for pair in opened] for i in (0, 1))
    build = make_encoder_builder(encoder)
    return _Run(what, tuning, replicas, encoder, vocabulary, build, members, splits)


def _describe(members: Iterable[Member]) -> dict[str, Any]:
    """Return what `labels.json` says of the tasks."""
    tasks = {member.name: describe_model(member.task) for member in members}
    return {"task": "multitask", "tasks": tasks}


def _prepare(run: _Run) -> tuple[MultiTask, MultiSource, TrainingConfig, Start]:
    """Check all that training needs, and make the model directory."""
    what, seed = run.what, run.tuning.random_seed
    data = [splits["train"].data for splits in run.splits]
    task = MultiTask(run.members, run.encoder)
    source = MultiSource(task, data, what.alpha, seed)
    drawn = [member.name for member in run.members if member.is_drawn]
    for name, share in zip(drawn, source.shares):
        logging.info("%s: %.1f %% of the batches", name, 100 * share)
    config = plan_training(what, run.tuning, task, source.num_examples)
    task = MultiTask(run.members, run.encoder, config.num_train_steps)
    source = MultiSource(task, data, what.alpha, seed)
    vocabulary = identify(run.vocabulary)
    folder = what.output_dir
    guard.check_same_model(folder, run.encoder, vocabulary)
    start = check_start(task, run.build_encoder, config, run.replicas)
    path, wanted = os.path.join(folder, LABELS_FILE), _describe(run.members)
    if os.path.exists(path) and start.step:
        difference = first_difference(files.read_json(path), wanted)
        if difference is not None:
            raise UserError(f"{folder} holds other tasks; give another output_dir")
    guard.prepare(folder, run.encoder, vocabulary, what.vocab_file)
    files.write_json(path, wanted)
    return task, source, config, start


def _train(run: _Run) -> Optional[Stopped]:
    """Train; after each epoch evaluate on val and keep the best checkpoint."""
    task, source, config, start = _prepare(run)
    stop, held_out = StopRequest(), None
    drawn = [s for m, s in zip(run.members, run.splits) if m.is_drawn]
    if all("val" in splits for splits in drawn):
        held_out = HeldOutEvaluation(
            lambda: _Evaluator(run),
            HeldOutConfig(
                eval_every_steps=config.eval_every_steps,
                early_stopping_patience=run.tuning.early_stopping_patience,
            ),
            config.output_dir,
            config.num_train_steps,
            stop,
            task.best_metric,
            COMPANIONS,
        )
    else:
        logging.warning("A val file is missing: the last checkpoint is the best one")

    def work(stop: StopRequest) -> int:
        evaluate = None if held_out is None else held_out.after_checkpoint
        build, replicas = run.build_encoder, run.replicas
        step = train(task, source, build, config, replicas, evaluate, stop, start)
        if held_out is not None:
            held_out.make_up()
        return step

    return run_until_signal(work, stop, config.num_train_steps, config.output_dir)


def export_member(
    checkpoint: str, member: Member, encoder: EncoderConfig, folder: str, vocab: str
) -> None:
    """Write one task's model out of the common checkpoint, as if trained alone.

    Args:
        folder: what predict.py and serve.py are then given.
        vocab: the vocabulary's file.
    """
    prefix, names = f"{member.name}/", {}
    for name in filterfalse(
        restoring.is_training_state, storage.read_shapes(checkpoint)
    ):
        if name.startswith(prefix):
            names[name] = name[len(prefix) :]
        elif name.startswith(f"{encoder.scope}/"):
            names[name] = name
    values = restoring.read_model(checkpoint, list(names))
    step = np.int64(read_step(checkpoint))
    vocabulary = identify(member.task.tokenizer.vocabulary)
    guard.prepare(folder, encoder, vocabulary, vocab)
    save_labels(folder, member.task)
    own = os.path.basename(checkpoint)
    renamed = {names[name]: value for name, value in values.items()}
    renamed[storage.GLOBAL_STEP] = step
    storage.write_variables(os.path.join(folder, own), renamed)
    storage.write_state(folder, own)


def _finish(run: _Run) -> None:
    """Score the best checkpoint on each task's files; write a model of each."""
    checkpoint = choose_checkpoint(run.what.output_dir, "output_dir")
    for member, splits in zip(run.members, run.splits):
        folder = os.path.join(run.what.output_dir, member.name)
        export_member(checkpoint, member, run.encoder, folder, run.what.vocab_file)
        main = "test" if "test" in splits else "val"
        for name in ("val", "test"):
            if name not in splits:
                continue
            path, data = splits[name]
            evaluator = _make_evaluator(run, member, splits[name])
            decoded = member.task.decode(evaluator.batches(checkpoint), data)
            evaluator.close()
            suffix = "" if name == main else f"_{name}"
            found = Evaluated(
                member.task, name, path, data, decoded, suffix, True, name == main
            )
            logging.info("***** %s *****", member.name)
            write_evaluated(folder, found, read_step(checkpoint))


def run_multitask(
    what: MultiTaskRun,
    classes: Iterable[type[FineTuningTask]],
    tuning: FineTuningConfig,
    replicas: ReplicaConfig,
) -> Optional[Stopped]:
    """Train several tasks over one encoder, score each, and write a model of each.

    Args:
        what: the tasks and files.
        classes: the kinds of tasks there are.
        tuning: how to train; epochs are of the examples of all tasks together.
        replicas: the devices to train on.

    Returns:
        How a signal ended training, and so the run, before its end; else None.

    Raises:
        UserError: a file, a setting or a checkpoint is wrong or does not fit.
    """
    guard.check_output_dir(what.output_dir)
    with contextlib.ExitStack() as stack:
        stack.enter_context(hold_folder(what.output_dir))
        run = _make_run(what, classes, tuning, replicas)
        stopped = _train(run)
        if stopped is None:
            _finish(run)
    return stopped
