"""Run arms x sets x seeds of NER, whatever is missing, and write what came out.

python3 -m experiments.arms --experiment=experiments/ner.json --output_dir=results

A run is done when its `result.json` is there. One that was stopped goes on where it
was: run_ner.py resumes. Results: `results.json`, `results.md`.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import resource
import subprocess
import sys
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import numpy as np
from absl import logging

from albert.base import cli, files
from albert.base.errors import UserError
from albert.base.settings import ANY_PATH, INPUT_FILE, REQUIRED, Settings, setting
from albert.tasks.ner.conll import read_conll
from albert.tasks.ner.entities import read_strict
from albert.tasks.ner.tag_schemes import detect_scheme
from experiments.intervals import Difference, Summary, compare, summarise

RESULT_FILE = "result.json"
_KEYS = {"flags", "arms", "sets", "seeds", "compare"}


@dataclasses.dataclass(frozen=True)
class DriverConfig(Settings):
    """An experiment and where its results go."""

    experiment: str = setting(
        REQUIRED,
        "A JSON file: flags of run_ner.py for all (flags), for each arm (arms) and "
        "each set (sets), the seeds, and the pairs of arms to compare (compare).",
        path=INPUT_FILE,
    )
    output_dir: str = setting(
        REQUIRED, "The folder of the runs and of their results.", path=ANY_PATH
    )
    only: tuple[str, ...] = setting((), "The arms to run. Default: all.")


class Run(NamedTuple):
    """One training: its names, its folder and its flags."""

    arm: str
    data: str
    seed: int
    folder: str
    flags: Mapping[str, Any]


def read_experiment(path: str) -> dict[str, Any]:
    """Return an experiment; UserError where a part is missing or unknown."""
    value = files.read_json(path)
    if not isinstance(value, dict) or set(value) - _KEYS:
        known = ", ".join(sorted(_KEYS))
        raise UserError(f"{path}: an experiment is a JSON object of {known}")
    for name in ("arms", "sets", "seeds"):
        if not value.get(name):
            raise UserError(f"{path}: {name} is missing or empty")
    for name in itertools.chain.from_iterable(value.get("compare", [])):
        if name not in value["arms"]:
            raise UserError(f"{path}: compare names the arm {name!r}, which is unknown")
    return value


def list_runs(experiment: Mapping[str, Any], output_dir: str) -> Iterator[Run]:
    """Yield the runs: all arms of a seed, then the next seed."""
    sets, arms = experiment["sets"], experiment["arms"]
    for seed, data, arm in itertools.product(experiment["seeds"], sets, arms):
        folder = os.path.join(output_dir, data, arm, f"seed_{seed}")
        flags = {**experiment.get("flags", {}), **sets[data], **arms[arm]}
        yield Run(arm, data, seed, folder, {**flags, "random_seed": seed})


def carry_out(run: Run) -> None:
    """Train and score one run, unless it is done; UserError where it fails."""
    result = os.path.join(run.folder, RESULT_FILE)
    if os.path.exists(result):
        return
    os.makedirs(run.folder, exist_ok=True)
    model = os.path.join(run.folder, "model")
    wanted = {"output_dir": model, "do_train": True, "do_eval": True}
    flags = {**run.flags, **wanted, "do_predict": True}
    command = [sys.executable, "run_ner.py", *(f"--{k}={v}" for k, v in flags.items())]
    logging.info("Running %s on %s, seed %d", run.arm, run.data, run.seed)
    before = _children_seconds()
    with open(os.path.join(run.folder, "log"), "ab") as log:
        status = subprocess.call(command, stdout=log, stderr=log)
    if status:
        raise UserError(f"{' '.join(command)} ended with {status}; see {log.name}")
    scores = read_scores(os.path.join(model, "eval_results.txt"))
    spent = (_children_seconds() - before) / 60
    value = {"scores": scores, "cpu_minutes": spent, "flags": dict(run.flags)}
    files.write_json(result, value)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_scores(path: str) -> dict[str, float]:
    """Return the numbers of a file of lines `key = value`."""
    pairs = (line.split(" = ", 1) for line in files.read_lines(path) if " = " in line)
    scores = {}
    for key, value in pairs:
        try:
            scores[key] = float(value)
        except ValueError:
            continue
    return scores


def count_entities(gold_file: str, predicted_file: str) -> np.ndarray:
    """Return correct, predicted and gold entities of each sentence, int [N, 3]."""
    gold, predicted = (
        [sentence.tags for sentence in read_conll(path, True).sentences]
        for path in (gold_file, predicted_file)
    )
    scheme = detect_scheme({tag for tags in gold for tag in tags})
    rows = []
    for expected, found in zip(gold, predicted):
        spans, guesses = (set(read_strict(tags, scheme)) for tags in (expected, found))
        rows.append((len(spans & guesses), len(guesses), len(spans)))
    return np.array(rows)


def _cells(name: str, runs: Sequence[Mapping[str, Any]]) -> str:
    f, precision, recall = (
        summarise([run["scores"][key] for run in runs])
        for key in ("eval_f", "eval_precision", "eval_recall")
    )
    minutes = summarise([run["cpu_minutes"] for run in runs])
    return (
        f"| {name} | {_percent(f)} | {precision.mean:.1%} | {recall.mean:.1%} | "
        f"{f.count} | {minutes.mean:.1f} |"
    )


def _percent(summary: Summary) -> str:
    if summary.count == 1:
        return f"{summary.mean:.1%}"
    return f"{summary.mean:.1%} ± {summary.half_width:.1%} (sd {summary.deviation:.1%})"


def make_table(
    done: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]],
    differences: Mapping[tuple[str, str, str], Difference],
) -> str:
    """Return the results in Markdown; `done` by set and arm."""
    lines = ["Strict F1 on test, mean over seeds ± half of its 95 % interval.", ""]
    lines += [
        "| set, arm | F1 | P | R | seeds | CPU minutes |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_cells(f"{data}, {arm}", runs) for (data, arm), runs in done.items()]
    if differences:
        lines += ["", "Differences, paired bootstrap over sentences and seeds:", ""]
        lines += ["| set, arms | difference | 95 % interval |", "|---|---|---|"]
    for (data, first, second), found in differences.items():
        lines.append(
            f"| {data}, {first} minus {second} | {100 * found.mean:+.1f} | "
            f"{100 * found.low:+.1f} to {100 * found.high:+.1f} |"
        )
    return "\n".join(lines) + "\n"


def write_report(experiment: Mapping[str, Any], output_dir: str) -> str:
    """Write the results of the runs that are done; return the Markdown."""
    done: dict[tuple[str, str], list] = {}
    counts: dict[tuple[str, str], list] = {}
    for run in list_runs(experiment, output_dir):
        result = os.path.join(run.folder, RESULT_FILE)
        if not os.path.exists(result):
            continue
        done.setdefault((run.data, run.arm), []).append(files.read_json(result))
        predicted = os.path.join(run.folder, "model", "predictions_test.conll")
        gold = os.path.join(run.flags["data_dir"], "test.conll")
        if os.path.exists(gold) and os.path.exists(predicted):
            found = count_entities(gold, predicted)
            counts.setdefault((run.data, run.arm), []).append(found)
    differences = {
        (data, first, second): compare(
            np.stack(counts[data, first]), np.stack(counts[data, second])
        )
        for data in experiment["sets"]
        for first, second in experiment.get("compare", [])
        if (data, first) in counts and (data, second) in counts
    }
    table = make_table(done, differences)
    runs = [
        {"set": data, "arm": arm, "runs": found} for (data, arm), found in done.items()
    ]
    compared = [[*names, *found] for names, found in differences.items()]
    files.write_json(
        os.path.join(output_dir, "results.json"), {"runs": runs, "compare": compared}
    )
    files.write_text(os.path.join(output_dir, "results.md"), table)
    return table


def main(words: list[str]) -> None:
    """Run what is missing and write the results after every run."""
    cli.refuse_extra_arguments(words)
    config = cli.read_flags(DriverConfig)
    experiment = read_experiment(config.experiment)
    unknown = [name for name in config.only if name not in experiment["arms"]]
    if unknown:
        known = ", ".join(experiment["arms"])
        raise UserError(f"only: the arm {unknown[0]!r} is none of {known}")
    for run in list_runs(experiment, config.output_dir):
        if not config.only or run.arm in config.only:
            carry_out(run)
            write_report(experiment, config.output_dir)
    print(write_report(experiment, config.output_dir))


if __name__ == "__main__":
    cli.define_flags(DriverConfig)
    cli.run_main(main)
