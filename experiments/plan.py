"""What an experiment consists of: its runs, each with its program and its flags."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
from typing import Any, Mapping, NamedTuple, Optional, Sequence

from albert.base import files
from albert.base.errors import UserError
from albert.base.settings import list_settings
from albert.tasks.classification.config import ClassificationConfig, ClassifierTuning
from albert.tasks.finetuning_config import FineTuningConfig, FineTuningRun
from albert.tasks.further_pretraining_config import FurtherPretraining
from albert.tasks.mrc.config import MrcConfig
from albert.tasks.ner.config import NerConfig
from albert.training.config import ReplicaConfig
from experiments.crf_config import CrfConfig
from experiments.data_sets import DataSet
from experiments.kinds import CLASSIFICATION, MRC, NER, Kind

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEFAULT_PROGRAM = "run_ner"
_PARTS = {"program", "flags", "arms", "sets", "seeds", "compare", "x_label"}
# What an arm or a set says beside flags of its program.
_OPTIONS = {"program", "seeds", "folds", "train_share", "x", "curve"}
_OUTPUT, _SEED = "output_dir", "random_seed"


class Program(NamedTuple):
    """What trains and scores a model.

    Attributes:
        kind: of its task.
        words: what the interpreter is given: its file, or `-m` and its module.
        flags: the names of its flags.
        given: the flags of every run.
    """

    kind: Kind
    words: tuple[str, ...]
    flags: frozenset[str]
    given: Mapping[str, Any]


def _make_program(kind: Kind, words: Sequence[str], *configs: type, **given) -> Program:
    names = {s.flag for config in configs for s in list_settings(config)}
    return Program(kind, tuple(words), frozenset(names), given)


def _make_finetuning(kind: Kind, script: str, *configs: type) -> Program:
    """Return a script that trains on train, and scores and predicts test."""
    steps = dict.fromkeys(("do_train", "do_eval", "do_predict"), True)
    words = [os.path.join(ROOT, script)]
    return _make_program(kind, words, FineTuningRun, ReplicaConfig, *configs, **steps)


PROGRAMS = {
    DEFAULT_PROGRAM: _make_finetuning(NER, "run_ner.py", FineTuningConfig, NerConfig),
    "ngram_crf": _make_program(NER, ["-m", "experiments.ngram_crf"], CrfConfig),
    "run_classifier": _make_finetuning(
        CLASSIFICATION,
        "run_classifier.py",
        *(ClassifierTuning, ClassificationConfig, FurtherPretraining),
    ),
    "run_mrc": _make_finetuning(MRC, "run_mrc.py", FineTuningConfig, MrcConfig),
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        arm, data: the names of its arm and its set.
        seed, fold: of several; the fold is None where the set is not divided.
        folder: where it and its result lie.
        program: a key of PROGRAMS.
        data_set: what it is trained and scored on.
        flags: of the program, without those that say where data and results lie.
        x: its place on a curve, if any.
        panel, curve: what the points of a curve have in common.
    """

    arm: str
    data: str
    seed: int
    fold: Optional[int]
    folder: str
    program: str
    data_set: DataSet
    flags: Mapping[str, Any]
    x: Optional[float]
    panel: str
    curve: str

    @property
    def name(self) -> str:
        """What messages call it."""
        fold = "" if self.fold is None else f", fold {self.fold}"
        return f"{self.arm} on {self.data}, seed {self.seed}{fold}"

    @property
    def kind(self) -> Kind:
        """How it is scored."""
        return PROGRAMS[self.program].kind

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides its result, as JSON values."""
        return {"program": self.program, **self.data_set._asdict(), **self.flags}

    def command(self, data_dir: str, model_dir: str) -> list[str]:
        """Return the words of its command."""
        program = PROGRAMS[self.program]
        flags = {**self.flags, "data_dir": data_dir, _OUTPUT: model_dir}
        words = [f"--{name}={value}" for name, value in flags.items()]
        given = [f"--{name}={value}" for name, value in program.given.items()]
        return [sys.executable, *program.words, *words, *given]


def read_experiment(path: str) -> dict[str, Any]:
    """Return an experiment; UserError where a part is missing or unknown."""
    value = files.read_json(path)
    if not isinstance(value, dict) or set(value) - _PARTS:
        known = ", ".join(sorted(_PARTS))
        raise UserError(f"{path}: an experiment is a JSON object of {known}")
    for name in ("arms", "sets", "seeds"):
        if not value.get(name):
            raise UserError(f"{path}: {name} is missing or empty")
    for name in itertools.chain.from_iterable(value.get("compare", [])):
        if name not in value["arms"]:
            raise UserError(f"{path}: compare names the arm {name!r}, which is unknown")
    _check_program(path, value)
    parts = {k: value[k].items() for k in ("arms", "sets")}
    for kind, named in parts.items():
        for name, part in named:
            _check_program(f"{path}: {kind[:-1]} {name!r}", part)
    known = _known_flags(value)
    for kind, named in parts.items():
        for name, part in named:
            _check_part(f"{path}: {kind[:-1]} {name!r}", name, part, known)
    _check_names(f"{path}: flags", value.get("flags", {}), known)
    for name, part in value["sets"].items():
        if "data_dir" not in part:
            raise UserError(f"{path}: set {name!r} has no data_dir")
    for data in value["sets"]:
        _check_kinds(f"{path}: set {data!r}", value, data)
    return value


def _options(experiment: Mapping[str, Any], data: str, arm: str) -> dict[str, Any]:
    """Return what an arm on a set is told, "program" included; the arm's come last."""
    common = experiment.get("flags", {})
    program = {"program": experiment.get("program", DEFAULT_PROGRAM)}
    return {**program, **common, **experiment["sets"][data], **experiment["arms"][arm]}


