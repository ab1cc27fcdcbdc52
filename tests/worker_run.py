"""Trains a recorded model as one of two machines: INDEX OUT PORT PORT."""

from __future__ import annotations

import sys

import tensorflow as tf

from albert.training.cluster_config import ClusterConfig
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import train
from tests.golden import Golden
from tests.replica_run import POSTLN, STEPS, FixedOrder


class Share(FixedOrder):
    """Every second batch of the fixed order."""

    def __init__(self, golden: Golden, index: int):
        super().__init__(golden)
        self._index = index

    def read(self, mode: str, batch_size: int) -> tf.data.Dataset:
        return super().read(mode, batch_size).shard(2, self._index)


def run(index: int, output_dir: str, ports: list[str]) -> None:
    addresses = tuple(f"127.0.0.1:{port}" for port in ports)
    cluster = ClusterConfig(addresses, index, chief_named=True)
    golden = Golden(POSTLN)
    config = TrainingConfig(
        output_dir=output_dir,
        learning_rate=0.00176,
        num_train_steps=STEPS,
        num_warmup_steps=2,
        train_batch_size=6,
        save_checkpoints_steps=STEPS // 2,
        init_checkpoint=golden.checkpoint,
    )
    replicas = ReplicaConfig(num_gpus=0, cluster=cluster)
    data = Share(golden, index)
    end = train(golden.task, data, golden.build_encoder, config, replicas)
    assert end == STEPS


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
