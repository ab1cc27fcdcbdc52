"""Fine-tuning of any task: read and check all, train, evaluate, predict."""

from __future__ import annotations

import contextlib
import types
from typing import Any, Callable, ContextManager, Mapping, NamedTuple, Optional

from absl import logging

from albert.base.lock import hold_folder
from albert.checkpoints import guard
from albert.checkpoints.best import choose_checkpoint
from albert.checkpoints.initial import resolve_init
from albert.evaluation.config import HeldOutConfig
from albert.evaluation.evaluator import CheckpointEvaluator, read_step
from albert.evaluation.held_out import HeldOutEvaluation
from albert.modeling.encoder import EncoderBuilder, make_encoder_builder
from albert.tasks.data_files import PREDICT_ONLY, name_files
from albert.tasks.example_source import ExampleSource
from albert.tasks.finetuning_config import FROZEN, FineTuningConfig, FineTuningRun
from albert.tasks.finetuning_task import FineTuningTask
from albert.tasks.frozen_encoder import compute_outputs, find_encoder, freeze_rule
from albert.tasks.model_folder import (
    COMPANIONS,
    choose_facts,
    choose_settings,
    load_facts,
    open_model,
    save_labels,
)
from albert.tasks.reports import Evaluated, write_evaluated
from albert.text.vocabulary import identify
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import train
from albert.training.rates import layerwise_rules
from albert.training.replicas import set_up_devices
from albert.training.start import Start, check_start
from albert.training.stopping import Stopped, StopRequest, run_until_signal
from albert.training.task import EVAL, PREDICT

_KEPT_CHECKPOINTS = 2  # beside the best one


class Split(NamedTuple):
    """A file to train on, to evaluate on or to predict."""

    path: str
    data: ExampleSource


class _Run(NamedTuple):
    """All that a run is made of, once it has been checked."""

    what: FineTuningRun
    tuning: FineTuningConfig
    task: FineTuningTask
    splits: Mapping[str, Split]
    build_encoder: EncoderBuilder
    replicas: ReplicaConfig
    facts: Mapping[str, str]

    def make_evaluator(self, split: str, mode: str = EVAL) -> CheckpointEvaluator:
        """Return what runs checkpoints over a split."""
        return CheckpointEvaluator(
            self.task,
            self.splits[split].data,
            self.build_encoder,
            self.tuning.eval_batch_size,
            mode,
            replicas=self.replicas,
        )


def plan_training(
    run: FineTuningRun, tuning: FineTuningConfig, task: FineTuningTask, examples: int
) -> TrainingConfig:
    """Return how to train on so many examples, a checkpoint an epoch."""
    steps, warmup, epoch = tuning.count_steps(examples, task.unit)
    logging.info(
        "%d %s, num_train_epochs %g: num_train_steps %d, an epoch is %d",
        examples,
        task.unit,
        tuning.num_train_epochs,
        steps,
        epoch,
    )
    head_rate = tuning.head_learning_rate or tuning.learning_rate
    rules = layerwise_rules(
        task.encoder, tuning.layerwise_lr_decay, head_rate / tuning.learning_rate
    )
    if tuning.encoder_training == FROZEN:
        rules = (freeze_rule(task.encoder.scope), *rules)
    return TrainingConfig(
        output_dir=run.output_dir,
        learning_rate=tuning.learning_rate,
        num_train_steps=steps,
        num_warmup_steps=warmup,
        train_batch_size=tuning.train_batch_size,
        save_checkpoints_steps=epoch,
        optimizer="adamw",
        init_checkpoint=run.init_checkpoint,
        random_seed=tuning.random_seed,
        precision=tuning.precision,
        keep_checkpoint_max=_KEPT_CHECKPOINTS,
        log_every_steps=epoch,
        eval_every_steps=epoch,
        fgm_epsilon=tuning.fgm_epsilon,
        average_decay=tuning.average_decay,
        rate_rules=rules,
    )


def _watch_val(
    run: _Run, config: TrainingConfig, stop: StopRequest
) -> Optional[HeldOutEvaluation]:
    """Return what evaluates on val after each epoch, None where there is no val."""
    if "val" not in run.splits:
        logging.warning("No val file: the last checkpoint counts as the best one")
        return None
    held_out = HeldOutConfig(
        eval_every_steps=config.eval_every_steps,
        early_stopping_patience=run.tuning.early_stopping_patience,
    )
    return HeldOutEvaluation(
        lambda: run.make_evaluator("val"),
        held_out,
        config.output_dir,
        config.num_train_steps,
        stop,
        run.task.best_metric,
        COMPANIONS,
        run.task.logged_metrics,
    )


def _train(
    run: _Run, config: TrainingConfig, start: Start, encoder: Optional[str]
) -> Optional[Stopped]:
    """Train; after each epoch evaluate on val and keep the best checkpoint.

    Args:
        encoder: the checkpoint of an encoder that stays as it is, if it does.

    Returns:
        How a signal ended training, None where it went to its end.
    """
    stop = StopRequest()
    held_out = _watch_val(run, config, stop)

    task, data = run.task, run.splits["train"].data
    if encoder is not None and start.step < config.num_train_steps:
        task, data = compute_outputs(
            task, data, run.build_encoder, encoder, config.random_seed, run.replicas
        )

    def work(stop: StopRequest) -> int:
        step = train(
            task,
            data,
            run.build_encoder,
            config,
            run.replicas,
            None if held_out is None else held_out.after_checkpoint,
            stop,
            start,
        )
        if held_out is not None:
            held_out.make_up()
        return step

    return run_until_signal(work, stop, config.num_train_steps, config.output_dir)


