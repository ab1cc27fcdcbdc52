"""What holds for every encoder with every head, by being a row of the tables."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil

import numpy as np
import pytest
import tensorflow as tf

import albert.tasks
from albert.base.settings import list_settings
from albert.checkpoints import restoring, storage
from albert.checkpoints.export import export
from albert.evaluation.evaluator import CheckpointEvaluator
from albert.modeling.encoder import (
    ARCHITECTURES,
    load_encoder_config,
    make_encoder_builder,
    parse_encoder_config,
)
from albert.tasks.finetuning_task import FineTuningTask
from albert.training.config import ReplicaConfig
from albert.training.task import EVAL, PREDICT, Task
from tests.conformance.goldens import GOLDENS, load_random_values
from tests.conformance.heads import HEADS
from tests.conformance.kit import (
    TOKENS,
    Case,
    Encoded,
    FixedExamples,
    make_examples,
    small_config,
)
from tests.golden import plain_session, relative_error

v1 = tf.compat.v1
ONE_CPU = ReplicaConfig(num_gpus=0)
PAIRS = [
    (architecture, name)
    for architecture in ARCHITECTURES
    for name, head in HEADS.items()
    if head.encoders is None or architecture in head.encoders
]


def is_quick(architecture, head):
    """Whether --fast runs a pair: every encoder with a head, every task with one."""
    of_one = architecture == "albert_zh" and not HEADS[head].variant
    return head == "pretraining" or of_one


# --- What is in the tables is in the suite ---------------------------------------


# Made of heads that have rows; see tests/tasks/test_multitask.py.
COMPOSED = {"MultiTask", "ScopedTask"}


def find_tasks():
    """The tasks that a script can run, by import of all of `albert.tasks`."""
    for module in pkgutil.walk_packages(albert.tasks.__path__, "albert.tasks."):
        found = importlib.import_module(module.name)
        for _, value in inspect.getmembers(found, inspect.isclass):
            is_task = issubclass(value, Task) and not inspect.isabstract(value)
            if is_task and value.__name__ not in COMPOSED:
                yield value


def test_every_encoder_has_goldens():
    assert set(GOLDENS) == set(ARCHITECTURES)


def test_every_task_and_every_choice_of_its_model_has_a_row():
    """Of the settings that a trained model cannot change."""
    tasks = [
        head.task(small_config((head.encoders or ["albert_zh"])[0]))
        for head in HEADS.values()
    ]
    wanted = set(find_tasks())
    assert {type(task) for task in tasks} >= wanted
    assert len(wanted) >= 5
    for kind in wanted:
        if issubclass(kind, FineTuningTask):
            rows = [task.settings for task in tasks if type(task) is kind]
            for setting in list_settings(kind.settings_class):
                if setting.name not in set(kind.fixed_settings) - {"do_lower_case"}:
                    continue
                choices = (False, True) if setting.type is bool else setting.choices
                used = {getattr(settings, setting.name) for settings in rows}
                assert used >= set(choices or ()), f"{kind.__name__}: {setting.name}"


# --- Encoders --------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_config_survives_its_file_and_names_its_row(architecture):
    config = small_config(architecture)
    values = json.loads(json.dumps(config.to_dict()))
    assert parse_encoder_config(values, "c.json") == config
    assert values.get("architecture", "albert_zh") == architecture


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_variables_lie_in_the_scope_asked_for(architecture):
    config = small_config(architecture)
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None, 8])
        for scope in (config.scope, "second"):
            make_encoder_builder(config)(ids, ids, ids, scope=scope)
        shapes = {v.op.name: v.shape.as_list() for v in restoring.model_variables()}
    own = {n for n in shapes if n.startswith(f"{config.scope}/")}
    assert len(own) * 2 == len(shapes)
    for name in own:
        assert shapes[name.replace(config.scope, "second", 1)] == shapes[name]
    words = shapes[f"{config.scope}/embeddings/word_embeddings"]
    assert words == [len(TOKENS), config.word_embedding_size]


@pytest.mark.parametrize(
    "golden", [pytest.param(row, id=n) for n, rows in GOLDENS.items() for row in rows]
)
def test_outputs_are_those_of_a_reference(golden):
    names = set()
    for name, found, wanted, tolerance in golden():
        assert found.shape == wanted.shape, name
        assert relative_error(found, wanted) < tolerance, name
        names.add(name)
    assert "sequence" in names


# --- Every encoder with every head -----------------------------------------------


class Built:
    """A pair's graph over all examples, with random variables in a session."""

    def __init__(self, architecture, head):
        self.quick, self.config = (
            is_quick(architecture, head),
            small_config(architecture),
        )
        self.row = HEADS[head]
        self.task = self.row.task(self.config)
        self.examples = make_examples(self.row)
        self.calls = []
        with tf.Graph().as_default():
            self.features = {
                name: v1.placeholder(spec.dtype, spec.shape, name)
                for name, spec in self.task.features(EVAL).items()
            }
            output = self.task.build(self.features, EVAL, self._encode)
            self.output = {"predictions": dict(output.predictions)}
            self.output["losses"] = {
                name: (term.total, term.weight) for name, term in output.losses.items()
            }
            variables = restoring.model_variables()
            self.session = plain_session()  # exports below run as users have them
            self.session.run(v1.global_variables_initializer())
            self.values = load_random_values(self.session)
            self.shapes = {v.op.name: v.shape.as_list() for v in variables}

    def _encode(self, *inputs, **how):
        found = make_encoder_builder(self.config)(*inputs, **how)
        tensors = (found.embedding_output, found.sequence, found.layers, found.pooled)
        self.calls.append(Encoded(*tensors))
        return found

    def run(self, **changes):
        """Return the outputs, and what the encoder gave, each time it was built."""
        examples = {**self.examples, **changes}
        feed = {self.features[n]: examples[n] for n in self.features}
        return self.session.run((self.output, self.calls), feed)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            pair, id="-".join(pair), marks=() if is_quick(*pair) else pytest.mark.slow
        )
        for pair in PAIRS
    ],
)
def built(request):
    built = Built(*request.param)
    yield built
    built.session.close()


