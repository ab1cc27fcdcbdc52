"""A small pretraining run for tests: records, a config, the script's flags.

`Runner` runs the script in processes forked from one that has imported TensorFlow,
which saves the seconds of the import; `python -m tests.pretraining_kit` is that one.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np

from albert.records import features as records
from albert.records import tfrecord

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
        "save_checkpoints_steps": 20,
        "log_every_steps": 1,
        "num_gpus": 0,
        "shuffle_buffer": 100,
        **changes,
    }
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


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
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.pretraining_kit"],
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

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
        request = {
            "flags": flags,
            "log": str(self._log),
            "signal": signal_name,
            "after_steps": after_steps,
            "delay": delay,
            "after_line": after_line,
            "file_size": file_size,
            "script": script,
        }
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline())
        output = self._log.read_text(errors="replace")
        return Done(status, output, [int(x) for x in STEP_LINE.findall(output)])

    def close(self) -> None:
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(timeout=60)


def _run_child(request) -> None:
    """Become a run of the script, its output in the log."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = [f"{request['script']}.py", *request["flags"]]
    script = importlib.import_module(request["script"])
    from albert.base import cli

    cli.run_main(script.main)


def _is_due(request) -> bool:
    """Whether the log holds the steps and the line that are waited for."""
    try:
        with open(request["log"], errors="replace") as log:
            text = log.read()
    except FileNotFoundError:
        text = ""
    enough = len(STEP_LINE.findall(text)) >= request["after_steps"]
    return enough and re.search(request["after_line"], text) is not None


def _disturb(child: int, request) -> None:
    if request["file_size"]:
        size = request["file_size"]
        resource.prlimit(child, resource.RLIMIT_FSIZE, (size, size))
    if request["signal"]:
        os.kill(child, getattr(signal, request["signal"]))


def _serve_one(request) -> int:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(request["log"])
    child = os.fork()
    if child == 0:
        _run_child(request)
        os._exit(0)
    deadline = time.monotonic() + TIME_LIMIT
    due = None
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        now = time.monotonic()
        if now > deadline:
            os.kill(child, signal.SIGKILL)
            deadline = float("inf")
        if due is None and _is_due(request):
            due = now + request["delay"]
        if due is not None and now >= due:
            _disturb(child, request)
            due = float("inf")
        time.sleep(0.003)


def main() -> None:
    """Serve requests, one a line, until the input ends."""
    # The slow imports, made once.
    import albert.tasks.finetuning
    import albert.tasks.pretraining.run  # noqa: F401

    for line in sys.stdin:
        print(_serve_one(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
