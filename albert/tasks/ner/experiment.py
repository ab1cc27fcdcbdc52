"""Fine-tuning for named entities: read and check all, train, evaluate, predict."""

from __future__ import annotations

import functools
import os
from typing import Any, Mapping, NamedTuple, Optional

from absl import logging

from albert.base import files
from albert.base.errors import UserError
from albert.checkpoints import guard as model_dir
from albert.checkpoints import variables as checkpoints
from albert.checkpoints.best import BestCheckpoint, choose_checkpoint
from albert.evaluation.evaluator import CheckpointEvaluator, write_results
from albert.modeling.encoder import EncoderBuilder, make_encoder_builder
from albert.tasks.ner.config import FineTuningConfig, NerRunConfig
from albert.tasks.ner.conll import (
    ConllFile,
    check_characters,
    check_scheme,
    find_splits,
    read_conll,
)
from albert.tasks.ner.examples import count_data, log_counts, make_examples
from albert.tasks.ner.labels import (
    LABELS_FILE,
    NerModel,
    choose_labels,
    load_model,
    save_labels,
)
from albert.tasks.ner.output import Report, make_report, write_predictions
from albert.tasks.ner.source import NerSource
from albert.tasks.ner.task import NerTask
from albert.text.vocabulary import identify
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import OnCheckpoint, check_start, train
from albert.training.replicas import set_up_devices
from albert.training.stopping import Stopped, StopRequest, run_until_signal
from albert.training.task import EVAL, PREDICT

# The name, among the splits, of a file that is only to be labelled.
_PREDICT = "predict"


class Split(NamedTuple):
    """A file to train on, to evaluate on or to label."""

    name: str
    conll: ConllFile
    data: NerSource


def choose_splits(run: NerRunConfig, found: Mapping[str, str]) -> list[str]:
    """Return which of the `found` splits ("train", "val", "test") a run reads.

    Raises:
        UserError: one that the run needs is not there.
    """
    held_out = [name for name in ("val", "test") if name in found]
    wanted = set()
    if run.do_train:
        if "train" not in found:
            raise UserError(f"--data_dir: {run.data_dir} holds no train file")
        wanted |= {"train", "val"}
    if run.do_eval or (run.do_predict and not run.predict_file):
        if not held_out:
            raise UserError(f"--data_dir: {run.data_dir} holds no val or test file")
        wanted |= set(held_out if run.do_eval else held_out[-1:])
    return [name for name in ("train", "val", "test") if name in wanted & set(found)]


def read_files(run: NerRunConfig) -> dict[str, ConllFile]:
    """Return the files that a run reads: split, or "predict", -> file.

    Raises:
        UserError: a file is missing or wrong.
    """
    found = find_splits(run.data_dir) if run.data_dir else {}
    read = {}
    for name in choose_splits(run, found):
        # Labels of a test file that is only to be labelled may be missing.
        need_tags = run.do_eval or name != "test"
        read[name] = read_conll(found[name], need_tags)
    if run.predict_file:
        matches = files.expand_globs(run.predict_file, "predict_file")
        if len(matches) > 1:
            raise UserError(f"--predict_file: one file, got {len(matches)}")
        read[_PREDICT] = read_conll(matches[0], need_tags=False)
        check_characters(read[_PREDICT])
    return read


def make_split(name: str, conll: ConllFile, model: NerModel, seed: int) -> Split:
    """Turn a file into examples; log what it holds."""
    check_scheme(conll, model.label_set.scheme)
    sentences = conll.sentences
    examples = make_examples(
        sentences, model.tokenizer, model.label_set, model.config.max_seq_length
    )
    log_counts(name, conll.path, count_data(sentences, examples, model.label_set))
    return Split(name, conll, NerSource(sentences, examples, seed))


def plan_training(
    run: NerRunConfig, tuning: FineTuningConfig, sentences: int
) -> TrainingConfig:
    """Return how to train on so many sentences, a checkpoint an epoch."""
    steps, warmup, epoch = tuning.count_steps(sentences)
    logging.info(
        "%d sentences, num_train_epochs %g: num_train_steps %d, an epoch is %d",
        sentences,
        tuning.num_train_epochs,
        steps,
        epoch,
    )
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
        log_every_steps=epoch,
    )


def train_model(
    config: TrainingConfig,
    task: NerTask,
    splits: Mapping[str, Split],
    build_encoder: EncoderBuilder,
    eval_batch_size: int,
    replicas: ReplicaConfig,
) -> Optional[Stopped]:
    """Train; after each epoch evaluate on val and keep the best checkpoint.

    Returns:
        How a signal ended training, None where it went to its end.
    """

    def run(on_checkpoint: Optional[OnCheckpoint]) -> Optional[Stopped]:
        return run_until_signal(
            lambda stop: train(
                task,
                splits["train"].data,
                build_encoder,
                config,
                replicas,
                on_checkpoint,
                stop,
            ),
            StopRequest(),
            config.num_train_steps,
            config.output_dir,
        )

    if "val" not in splits:
        logging.warning("No val file: the last checkpoint counts as the best one")
        return run(None)
    companions = (*model_dir.COMPANIONS, LABELS_FILE)
    best = BestCheckpoint(config.output_dir, *task.best_metric, companions=companions)

    @functools.cache
    def evaluator() -> CheckpointEvaluator:
        # Not before training has set up its devices: no session may run until then.
        return CheckpointEvaluator(
            task,
            splits["val"].data,
            build_encoder,
            eval_batch_size,
            replicas=replicas,
        )

    def evaluate(path: str, step: int) -> None:
        results = evaluator().evaluate(path)
        names = ("eval_f", "eval_precision", "eval_recall", "loss")
        words = ", ".join(f"{name} {results[name]:.4f}" for name in names)
        logging.info("Step %d on val: %s", step, words)
        best.offer(path, step, results)

    return run(evaluate)


