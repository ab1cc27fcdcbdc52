"""Pretraining: read and check all, train, evaluate."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Callable, ContextManager, Optional

from absl import logging

from albert.base.errors import UserError
from albert.base.lock import hold_folder
from albert.checkpoints import guard, storage
from albert.checkpoints.training_id import BEST_FOLDER, METADATA_FILE
from albert.evaluation.config import HeldOutConfig
from albert.evaluation.evaluator import write_results
from albert.evaluation.follow import follow_training
from albert.evaluation.held_out import (
    HeldOutEvaluation,
    read_history,
    stop_without_gain,
)
from albert.tasks.pretraining_config import STAND_IN_EVAL_STEPS, RunConfig, RunFiles
from albert.tasks.pretraining_run import Run, find_vocabulary_file
from albert.training.cluster import compare
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import train
from albert.training.start import Start, has_ended
from albert.training.stopping import (
    PEER_STOPS,
    Stopped,
    StopRequest,
    run_until_signal,
)


def _compare_machines(run: Run) -> None:
    """Stop unless this machine has the files, model and flags of the others.

    Those of `TrainingConfig` are compared where training starts.

    Raises:
        UserError: the machines differ.
    """
    cluster, names = run.replicas.cluster, run.files.train_files
    sizes = {os.path.basename(name): os.path.getsize(name) for name in names}
    compare(cluster, "the bytes of input files", sizes)
    compare(cluster, "the model's config", run.model.to_dict())
    compare(cluster, "their flags", run.flags_in_common)


def _prepare_training(run: Run, scratch: Optional[str]) -> Optional[Start]:
    """Check all that training needs, and make the model directory.

    Args:
        scratch: see `Run.find_start`.

    Returns:
        Where training starts, None for an evaluator.

    Raises:
        UserError: training cannot start, or another machine sees other files.
    """
    output_dir, cluster = run.training.output_dir, run.replicas.cluster
    if run.training.init_checkpoint:
        checkpoint = run.training.init_checkpoint
        guard.check_pair(run.model, run.vocabulary, checkpoint)
    guard.check_output_dir(output_dir)
    guard.check_same_model(output_dir, run.model, run.vocabulary)
    if run.is_evaluator:
        return None
    start = run.find_start(scratch)
    if cluster is None or cluster.is_chief:
        vocabulary_file = find_vocabulary_file(run.files.vocab_file, run.vocabulary)
        guard.prepare(
            output_dir,
            run.model,
            run.vocabulary,
            vocabulary_file,
            trained_with=run.trained_with,
        )
    if run.replicas.num_machines > 1 and not has_ended(run.training):
        _compare_machines(run)
        metadata = os.path.join(output_dir, METADATA_FILE)
        if not os.path.exists(metadata):
            raise UserError(
                f"the chief has made its output_dir, but {metadata} is not there: "
                "every machine must see the same output_dir"
            )
    return start


def _watch_held_out(run: Run, stop: StopRequest) -> Optional[HeldOutEvaluation]:
    """Return what evaluates while training runs, None where nobody here does."""
    if run.held_out.eval_every_steps is None or not run.evaluates:
        return None
    return HeldOutEvaluation(
        lambda: run.make_evaluator(run.config.max_eval_steps),
        run.held_out,
        run.training.output_dir,
        run.training.num_train_steps,
        stop,
        run.task.best_metric,
    )


def _train(run: Run, start: Optional[Start]) -> Optional[Stopped]:
    """Train, or evaluate what others train, as TF_CONFIG says.

    Returns:
        How a signal ended it, None where it went as far as it should.
    """
    stop = StopRequest()
    held_out = _watch_held_out(run, stop)
    output_dir, last_step = run.training.output_dir, run.training.num_train_steps

    def look_at_history(*_, stop: StopRequest = stop) -> None:
        """Stop where another machine has evaluated without gain for long."""
        patience = run.held_out.early_stopping_patience
        best = os.path.join(output_dir, BEST_FOLDER)
        history = read_history(output_dir)
        stop_without_gain(history, run.task.best_metric, patience, best, stop)

    def work(stop: StopRequest) -> int:
        if run.is_evaluator:
            return follow_training(output_dir, last_step, held_out, stop)
        look_at_history()
        after = look_at_history if held_out is None else held_out.after_checkpoint
        step = train(
            run.task,
            run.train_data,
            run.build_encoder,
            run.training,
            run.replicas,
            after,
            stop,
            start,
        )
        if held_out is not None:
            held_out.make_up()
        return step

    stopped = run_until_signal(work, stop, last_step, output_dir)
    if stopped is not None and stopped.reason == PEER_STOPS:
        early = StopRequest()
        look_at_history(stop=early)
        if early.asked:  # the chief looked first, and it was no signal that stopped it
            return None
    return stopped


def _evaluate(run: Run) -> None:
    """Evaluate a checkpoint, log the results and write `eval_results.txt`."""
    files, output_dir = run.files, run.training.output_dir
    # Not before training, which may make it: the best, the newest.
    checkpoint = storage.resolve(
        files.eval_checkpoint or output_dir,
        "eval_checkpoint" if files.eval_checkpoint else "output_dir",
    )
    guard.check_pair(run.model, run.vocabulary, checkpoint)
    run.warn_of_labels(checkpoint)
    guard.make_output_dir(output_dir)
    max_batches = run.config.max_eval_steps
    if not files.eval_files:
        max_batches = max_batches or STAND_IN_EVAL_STEPS
        logging.warning(
            "No --eval_input_file: evaluating on %d batches at most of the training "
            "files, which says nothing about unseen text",
            max_batches,
        )
    logging.info("Evaluating %s", checkpoint)
    results = run.make_evaluator(max_batches).evaluate(checkpoint)
    path = os.path.join(output_dir, "eval_results.txt")
    write_results(path, results)  # already: counting takes time, and may fail
    if files.eval_files:
        limit = max_batches and max_batches * run.config.eval_batch_size
        results.update(run.explain(results, limit))
        write_results(path, results)
    logging.info("***** Eval results of %s *****", checkpoint)
    for name in sorted(results):
        logging.info("  %s = %s", name, results[name])
    logging.info("Written to %s", path)


def _hold_output(
    config: RunConfig, training: TrainingConfig, replicas: ReplicaConfig
) -> ContextManager[None]:
    """Keep other runs out of the model directory; the chief does it for all machines.

    An evaluation alone may run beside a training: it writes its results, nothing else.
    """
    cluster = replicas.cluster
    if not config.do_train or (cluster is not None and not cluster.is_chief):
        return contextlib.nullcontext()
    guard.check_output_dir(training.output_dir)
    return hold_folder(training.output_dir)


def _work(run: Run) -> Optional[Stopped]:
    """Train and evaluate as asked; return how a signal ended training, else None."""
    if run.config.do_train:
        folder = contextlib.nullcontext()
        if run.needs_scratch and not run.is_evaluator:
            folder = tempfile.TemporaryDirectory(prefix="albert-start-")
        with folder as scratch:
            stopped = _train(run, _prepare_training(run, scratch))
        if stopped is not None:
            return stopped
    if run.config.do_eval and run.evaluates:
        _evaluate(run)
    elif run.config.do_eval:
        logging.info("Evaluation is left to another machine")
    return None


def run_experiment(
    make_run: Callable[[], Run],
    config: RunConfig,
    files: RunFiles,
    training: TrainingConfig,
    held_out: HeldOutConfig,
    replicas: ReplicaConfig,
) -> Optional[Stopped]:
    """Train and evaluate as asked; all is checked before anything is written.

    Args:
        make_run: makes the devices, looks at all inputs, and returns what the run is
            made of.

    Returns:
        How a signal ended training early, else None.

    Raises:
        UserError: a file, a flag, a device or a checkpoint is wrong or does not fit.
    """
    if held_out.eval_every_steps is not None and not files.eval_files:
        raise UserError("eval_every_steps needs held-out records: --eval_input_file")
    with _hold_output(config, training, replicas):
        return _work(make_run())
