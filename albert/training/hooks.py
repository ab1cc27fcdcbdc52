"""Hooks of the training loop: progress, checkpoints, stopping."""

from __future__ import annotations

import os
import time
from typing import Callable, Mapping, NamedTuple, Optional, Sequence

import tensorflow as tf
import tqdm
from absl import logging

from albert.training.cluster import PeerWatch, StopVote
from albert.training.cluster_config import ClusterConfig
from albert.training.config import TrainingConfig
from albert.training.step import TrainStep
from albert.training.stopping import StopRequest

v1 = tf.compat.v1

OnCheckpoint = Callable[[str, int], None]


class ProgressHook(v1.train.SessionRunHook):
    """Logs losses, rate, speed and time left; the same go to TensorBoard."""

    def __init__(
        self,
        values: Mapping[str, tf.Tensor],
        steps_done: tf.Tensor,
        output_dir: Optional[str],
        num_train_steps: int,
        batch_size: int,
        every_steps: int,
    ):
        """Watch some values.

        Args:
            values: name -> scalar of the global batch, in the order of the log.
            steps_done: the global step after the step.
            output_dir: where the event file lies; None for no event file.
            num_train_steps: the last step, for the time left.
            batch_size: examples of a step over all replicas.
            every_steps: steps between lines; the first step is logged too.
        """
        self._values = dict(values)
        self._steps_done = steps_done
        self._output_dir = output_dir
        self._num_train_steps = num_train_steps
        self._batch_size = batch_size
        self._every_steps = every_steps
        self._timed_step = 0
        self._timed_at = 0.0
        self.step = 0  # the last step that was completed

    def begin(self) -> None:
        """Find the global step and the event file."""
        self._global_step = v1.train.get_global_step()
        self._writer = None
        if self._output_dir is not None:
            self._writer = v1.summary.FileWriterCache.get(self._output_dir)

    def after_create_session(self, session, coord) -> None:
        """Take up the step that training starts from."""
        del coord
        self.step = int(session.run(self._global_step))
        self._first_step = self.step + 1

    def before_run(self, run_context) -> v1.train.SessionRunArgs:
        """Ask for the values at each step: a second set of fetches costs a graph."""
        return v1.train.SessionRunArgs((self._values, self._steps_done))

    def after_run(self, run_context, run_values) -> None:
        """Log the values."""
        results, step = run_values.results
        self.step = int(step)  # as before where float16 made the step be skipped
        now = time.monotonic()
        if self.step == self._first_step:  # its time is that of building the graph
            self._timed_step, self._timed_at = self.step, now
        if self.step != self._first_step and self.step % self._every_steps:
            return
        values = {name: float(value) for name, value in results.items()}
        words = [f"{name} {value:.4g}" for name, value in values.items()]
        if self.step > self._timed_step:
            rate = (self.step - self._timed_step) / max(now - self._timed_at, 1e-9)
            self._timed_step, self._timed_at = self.step, now
            values["examples_per_second"] = rate * self._batch_size
            left = (self._num_train_steps - self.step) / rate
            words.append(f"{rate * self._batch_size:.1f} examples/s")
            words.append(f"{tqdm.tqdm.format_interval(left)} left")
        logging.info(
            "Step %d of %d: %s", self.step, self._num_train_steps, ", ".join(words)
        )
        if self._writer is None:
            return
        summary = v1.Summary(
            value=[v1.Summary.Value(tag=n, simple_value=v) for n, v in values.items()]
        )
        self._writer.add_summary(summary, self.step)
        self._writer.flush()  # so that TensorBoard shows it now


class StopHook(v1.train.SessionRunHook):
    """Ends training after the step in which somebody asked for it.

    The hook that saves checkpoints then saves this step's.
    """

    def __init__(self, stop: StopRequest):
        """Watch `stop`."""
        self._stop = stop

    def after_run(self, run_context, run_values) -> None:
        """End the loop if asked."""
        self._stop.trained.set()
        if self._stop.asked:
            logging.info("Stopping: %s", self._stop.reason)
            run_context.request_stop()


