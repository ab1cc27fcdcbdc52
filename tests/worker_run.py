"""Trains a recorded model as one of two machines: MODEL INDEX OUT PORT PORT."""

from __future__ import annotations

import sys

import tensorflow as tf

from albert.training.cluster_config import ClusterConfig
from albert.training.config import ReplicaConfig
from albert.training.loop import train
from tests.replica_run import MODELS, STEPS, FixedOrder, Model, make_config


class Share(FixedOrder):
    """Every second batch of the fixed order."""

    def __init__(self, model: Model, index: int):
        super().__init__(model)
        self._index = index

    def read(self, mode: str, batch_size: int) -> tf.data.Dataset:
        return super().read(mode, batch_size).shard(2, self._index)


def run(name: str, index: int, output_dir: str, ports: list[str]) -> None:
    addresses = tuple(f"127.0.0.1:{port}" for port in ports)
    cluster = ClusterConfig(addresses, index, chief_named=True)
    model = MODELS[name]()
    config = make_config(model, output_dir, 6, save_checkpoints_steps=STEPS // 2)
    replicas = ReplicaConfig(num_gpus=0, cluster=cluster)
    data = Share(model, index)
    end = train(model.task, data, model.build_encoder, config, replicas)
    assert end == STEPS


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
