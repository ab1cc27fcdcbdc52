"""Run arms x sets x seeds of a task, whatever is missing; write what came out.

python3 -m experiments.arms --experiment=experiments/ner.json --output_dir=results

A run is done when its `result.json` is there. One that was stopped goes on where it
was: the programs resume. See docs/experiments.md.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import resource
import shutil
import subprocess
from typing import Any, Mapping, Optional, Sequence

from absl import logging

from albert.base import cli, files
from albert.base.errors import InUseError, UserError
from albert.base.lock import hold_folder
from albert.base.settings import ANY_PATH, INPUT_FILE, REQUIRED, Settings, setting
from experiments import data_sets
from experiments.plan import ROOT, Run, list_runs, read_experiment
from experiments.report import result_path, write_results

SETTINGS_FILE = "settings.json"  # of a run, from its beginning
_DATA_FOLDER = "_data"
_MODEL = "model"


@dataclasses.dataclass(frozen=True)
class DriverConfig(Settings):
    """An experiment and where its results go."""

    experiment: str = setting(
        REQUIRED, "A JSON file, see docs/experiments.md.", path=INPUT_FILE
    )
    output_dir: str = setting(
        REQUIRED, "The folder of the runs and of their results.", path=ANY_PATH
    )
    only: tuple[str, ...] = setting((), "The arms to run. Default: all.")
    only_sets: tuple[str, ...] = setting((), "The sets to run. Default: all.")
    keep_models: bool = setting(
        True, "Keep the models; else their predictions and scores alone."
    )


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_command(command: Sequence[str], log_file: str) -> int:
    """Run a command, its output added to a log; return its exit status.

    A signal that ends this process ends the command first, and is waited for: it
    writes a checkpoint.
    """
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    with open(log_file, "ab") as log:
        child = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": path}
        )
        try:
            return child.wait()
        except BaseException:
            child.terminate()
            child.wait()
            raise


def _last_error(log_file: str) -> str:
    """Return what a log says last of an error, or where to look."""
    with open(log_file, encoding="utf-8", errors="replace") as log:
        errors = [line.strip() for line in log if line.startswith("error: ")]
    return f"{errors[-1]} ({log_file})" if errors else f"see {log_file}"


def _model_folders(run: Run) -> list[str]:
    """Return what is there of a run's model, and of what that starts from."""
    return glob.glob(f"{glob.escape(os.path.join(run.folder, _MODEL))}*")


def _check_same_settings(run: Run) -> None:
    """Raise UserError where a run was made, or begun, with other settings than now.

    Earlier versions kept no settings of a run before it was done.
    """
    path = os.path.join(run.folder, SETTINGS_FILE)
    if os.path.exists(result_path(run)):
        before = files.read_json(result_path(run))["settings"]
    elif _model_folders(run) and os.path.exists(path):
        before = files.read_json(path)
    else:
        return
    now = run.settings
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            raise UserError(
                f"{run.folder} was made with {name} {before.get(name)!r}, the "
                f"experiment says {now.get(name)!r}; remove that folder, or give the "
                "arm another name"
            )


def _data_folder(run: Run, output_dir: str) -> str:
    """Return where the files of a run's fold or share lie."""
    parts = [output_dir, _DATA_FOLDER, run.data]
    if run.data_set.seed is not None:
        parts.append(f"share_{run.data_set.train_share:g}_seed_{run.data_set.seed}")
    if run.fold is not None:
        parts.append(f"fold_{run.fold}")
    return os.path.join(*parts)


def carry_out(run: Run, output_dir: str, keep_model: bool = True) -> Optional[str]:
    """Train and score one run, unless it is done; return why it failed, if it did.

    Raises:
        InUseError: another process is at it.
        UserError: it was begun with other settings.
    """
    data_dir = data_sets.prepare(run.data_set, _data_folder(run, output_dir))
    model = os.path.join(run.folder, _MODEL)
    log = os.path.join(run.folder, "log")
    os.makedirs(run.folder, exist_ok=True)
    with hold_folder(run.folder):
        if os.path.exists(result_path(run)):  # another process was quicker
            return None
        _check_same_settings(run)
        resumed = bool(_model_folders(run))
        files.write_json(os.path.join(run.folder, SETTINGS_FILE), run.settings)
        logging.info("Running %s", run.name)
        before = _children_seconds()
        if run_command(run.command(data_dir, model), log):
            return f"{run.name}: {_last_error(log)}"
        minutes = (_children_seconds() - before) / 60
        kind = run.kind
        value = {
            "cpu_minutes": None if resumed else minutes,
            "settings": run.settings,
            **kind.read(data_sets.find_files(data_dir, kind.suffixes), model),
        }
        shutil.copy(os.path.join(model, kind.predictions), run.folder)
        files.write_json(result_path(run), value)
        if not keep_model:
            for path in _model_folders(run):
                shutil.rmtree(path)
    return None


def _check_chosen(flag: str, chosen: Sequence[str], known: Mapping[str, Any]) -> None:
    for name in chosen:
        if name not in known:
            listed = ", ".join(known)
            raise UserError(f"--{flag}: {name!r} is none of {listed}")


def run_experiment(config: DriverConfig) -> None:
    """Run what is missing; write the results after every run, pictures at the end.

    Raises:
        UserError: the experiment is malformed, or runs failed; the others are made.
    """
    from experiments.plot import write_pictures  # needs the extra "plot"

    experiment = read_experiment(config.experiment)
    _check_chosen("only", config.only, experiment["arms"])
    _check_chosen("only_sets", config.only_sets, experiment["sets"])
    runs = [
        run
        for run in list_runs(experiment, config.output_dir)
        if (not config.only or run.arm in config.only)
        and (not config.only_sets or run.data in config.only_sets)
    ]
    for run in runs:
        data_sets.find_files(run.data_set.data_dir, run.kind.suffixes)
        _check_same_settings(run)
    os.makedirs(config.output_dir, exist_ok=True)
    failures = []
    for run in runs:
        if os.path.exists(result_path(run)):
            continue
        try:
            failure = carry_out(run, config.output_dir, config.keep_models)
        except InUseError as error:
            logging.info("%s is left to another process: %s", run.name, error)
            continue
        if failure is not None:
            logging.error("%s", failure)
            failures.append(failure)
        write_results(experiment, config.output_dir)
    cells = write_results(experiment, config.output_dir)
    write_pictures(cells, config.output_dir, experiment.get("x_label", "x"))
    if failures:
        raise UserError(f"{len(failures)} runs failed; the first: {failures[0]}")


def main(words: list[str]) -> None:
    """Run the experiment and show its table."""
    config = cli.read_flags(DriverConfig, words)
    run_experiment(config)
    print(open_table(config.output_dir))


def open_table(output_dir: str) -> str:
    """Return the Markdown of the results."""
    return "\n".join(files.read_lines(os.path.join(output_dir, "results.md")))


if __name__ == "__main__":
    cli.define_flags(DriverConfig)
    cli.run_main(main)