class CheckpointHook(v1.train.CheckpointSaverHook):
    """Saves at multiples of some numbers of steps, and at the end.

    The base class counts from the step a run starts from: after a stop at step 47 it
    would save at 67 and 87, where nobody expects a checkpoint or an evaluation. It also
    writes the graph three times, as text and with each checkpoint, for no reader: here
    it is in the event file alone.
    """

    def __init__(
        self,
        output_dir: str,
        every: Sequence[int],
        listener: v1.train.CheckpointSaverListener,
    ):
        """Save in `output_dir` at multiples of each of `every`; tell `listener`."""
        super().__init__(
            output_dir,
            save_steps=min(every),
            listeners=[listener],
            save_graph_def=False,
        )
        self._every = tuple(every)

    def after_create_session(self, session, coord) -> None:
        """Write the graph for TensorBoard, and the checkpoint of the first step."""
        step = int(session.run(self._global_step_tensor))
        self._summary_writer.add_graph(session.graph)
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def _is_due(self, step: int) -> bool:
        at_multiple = any(step % every == 0 for every in self._every)
        return at_multiple and step != self._timer.last_triggered_step()

    def after_run(self, run_context, run_values) -> None:
        """Save if this step is a multiple."""
        fetched = int(run_values.results)  # before or after its increment: a race
        if not (self._is_due(fetched) or self._is_due(fetched + 1)):
            return
        step = int(run_context.session.run(self._global_step_tensor))
        if self._is_due(step):
            self._timer.update_last_triggered_step(step)
            if self._save(run_context.session, step):
                run_context.request_stop()

    def _save(self, session, step) -> bool:
        try:
            return super()._save(session, step)
        except tf.errors.OutOfRangeError as error:  # a file that is too large
            # A MonitoredSession would take it for the end of the input.
            raise RuntimeError(str(error)) from error


class CheckpointListener(v1.train.CheckpointSaverListener):
    """Calls back after each checkpoint that training itself has written."""

    def __init__(
        self,
        prefix: str,
        on_checkpoint: Callable[[str, int], None],
        stop: StopRequest,
    ):
        """Call `on_checkpoint("<prefix>-<step>", step)` after a checkpoint.

        The one that an Estimator writes before the first step of all is skipped;
        the one it writes again where a run resumes is not: a run that was killed may
        not have called back. Training ends with this step if the callback asks `stop`.
        """
        self._prefix = prefix
        self._on_checkpoint = on_checkpoint
        self._stop = stop
        self._last_step = 0

    def after_save(self, session, global_step_value) -> bool:
        """Call back, once a step; return whether to end."""
        step = int(global_step_value)
        if step != self._last_step:
            self._last_step = step
            self._on_checkpoint(f"{self._prefix}-{step}", step)
        return self._stop.asked


class StepHooks(NamedTuple):
    """The hooks of a step; those of `chief` run before the others."""

    all: list[v1.train.SessionRunHook]
    chief: list[v1.train.SessionRunHook]


class RunHooks:
    """Makes the hooks of a run, on one machine or on one of several."""

    def __init__(
        self,
        config: TrainingConfig,
        stop: StopRequest,
        on_checkpoint: Optional[OnCheckpoint],
        cluster: Optional[ClusterConfig] = None,
        watch: Optional[PeerWatch] = None,
    ):
        """Keep what hooks need.

        Args:
            on_checkpoint: called with the prefix and step of each checkpoint written.
            cluster: the machines that train together, None for this one alone.
            watch: of the other machines.
        """
        self._config = config
        self._stop = stop
        self._on_checkpoint = on_checkpoint
        self._cluster = cluster
        self._watch = watch
        self._progress: list[ProgressHook] = []

    def make_stop_vote(self) -> Optional[StopVote]:
        """Return what settles with other machines when to stop; None without any."""
        if self._cluster is None:
            return None
        return StopVote(self._config.num_train_steps, self._stop, self._watch.stop)

    def make_hooks(self, step: TrainStep, stop_vote: Optional[StopVote]) -> StepHooks:
        """Return the hooks of a step of one replica."""
        progress = self._make_progress_hook(step)
        if stop_vote is None:
            stop = StopHook(self._stop)
            return StepHooks([stop, progress], [self._make_checkpoint_hook(self._stop)])
        stop_vote.count(step.summed, step.steps_done)
        all_hooks = [stop_vote, progress]
        if self._cluster.is_chief:
            # Last: the others do not wait for what is made of the last step. It stops
            # nothing by itself, since all machines must do so together.
            all_hooks.append(self._make_checkpoint_hook(StopRequest()))
        return StepHooks(all_hooks, [])

    def last_step(self, start: int) -> int:
        """Return the last step that was done, `start` where none was."""
        return max((hook.step for hook in self._progress), default=start)

    def _make_progress_hook(self, step: TrainStep) -> ProgressHook:
        writes = self._cluster is None or self._cluster.is_chief
        hook = ProgressHook(
            step.values,
            step.steps_done,
            self._config.output_dir if writes else None,
            self._config.num_train_steps,
            self._config.train_batch_size,
            self._config.log_every_steps,
        )
        self._progress.append(hook)
        return hook

    def _make_checkpoint_hook(self, stop: StopRequest) -> CheckpointHook:
        prefix = os.path.join(self._config.output_dir, "model.ckpt")
        every = [self._config.save_checkpoints_steps, self._config.eval_every_steps]
        return CheckpointHook(
            self._config.output_dir,
            [steps for steps in every if steps],
            CheckpointListener(prefix, self._after_checkpoint, stop),
        )

    def _after_checkpoint(self, path: str, step: int) -> None:
        logging.info("Saved checkpoint %s", path)
        if self._on_checkpoint is not None:
            self._on_checkpoint(path, step)
