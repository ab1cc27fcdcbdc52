"""The order in which a run is made, and what it makes only where needed."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import types

import pytest

from albert.base.errors import UserError
from albert.checkpoints import guard
from albert.evaluation.config import HeldOutConfig
from albert.modeling.config import AlbertConfig
from albert.tasks import pretraining_experiment as experiment
from albert.tasks import pretraining_run
from albert.tasks.electra.config import ElectraRunConfig, ObjectiveConfig
from albert.tasks.electra.run import ElectraRun
from albert.tasks.pretraining import run
from albert.tasks.pretraining.config import PretrainingConfig, PretrainingFiles
from albert.training import cluster
from albert.training.cluster_config import ClusterConfig
from albert.training.config import ReplicaConfig, TrainingConfig

CONFIG = AlbertConfig(vocab_size=6, hidden_size=8, num_attention_heads=2)


CLUSTER = ClusterConfig(("a:1", "b:2"), 1, chief_named=True)


class Enough(Exception):
    """Ends the making of a run."""


def test_devices_are_set_up_before_a_model_may_be_converted(monkeypatch):
    calls = []

    def fail(*_):
        raise Enough

    for name in ("load_encoder_config", "set_up_devices", "resolve_init"):
        note = lambda *_, name=name, **__: calls.append(name)  # noqa: E731
        module = run if name == "load_encoder_config" else pretraining_run
        monkeypatch.setattr(module, name, note)
    monkeypatch.setattr(run, "inspect_records", fail)
    with pytest.raises(Enough):
        run.make_run(
            PretrainingConfig(do_train=True),
            PretrainingFiles("config.json", ("a",)),
            TrainingConfig("model"),
            None,
            ReplicaConfig(),
        )
    assert calls.index("set_up_devices") < calls.index("resolve_init")


@pytest.mark.parametrize("vectors", [None, "vectors.txt"])
def test_a_folder_is_made_for_vectors_alone(monkeypatch, tmp_path, vectors):
    made = []
    parts = dict.fromkeys(f.name for f in dataclasses.fields(run.PretrainingRun))
    parts.update(
        config=PretrainingConfig(do_train=True),
        files=types.SimpleNamespace(init_vectors=vectors),
        training=types.SimpleNamespace(output_dir=str(tmp_path / "model")),
        replicas=ReplicaConfig(),
    )
    settings = run.PretrainingRun(**parts)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(experiment, "_train", lambda run, start: None)
    monkeypatch.setattr(
        experiment,
        "_prepare_training",
        lambda run, scratch: made.extend(p.name for p in tmp_path.iterdir()),
    )
    experiment._work(settings)
    assert len(made) == (vectors is not None)


def test_results_are_written_before_baselines_are_counted(monkeypatch, tmp_path):
    def count(*_):
        assert (tmp_path / "eval_results.txt").read_text() == "loss = 1.5\n"
        raise Enough

    evaluator = types.SimpleNamespace(evaluate=lambda checkpoint: {"loss": 1.5})
    settings = types.SimpleNamespace(
        config=PretrainingConfig(do_eval=True, dynamic_masking=True),
        files=types.SimpleNamespace(eval_checkpoint=None, eval_files=("a",)),
        training=types.SimpleNamespace(output_dir=str(tmp_path)),
        model=types.SimpleNamespace(vocab_size=30),
        vocabulary=None,
        warn_of_labels=lambda checkpoint: None,
        make_evaluator=lambda max_batches: evaluator,
        explain=count,
    )
    monkeypatch.setattr(experiment.storage, "resolve", lambda path, flag: path)
    monkeypatch.setattr(experiment.guard, "check_pair", lambda *_: None)
    with pytest.raises(Enough):
        experiment._evaluate(settings)


@pytest.mark.parametrize(
    ("trained", "given", "continuation_labels", "warned"),
    [
        (True, False, True, True),
        (True, False, None, True),  # nothing says which labels the records have
        (False, True, True, True),
        (True, False, False, False),  # plain labels either way
        (True, True, True, False),
        (None, False, True, False),  # of an earlier version
    ],
)
def test_other_labels_than_those_trained_for_are_warned_of(
    monkeypatch, tmp_path, trained, given, continuation_labels, warned
):
    settings = types.SimpleNamespace(
        config=PretrainingConfig(do_eval=True, dynamic_masking=given),
        files=types.SimpleNamespace(eval_files=(str(tmp_path / "a"),)),
    )
    (tmp_path / "a").touch()
    if continuation_labels is not None:
        parameters = {"continuation_labels": continuation_labels}
        metadata = {"parameters": parameters}
        (tmp_path / "a.json").write_text(json.dumps(metadata))
    flags = {} if trained is None else {"dynamic_masking": trained}
    guard.prepare(str(tmp_path / "model"), CONFIG, trained_with=flags)
    warnings = []
    monkeypatch.setattr(run.logging, "warning", lambda *words: warnings.append(words))
    checkpoint = str(tmp_path / "model/model.ckpt-5")
    run.PretrainingRun.warn_of_labels(settings, checkpoint)
    assert len(warnings) == warned
    if warned:
        assert warnings[0][1:] == (checkpoint, trained, given)


def _make_trainer(kind, path, **changes):
    """Return the run of a machine, of what it compares with others alone."""
    parts = dict.fromkeys(field.name for field in dataclasses.fields(kind))
    parts.update(
        model=CONFIG,
        held_out=HeldOutConfig(),
        files=types.SimpleNamespace(train_files=[str(path)]),
        replicas=types.SimpleNamespace(cluster=CLUSTER),
    )
    return kind(**{**parts, **changes})


WORDS = PretrainingConfig(do_train=True)
TOKENS = {"config": ElectraRunConfig(do_train=True), "objective": ObjectiveConfig()}
DROPOUT = dataclasses.replace(CONFIG, hidden_dropout_prob=0.5)


@pytest.mark.parametrize(
    ("kind", "chief", "worker", "message"),
    [
        (
            run.PretrainingRun,
            {"config": WORDS},
            {"config": WORDS, "model": DROPOUT},
            "the model's config, hidden_dropout_prob: chief 0 .* has 0.0, .* has 0.5",
        ),
        (
            run.PretrainingRun,
            {"config": WORDS},
            {"config": dataclasses.replace(WORDS, dynamic_masking=True)},
            "their flags, dynamic_masking: chief 0 .* has False, .* has True",
        ),
        (
            run.PretrainingRun,
            {"config": WORDS},
            {"config": dataclasses.replace(WORDS, objectives="masked_lm:1")},
            "their flags, objectives",
        ),
        (
            run.PretrainingRun,
            {"config": WORDS},
            {"config": WORDS, "held_out": HeldOutConfig(eval_every_steps=2)},
            "their flags, eval_every_steps",
        ),
        (
            ElectraRun,
            TOKENS,
            {**TOKENS, "objective": ObjectiveConfig(temperature=0.5)},
            "their flags, temperature: chief 0 .* has 1.0, .* has 0.5",
        ),
    ],
)
def test_machines_with_another_model_or_other_flags_stop(
    monkeypatch, tmp_path, kind, chief, worker, message
):
    told = {}

    def exchange(_, what, value):
        told.setdefault(what, []).append(value)
        return told[what]

    monkeypatch.setattr(cluster, "exchange", exchange)
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"12")
    experiment._compare_machines(_make_trainer(kind, path, **chief))
    experiment._compare_machines(_make_trainer(kind, path, **chief))
    told = {what: values[:1] for what, values in told.items()}
    with pytest.raises(UserError, match=f"the machines differ in {message}"):
        experiment._compare_machines(_make_trainer(kind, path, **worker))