def _prepare_and_train(run: _Run) -> Optional[Stopped]:
    """Check all that training needs, make the model directory, and train."""
    what, task = run.what, run.task
    train_data = run.splits["train"].data
    config = plan_training(what, run.tuning, task, train_data.num_examples)
    vocabulary = identify(task.tokenizer.vocabulary)
    guard.check_same_model(what.output_dir, task.encoder, vocabulary)
    frozen = run.tuning.encoder_training == FROZEN
    encoder = find_encoder(what.output_dir, what.init_checkpoint) if frozen else None
    start = check_start(task, run.build_encoder, config, run.replicas)
    guard.prepare(what.output_dir, task.encoder, vocabulary, what.vocab_file)
    save_labels(what.output_dir, task, choose_facts(what.output_dir, run.facts))
    return _train(run, config, start, encoder)


def _evaluate_and_predict(run: _Run, see: Callable[[Evaluated], object]) -> None:
    """Score val and test; predict test or another file; show what was found.

    The scores without a suffix are those of test, or of val where there is no test.
    """
    what = run.what
    checkpoint = choose_checkpoint(what.model_folder, what.model_flag)
    guard.make_output_dir(what.output_dir)
    facts = load_facts(what.model_folder) or {}
    main = "test" if "test" in run.splits else "val"
    for name in ("val", "test", PREDICT_ONLY):
        scored = what.do_eval and name != PREDICT_ONLY
        predicted = what.do_predict and name == (
            PREDICT_ONLY if what.predict_file else main
        )
        if name not in run.splits or not (scored or predicted):
            continue
        path, data = run.splits[name]
        evaluator = run.make_evaluator(name, EVAL if scored else PREDICT)
        decoded = run.task.decode(evaluator.batches(checkpoint), data)
        evaluator.close()
        suffix = "" if name == main else f"_{name}"
        found = Evaluated(
            run.task, name, path, data, decoded, suffix, scored, predicted, facts
        )
        write_evaluated(what.output_dir, found, read_step(checkpoint))
        see(found)


def hold_output(run: FineTuningRun) -> ContextManager[None]:
    """Keep other runs out of the model directory while it is trained in."""
    if not run.do_train:
        return contextlib.nullcontext()
    guard.check_output_dir(run.output_dir)
    return hold_folder(run.output_dir)


def _make_run(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    given: Mapping[str, Any],
    tuning: FineTuningConfig,
    replicas: ReplicaConfig,
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    facts: Mapping[str, str],
) -> _Run:
    """Make the devices, look at all inputs, and return what the run is made of."""
    set_up_devices(replicas)
    guard.check_output_dir(run.output_dir)
    run = resolve_init(run, run.do_train)
    paths = name_files(run, task_class.suffixes)
    settings = choose_settings(task_class, run, given)
    read = {}
    for name, path in paths.items():
        # Labels of a test file that is only to be predicted may be missing.
        predicted_only = name == "test" and not run.do_eval
        need_labels = name != PREDICT_ONLY and not predicted_only
        read[name] = task_class.read_file(path, need_labels, settings)
    read = dict(change(read))
    task = open_model(task_class, run, given, read.get("train"))
    splits = {
        name: Split(
            paths.get(name, ""), task.make_source(name, file, tuning.random_seed)
        )
        for name, file in read.items()
    }
    build_encoder = make_encoder_builder(task.encoder)
    return _Run(run, tuning, task, splits, build_encoder, replicas, facts)


def run_finetuning(
    task_class: type[FineTuningTask],
    run: FineTuningRun,
    given: Mapping[str, Any],
    tuning: FineTuningConfig,
    replicas: ReplicaConfig,
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda read: read,
    see: Callable[[Evaluated], object] = lambda found: None,
    facts: Mapping[str, str] = types.MappingProxyType({}),
) -> Optional[Stopped]:
    """Do what `run` says; all input is checked before anything is written.

    Args:
        task_class: the task.
        run: the steps and files.
        given: settings of the model that the user named; the others are the defaults
            in training, and the model's own without.
        tuning: how to train, and the batch size of evaluation.
        replicas: the devices to train on.
        change: takes what `read_file` gave for each split, and returns what to use.
        see: called with what was found on each file that is scored or predicted.
        facts: what the files of scores say beside the scores; kept with the model
            that is trained, and of no account without training.

    Returns:
        How a signal ended training, and so the run, before its end; else None.

    Raises:
        UserError: a file, a setting or a checkpoint is wrong or does not fit.
    """
    with hold_output(run):
        whole = _make_run(task_class, run, given, tuning, replicas, change, facts)
        if run.do_train:
            stopped = _prepare_and_train(whole)
            if stopped is not None:
                return stopped
        if run.do_eval or run.do_predict:
            _evaluate_and_predict(whole, see)
    return None
