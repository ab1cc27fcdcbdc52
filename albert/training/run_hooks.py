"""The hooks of a training run, made in the graph of each replica's step."""

from __future__ import annotations

import os
from typing import Callable, NamedTuple, Optional

import tensorflow as tf
from absl import logging

from albert.training import hooks
from albert.training.cluster import PeerWatch, StopVote
from albert.training.cluster_config import ClusterConfig
from albert.training.config import TrainingConfig
from albert.training.step import TrainStep
from albert.training.stopping import StopRequest

v1 = tf.compat.v1

OnCheckpoint = Callable[[str, int], None]


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
        self._progress: list[hooks.ProgressHook] = []

    def make_stop_vote(self) -> Optional[StopVote]:
        """Return what settles with other machines when to stop; None without any."""
        if self._cluster is None:
            return None
        return StopVote(self._config.num_train_steps, self._stop, self._watch.stop)

    def make_hooks(self, step: TrainStep, stop_vote: Optional[StopVote]) -> StepHooks:
        """Return the hooks of a step of one replica."""
        progress = self._make_progress_hook(step)
        if stop_vote is None:
            stop = hooks.StopHook(self._stop)
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

    @property
    def num_batches(self) -> int:
        """How many batches were trained on."""
        return max((hook.batches for hook in self._progress), default=0)

    def _make_progress_hook(self, step: TrainStep) -> hooks.ProgressHook:
        writes = self._cluster is None or self._cluster.is_chief
        hook = hooks.ProgressHook(
            step.values,
            step.steps_done,
            self._config.output_dir if writes else None,
            self._config.num_train_steps,
            self._config.train_batch_size,
            self._config.log_every_steps,
        )
        self._progress.append(hook)
        return hook

    def _make_checkpoint_hook(self, stop: StopRequest) -> hooks.CheckpointHook:
        prefix = os.path.join(self._config.output_dir, "model.ckpt")
        every = [self._config.save_checkpoints_steps, self._config.eval_every_steps]
        return hooks.CheckpointHook(
            self._config.output_dir,
            [steps for steps in every if steps],
            hooks.CheckpointListener(prefix, self._after_checkpoint, stop),
        )

    def _after_checkpoint(self, path: str, step: int) -> None:
        logging.info("Saved checkpoint %s", path)
        if self._on_checkpoint is not None:
            self._on_checkpoint(path, step)