def assert_close(found, wanted, what, tolerance):
    """Compare where anything particular is wanted, to the largest wanted value."""
    wanted = np.asarray(wanted, np.float64)
    assert found.shape == wanted.shape, what
    given = ~np.isnan(wanted)
    assert given.any(), what
    assert relative_error(found[given], wanted[given]) < tolerance, what


def test_predictions_and_losses_are_those_of_numpy(built):
    found, calls = built.run()
    calls = [Encoded(*call) for call in calls]
    wanted = built.row.reference(
        Case(built.task, built.config, built.values, calls, built.examples)
    )
    assert set(found["predictions"]) == set(wanted.predictions)
    for name, value in wanted.predictions.items():
        assert_close(found["predictions"][name], value, name, built.row.tolerance)
    assert set(found["losses"]) == set(wanted.losses)
    for name, pair in wanted.losses.items():
        np.testing.assert_allclose(found["losses"][name], pair, rtol=3e-5)


def test_losses_do_not_depend_on_what_is_padded(built):
    ids, mask = built.examples["input_ids"], built.examples["input_mask"]
    noise = np.where(mask == 1, ids, 7).astype(np.int32)
    assert np.any(noise != ids)
    (wanted, _), (found, _) = built.run(), built.run(input_ids=noise)
    for name, pair in wanted["losses"].items():
        np.testing.assert_allclose(found["losses"][name], pair, rtol=1e-5)


@pytest.mark.slow
def test_an_export_predicts_and_scores_as_the_model_did(built, tmp_path):
    """Variables go through a checkpoint, an export and new graphs."""
    if built.row.variant and built.config.architecture != "albert_zh":
        pytest.skip("a variant is exported with one encoder")
    wanted = built.run()[0]["predictions"]
    storage.write_variables(
        str(tmp_path / "model.ckpt-1"),
        {name: value.astype(np.float32) for name, value in built.values.items()},
    )
    config = tmp_path / "albert_config.json"
    config.write_text(json.dumps(built.config.to_dict()))
    vocabulary = "".join(f"{token}\n" for token in TOKENS)
    (tmp_path / "vocab.txt").write_text(vocabulary, "utf-8")
    out = tmp_path / "out"
    assert export(str(tmp_path / "model.ckpt-1"), str(out)) == built.shapes
    loaded = load_encoder_config(str(out / "albert_config.json"))
    assert loaded == built.config
    for mode in (EVAL, PREDICT) if built.quick else (PREDICT,):
        evaluator = CheckpointEvaluator(
            built.row.task(loaded),
            FixedExamples(built.examples),
            make_encoder_builder(loaded),
            6,
            mode,
            replicas=ONE_CPU,
        )
        batches = list(evaluator.batches(storage.resolve(str(out), "x")))
        evaluator.close()
        assert len(batches) == 2
        assert batches[0]
        for name in batches[0]:
            for index, batch in enumerate(batches):
                value = batch[name]
                whole = wanted[name][6 * index : 6 * index + 6]
                # A batch is as wide as its longest example.
                part = whole[tuple(slice(size) for size in value.shape)]
                np.testing.assert_allclose(value, part, rtol=1e-4, atol=1e-4)