def write_report(
    folder: str, split: str, suffix: str, report: Report, step: int
) -> None:
    """Write and log scores: `eval_results<suffix>.txt`, `entity_scores<suffix>.txt`."""
    results = {**report.metrics(), checkpoints.GLOBAL_STEP: step}
    path = os.path.join(folder, f"eval_results{suffix}.txt")
    table = os.path.join(folder, f"entity_scores{suffix}.txt")
    write_results(path, results)
    files.write_text(table, report.table() + "\n")
    logging.info("***** Results on %s *****\n%s", split, report.table())
    for name in sorted(results):
        logging.info("  %s = %s", name, results[name])
    logging.info("Written to %s and %s", path, table)


def label_splits(
    run: NerRunConfig,
    splits: Mapping[str, Split],
    model: NerModel,
    task: NerTask,
    build_encoder: EncoderBuilder,
    batch_size: int,
    replicas: ReplicaConfig,
) -> None:
    """Label val and test for their scores, test or another file for predictions.

    The scores without a suffix are those of test, or of val where there is no test.
    """
    checkpoint = choose_checkpoint(run.output_dir, "output_dir")
    step = checkpoints.read_variables(checkpoint, [checkpoints.GLOBAL_STEP])
    main = "test" if "test" in splits else "val"
    for name in ("val", "test", _PREDICT):
        scored = run.do_eval and name != _PREDICT
        predicted = run.do_predict and name == (_PREDICT if run.predict_file else main)
        if name not in splits or not (scored or predicted):
            continue
        conll, data = splits[name].conll, splits[name].data
        evaluator = CheckpointEvaluator(
            task,
            data,
            build_encoder,
            batch_size,
            EVAL if scored else PREDICT,
            replicas=replicas,
        )
        labelling = task.label(evaluator.batches(checkpoint), data)
        evaluator.close()
        scheme = model.label_set.scheme
        if scored:
            gold = [sentence.tags for sentence in conll.sentences]
            report = make_report(gold, labelling.tags, labelling.loss, scheme)
            suffix = "" if name == main else f"_{name}"
            step_value = int(step[checkpoints.GLOBAL_STEP])
            write_report(run.output_dir, name, suffix, report, step_value)
        if predicted:
            label = os.path.basename(conll.path) if name == _PREDICT else name
            stem = f"predictions_{os.path.splitext(label)[0]}"
            written = write_predictions(
                os.path.join(run.output_dir, stem), conll, labelling.tags, scheme
            )
            logging.info("Predictions written to %s and %s", *written)


def run_experiment(
    run: NerRunConfig,
    given: Mapping[str, Any],
    tuning: FineTuningConfig,
    replicas: ReplicaConfig,
) -> Optional[Stopped]:
    """Do what `run` says; all input is checked before anything is written.

    Args:
        run: the steps and files.
        given: settings of `NerConfig` that the user named; the others are the
            defaults in training, and the model's own without.
        tuning: how to train, and the batch size of evaluation.
        replicas: the devices to train on.

    Returns:
        How a signal ended training, and so the run, before its end; else None.

    Raises:
        UserError: a file, a setting or a checkpoint is wrong or does not fit.
    """
    set_up_devices(replicas)
    run = checkpoints.resolve_init(run)
    conll_files = read_files(run)
    label_set, config = choose_labels(run.output_dir, given, conll_files.get("train"))
    model = load_model(run, label_set, config)
    splits = {
        name: make_split(name, conll, model, tuning.random_seed)
        for name, conll in conll_files.items()
    }
    build_encoder = make_encoder_builder(model.encoder)
    task = NerTask(model.config, model.label_set, model.encoder.initializer_range)
    if run.do_train:
        train_split = splits["train"]
        training = plan_training(run, tuning, len(train_split.conll.sentences))
        vocabulary = identify(model.tokenizer.vocabulary)
        model_dir.check_output_dir(run.output_dir)
        model_dir.check_same_model(run.output_dir, model.encoder, vocabulary)
        check_start(task, build_encoder, training, replicas)
        model_dir.prepare(run.output_dir, model.encoder, vocabulary, run.vocab_file)
        save_labels(run.output_dir, label_set, config)
        stopped = train_model(
            training, task, splits, build_encoder, tuning.eval_batch_size, replicas
        )
        if stopped is not None:
            return stopped
    if run.do_eval or run.do_predict:
        label_splits(
            run, splits, model, task, build_encoder, tuning.eval_batch_size, replicas
        )
    return None
