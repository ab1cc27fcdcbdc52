"""Trains small models in a process of its own.

`run.py FOLDER REPLICAS LAST_STEP ARCHITECTURE/HEAD...`

Logical CPU devices are made once a process, and a resumed run is another process. Each
pair trains in FOLDER/ARCHITECTURE-HEAD for 4 steps, or is stopped after LAST_STEP, with
a rate of its own for every layer and one table frozen.
"""

from __future__ import annotations

import os
import sys

from albert.modeling.encoder import make_encoder_builder
from albert.training.config import ReplicaConfig, TrainingConfig
from albert.training.loop import train
from albert.training.rates import RateRule, layerwise_rules
from albert.training.replicas import set_up_devices
from albert.training.stopping import StopRequest
from tests.conformance.kit import HEADS, FixedExamples, small_config

FROZEN = "embeddings/word_embeddings$"


def main(folder: str, num_replicas: str, last_step: str, *pairs: str) -> None:
    replicas = ReplicaConfig(num_cpu_replicas=int(num_replicas))
    set_up_devices(replicas)
    for pair in pairs:
        architecture, head = pair.split("/")
        config = small_config(architecture)
        settings = TrainingConfig(
            output_dir=os.path.join(folder, f"{architecture}-{head}"),
            learning_rate=1e-3,
            optimizer="adamw",
            num_train_steps=4,
            save_checkpoints_steps=int(last_step),
            num_warmup_steps=0,
            train_batch_size=6,
            rate_rules=(RateRule(FROZEN, 0.0), *layerwise_rules(config, 0.8, 2.0)),
        )
        stop = StopRequest()

        def stop_at_last(path: str, step: int, stop: StopRequest = stop) -> None:
            if step == int(last_step):
                stop.ask("the test")

        train(
            HEADS[head](config),
            FixedExamples(head),
            make_encoder_builder(config),
            settings,
            replicas,
            on_checkpoint=stop_at_last,
            stop=stop,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
