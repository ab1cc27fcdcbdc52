"""Time and memory of data creation, in units of one plain jieba pass over the text.

    python3 benchmarks/data_creation.py CORPUS VOCABULARY [--rounds 3]

A unit is what jieba alone takes on one core to cut the lines of the corpus, its
dictionary loaded before. Units are measured before and after each run of the program,
which is the whole command with its start. On a machine with other work, the units of
processor time are the ones to trust; with several workers they are a sum over cores.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Iterator, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from albert.text.word_segmentation import load_segmenter  # noqa: E402

SETTINGS = [("jieba", 1), ("jieba", 2), ("rjieba", 1), ("rjieba", 2)]
FLAGS = (
    "--do_whole_word_mask=True",
    "--max_seq_length=512",
    "--dupe_factor=10",
    "--masked_lm_prob=0.10",
)
_SECONDS_BETWEEN_SAMPLES = 0.2


class Cost(NamedTuple):
    """What something took: seconds by the clock, seconds of processor, bytes."""

    wall: float
    processor: float
    memory: int = 0


def list_tree(process: int) -> Iterator[int]:
    """Yield a process and all that it started."""
    yield process
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            path = f"/proc/{process}/task/{thread}/children"
            for child in pathlib.Path(path).read_text().split():
                yield from list_tree(int(child))
    except OSError:
        return


def read_memory(process: int) -> int:
    """Return the memory of a process in bytes; shared pages count in proportion."""
    try:
        lines = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line[:4] == "Pss:") * 1024


def watch_memory(process: subprocess.Popen, peaks: list[int]) -> None:
    """Append the memory of a process and its descendants until it ends."""
    while process.poll() is None:
        peaks.append(sum(map(read_memory, list_tree(process.pid))))
        time.sleep(_SECONDS_BETWEEN_SAMPLES)


def run_program(corpus: str, vocabulary: str, segmenter: str, workers: int) -> Cost:
    """Run the command once."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, str(ROOT / "create_pretraining_data.py"), *FLAGS),
            f"--input_file={corpus}",
            f"--vocab_file={vocabulary}",
            f"--output_file={folder}/tf_a.tfrecord",
            f"--segmenter={segmenter}",
            f"--num_workers={workers}",
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        peaks = [0]
        watcher = threading.Thread(target=watch_memory, args=(process, peaks))
        watcher.start()
        status = process.wait()
        wall = time.perf_counter() - began
        watcher.join()
        if status:
            sys.exit(f"{' '.join(command)} ended with status {status}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, processor, max(peaks))


def count_instances(corpus: str, vocabulary: str) -> int:
    """Return how many instances a run makes, from its metadata."""
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "a"
        command = [sys.executable, str(ROOT / "create_pretraining_data.py"), *FLAGS]
        command += [f"--input_file={corpus}", f"--vocab_file={vocabulary}"]
        command.append(f"--output_file={output}")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        metadata = json.loads(output.with_suffix(".json").read_text("utf-8"))
        return metadata["counts"]["instances"]


def measure_unit(lines: list[str], cut) -> Cost:
    """Cut all lines with jieba."""
    wall, processor = time.perf_counter(), time.process_time()
    for line in lines:
        cut(line)
    return Cost(time.perf_counter() - wall, time.process_time() - processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("vocabulary")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for path in (arguments.corpus, arguments.vocabulary):
        if not os.path.isfile(path):
            parser.error(f"no such file: {path}")
    with open(arguments.corpus, encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    cut = load_segmenter("jieba")
    instances = count_instances(arguments.corpus, arguments.vocabulary)
    costs: dict[tuple[str, int], list[tuple[Cost, Cost, Cost]]] = {}
    unit = measure_unit(lines, cut)
    for _ in range(arguments.rounds):
        for setting in SETTINGS:
            cost = run_program(arguments.corpus, arguments.vocabulary, *setting)
            before, unit = unit, measure_unit(lines, cut)
            costs.setdefault(setting, []).append((before, cost, unit))
    print(f"{instances} instances; medians of {arguments.rounds} rounds")
    print("| segmenter | workers | units | units of processor | instances/s | memory |")
    print("|---|---|---|---|---|---|")
    for (segmenter, workers), rounds in costs.items():
        wall = statistics.median(2 * c.wall / (a.wall + b.wall) for a, c, b in rounds)
        processor = statistics.median(
            2 * c.processor / (a.processor + b.processor) for a, c, b in rounds
        )
        rate = statistics.median(instances / c.wall for _, c, _ in rounds)
        memory = max(c.memory for _, c, _ in rounds) / 1e6
        print(
            f"| {segmenter} | {workers} | {wall:.2f} | {processor:.2f} | {rate:,.0f} "
            f"| {memory:.0f} MB |"
        )


if __name__ == "__main__":
    main()
