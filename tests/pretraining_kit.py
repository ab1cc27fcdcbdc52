"""A small pretraining run for tests: records, a config, the script's flags."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from albert.records import features as records
from albert.records import tfrecord
from tests import forked

INTERVAL = 20  # steps between checkpoints
LENGTH, MASKED, VOCABULARY_SIZE = 16, 2, 40
SPEC = records.feature_spec(LENGTH, MASKED)
CONFIG = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 16,
    "embedding_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": LENGTH,
}
REPO = pathlib.Path(__file__).resolve().parent.parent
TIME_LIMIT = 120  # seconds of one run
STEP_LINE = re.compile(r"Step (\d+) of \d+: loss")


def make_examples(count: int, seed: int = 0, weight: float = 1.0) -> list[bytes]:
    """Serialised records whose masked tokens follow from the first one."""
    rng = np.random.default_rng(seed)
    examples = []
    for _ in range(count):
        first = int(rng.integers(5, VOCABULARY_SIZE))
        swapped = int(rng.integers(2))
        values = {
            "input_ids": [2, first, 4, 4, *rng.integers(5, 40, LENGTH - 5).tolist(), 3],
            "input_mask": [1] * LENGTH,
            "segment_ids": [0] * (LENGTH - swapped) + [1] * swapped,
            "masked_lm_positions": [2, 3],
            "masked_lm_ids": [first, first],
            "masked_lm_weights": [weight, weight],
            "next_sentence_labels": [swapped],
        }
        examples.append(records.serialize(values, SPEC))
    return examples


def write_records(path: pathlib.Path, examples: list[bytes]) -> None:
    """Write a TFRecord file."""
    path.write_bytes(b"".join(map(tfrecord.frame, examples)))


def write_claim(path: pathlib.Path) -> None:
    """Write metadata that let the check before training pass the file unread."""
    value = {
        "parameters": {"max_seq_length": LENGTH, "max_predictions_per_seq": MASKED},
        "vocabulary": {"sha256": "0" * 64, "size": VOCABULARY_SIZE, "path": "v.txt"},
        "file": {"bytes": path.stat().st_size},
    }
    pathlib.Path(f"{path}.json").write_text(json.dumps(value))


def make_flags(folder: pathlib.Path, **changes) -> list[str]:
    """Flags of a run on `folder`, where records and config are made if missing."""
    train, held_out = folder / "train.tfrecord", folder / "held_out.tfrecord"
    if not train.exists():
        write_records(train, make_examples(1000))
    if not held_out.exists():
        write_records(held_out, make_examples(100, seed=1))
    config = folder / "config.json"
    config.write_text(json.dumps(CONFIG))
    flags = {
        "input_file": train,
        "output_dir": folder / "model",
        "bert_config_file": config,
        "do_train": True,
        "num_train_steps": 40,
        "num_warmup_steps": 10,
        "learning_rate": 0.01,
        "train_batch_size": 8,
        "save_checkpoints_steps": INTERVAL,
        "log_every_steps": 1,
        "num_gpus": 0,
        "shuffle_buffer": 100,
        **changes,
    }
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


def read_newest(folder):
    """Return the step and all values of the newest checkpoint."""
    newest = tf.train.latest_checkpoint(str(folder))
    if newest is None:
        return None, {}
    reader = tf.train.load_checkpoint(newest)
    values = {
        name: reader.get_tensor(name) for name in reader.get_variable_to_dtype_map()
    }
    return int(values["global_step"]), values


class Done(NamedTuple):
    """A process that ended: exit status (negative for a signal), its output, steps."""

    status: int
    output: str
    steps: list[int]

    @property
    def errors(self) -> list[str]:
        return [x for x in self.output.splitlines() if x.startswith("error: ")]


class Runner:
    """Runs a script, run_pretraining.py or run_ner.py, and kills it on request."""

    def __init__(self, folder: pathlib.Path):
        self._log = folder / "log"

    def run(
        self,
        flags,
        signal_name=None,
        after_steps=0,
        delay=0.0,
        after_line="",
        file_size=None,
        script="run_pretraining",
    ) -> Done:
        """Run; after some steps and a delay, send a signal, if one is given.

        `after_line` is a pattern that the log must hold by then.

        With `file_size` it is then that no file can grow beyond so many bytes.
        """
        with open(self._log, "w") as log:
            process = forked.Popen(
                [sys.executable, f"{script}.py", *flags],
                cwd=REPO,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if signal_name or file_size:
            self._wait_for(process, after_steps, after_line)
            time.sleep(delay)
            self._disturb(process, signal_name, file_size)
        try:
            process.wait(timeout=TIME_LIMIT)
        finally:
            process.kill()
        output = self._log.read_text(errors="replace")
        steps = [int(x) for x in STEP_LINE.findall(output)]
        return Done(process.returncode, output, steps)

    def _wait_for(self, process, steps: int, line: str) -> None:
        """Return when the log holds so many steps and the line, or the run ended."""
        deadline = time.monotonic() + TIME_LIMIT
        while process.poll() is None and time.monotonic() < deadline:
            text = self._log.read_text(errors="replace")
            if len(STEP_LINE.findall(text)) >= steps and re.search(line, text):
                return
            time.sleep(0.003)

    @staticmethod
    def _disturb(process, signal_name, file_size) -> None:
        with contextlib.suppress(ProcessLookupError):  # it was quicker
            if file_size:
                limit = (file_size, file_size)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limit)
            if signal_name:
                process.send_signal(getattr(signal, signal_name))