def _check_kinds(where: str, experiment: Mapping[str, Any], data: str) -> None:
    """Raise UserError unless the arms of a set are scored alike and can be made."""
    kinds = {}
    for arm in experiment["arms"]:
        options = _options(experiment, data, arm)
        name = options["program"]
        kind = PROGRAMS[name].kind
        kinds[kind.main] = arm
        for option in ("folds", "train_share"):
            if option in options and not kind.divides:
                raise UserError(f"{where}, arm {arm!r}: {name} has no {option} here")
    if len(kinds) > 1:
        told = " and ".join(f"{arm} ({main})" for main, arm in kinds.items())
        raise UserError(f"{where}: its arms are scored in several ways: {told}")


def _known_flags(experiment: Mapping[str, Any]) -> frozenset[str]:
    """Return the flags of all programs that an experiment may run."""
    parts = (experiment, *experiment["sets"].values(), *experiment["arms"].values())
    named = {part["program"] for part in parts if "program" in part}
    if "program" not in experiment:
        named.add(DEFAULT_PROGRAM)
    return frozenset().union(*(PROGRAMS[name].flags for name in named))


def _check_program(where: str, part: Mapping[str, Any]) -> None:
    program = part.get("program", DEFAULT_PROGRAM)
    if program not in PROGRAMS:
        known = ", ".join(PROGRAMS)
        raise UserError(f"{where}: program {program!r} is none of {known}")


def _check_part(
    where: str, name: str, part: Mapping[str, Any], known: frozenset[str]
) -> None:
    """Raise UserError unless an arm or a set is well-formed.

    Args:
        where: names it.
        known: flags; those of its own program where it names one.
    """
    if os.sep in name or name in ("", ".", ".."):
        raise UserError(f"{where}: the name of a folder holds no {os.sep!r}")
    if "program" in part:
        known = PROGRAMS[part["program"]].flags
    _check_names(where, part, known | _OPTIONS)
    share = part.get("train_share", 1)
    if not (isinstance(share, (int, float)) and 0 < share <= 1):
        raise UserError(f"{where}: train_share must be above 0 and at most 1")
    folds = part.get("folds", 2)
    if not isinstance(folds, int) or folds < 2:
        raise UserError(f"{where}: folds must be a whole number of at least 2")


def _check_names(where: str, part: Mapping[str, Any], known: frozenset[str]) -> None:
    known = known - {_OUTPUT, _SEED}  # the driver's own
    for name in part:
        if name not in known:
            raise UserError(f"{where}: there is no flag or option {name!r}")


def list_runs(experiment: Mapping[str, Any], output_dir: str) -> list[Run]:
    """Return the runs: all arms of a seed, then the next seed."""
    runs = []
    for position in range(_most_seeds(experiment)):
        for pair in itertools.product(experiment["sets"], experiment["arms"]):
            runs += _list_folds(experiment, *pair, position, output_dir)
    return runs


def _seeds_of(experiment: Mapping[str, Any], data: str, arm: str) -> Sequence[int]:
    """Return the seeds; a program without a seed has the same result with each."""
    options = _options(experiment, data, arm)
    seeds = options.get("seeds", experiment["seeds"])
    program = PROGRAMS[options["program"]]
    share = options.get("train_share", 1)
    return seeds if _SEED in program.flags or share < 1 else seeds[:1]


def _most_seeds(experiment: Mapping[str, Any]) -> int:
    pairs = itertools.product(experiment["sets"], experiment["arms"])
    return max(len(_seeds_of(experiment, *pair)) for pair in pairs)


def _list_folds(
    experiment: Mapping[str, Any], data: str, arm: str, position: int, output_dir: str
) -> list[Run]:
    """Return the runs of an arm on a set with its seed at a position, if any."""
    seeds = _seeds_of(experiment, data, arm)
    if position >= len(seeds):
        return []
    seed = seeds[position]
    a_set, an_arm = experiment["sets"][data], experiment["arms"][arm]
    options = _options(experiment, data, arm)
    program = PROGRAMS[options["program"]]
    flags = {name: options[name] for name in options if name in program.flags}
    source = flags.pop("data_dir")
    if _SEED in program.flags:
        flags[_SEED] = seed
    share, folds = options.get("train_share", 1), options.get("folds")
    runs = []
    for fold in [None] if folds is None else range(folds):
        folder = os.path.join(output_dir, data, arm, f"seed_{seed}")
        data_set = DataSet(source, folds, fold, share, seed if share < 1 else None)
        runs.append(
            Run(
                arm=arm,
                data=data,
                seed=seed,
                fold=fold,
                folder=folder if fold is None else os.path.join(folder, f"fold_{fold}"),
                program=options["program"],
                data_set=data_set,
                flags=flags,
                x=options.get("x"),
                panel=a_set.get("curve", data),
                curve=an_arm.get("curve", arm),
            )
        )
    return runs
