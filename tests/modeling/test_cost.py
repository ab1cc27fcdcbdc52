"""Operations, variables and memory by formula against what TensorFlow's graph holds."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling import operations, sizes
from albert.modeling.encoder import make_encoder_builder, parse_encoder_config
from albert.tasks.electra.config import ObjectiveConfig
from albert.tasks.electra.masking import SpecialIds
from albert.tasks.electra.source import EXAMPLE_NUMBER
from albert.tasks.electra.task import ElectraTask
from albert.tasks.pretraining.task import PretrainingTask
from albert.training.config import TrainingConfig
from albert.training.step import build_train_step
from albert.training.task import TRAIN

v1 = tf.compat.v1

EXAMPLES, LENGTH, MASKS = 2, 10, 3
BASE = {
    "vocab_size": 50,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 16,
}
ENCODERS = {
    "albert_zh": {"embedding_size": 6},
    "bert": {"architecture": "bert"},
    "albert": {"architecture": "albert", "embedding_size": 6, "num_hidden_groups": 2},
    "conv": {
        "architecture": "conv",
        "embedding_size": 6,
        "kernel_size": 3,
        "num_hidden_layers": 1,
        "num_attention_layers": 1,
    },
}


def make_config(values, **changes):
    return parse_encoder_config({**BASE, **values, **changes}, "test")


def build_step(task, config):
    """The graph of a training step on a batch of fixed shapes, and what to feed it."""
    inputs = {
        name: v1.placeholder(spec.dtype, [EXAMPLES, *spec.shape[1:]])
        for name, spec in task.features(TRAIN).items()
    }
    settings = TrainingConfig("unused", 1e-3, 100, 10, EXAMPLES, optimizer="adamw")
    step = build_train_step(task, make_encoder_builder(config), inputs, settings)
    feed = {x: np.zeros(x.shape, x.dtype.as_numpy_dtype) for x in inputs.values()}
    feed[inputs["input_ids"]] += 7
    feed[inputs["input_mask"]] += 1
    if EXAMPLE_NUMBER in inputs:
        feed[inputs[EXAMPLE_NUMBER]] += np.arange(EXAMPLES)
    return step.train_op, feed


def run_traced(train_op, feed):
    """The names of the operations that a step runs, none of them fused or left out."""
    settings = v1.ConfigProto()
    settings.graph_options.rewrite_options.disable_meta_optimizer = True
    settings.graph_options.optimizer_options.opt_level = -1
    trace = v1.RunMetadata()
    with v1.Session(config=settings) as session:
        session.run(v1.global_variables_initializer())
        options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
        session.run(train_op, feed, options=options, run_metadata=trace)
    return {n.node_name for d in trace.step_stats.dev_stats for n in d.node_stats}


def count_product(operation):
    """Floating point operations of a matrix product or convolution, 0 for others."""
    if operation.type in ("MatMul", "BatchMatMulV2"):
        flag = "transpose_a" if operation.type == "MatMul" else "adj_x"
        inner = operation.inputs[0].shape[-2 if operation.get_attr(flag) else -1]
        return 2 * operation.outputs[0].shape.num_elements() * inner
    kinds = {
        "Conv2D": ("inputs", 1, "outputs", 0),
        "Conv2DBackpropInput": ("inputs", 1, "inputs", 2),
        "Conv2DBackpropFilter": ("outputs", 0, "inputs", 2),
    }
    if operation.type not in kinds:
        return 0
    kernel, i, output, j = kinds[operation.type]
    height, width, channels, _ = getattr(operation, kernel)[i].shape
    size = getattr(operation, output)[j].shape.num_elements()
    return 2 * size * height * width * channels


def count_in_graph(task, config):
    """Operations of the products that one step runs, and the numbers of its model."""
    with tf.Graph().as_default() as graph:
        ran = run_traced(*build_step(task, config))
        done = [op for op in graph.get_operations() if op.name in ran]
        shapes = [v.shape.num_elements() for v in v1.trainable_variables()]
    return sum(map(count_product, done)), sum(shapes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_a_masked_language_model_is_counted_as_it_runs(name):
    config = make_config(ENCODERS[name])
    task = PretrainingTask(config, LENGTH, MASKS, length_buckets=False)
    done, count = count_in_graph(task, config)
    work = operations.masked_lm_work(config, LENGTH, MASKS)
    cost = operations.step_cost(work, EXAMPLES, count)
    assert cost.forward + cost.backward == done
    assert sizes.count_masked_lm(config) == count


@pytest.mark.slow
def test_electra_is_counted_as_it_runs():
    """A generator of half the width."""
    changes = {"hidden_size": 128, "embedding_size": 6, "num_attention_heads": 2}
    config = make_config({"architecture": "electra"}, **changes)
    objective = ObjectiveConfig(generator_hidden_size=0.5, mask_prob=0.3)
    task = ElectraTask(
        config, objective, LENGTH, SpecialIds(2, 3, 4), length_buckets=False
    )
    done, count = count_in_graph(task, config)
    networks = (config, task.generator_config)
    work = operations.electra_work(*networks, LENGTH, MASKS)
    cost = operations.step_cost(work, EXAMPLES, count)
    assert cost.forward + cost.backward == done
    assert sizes.count_electra(*networks) == count


# What a graph holds without computing it.
GIVEN = ("Const", "Placeholder", "VariableV2", "VarHandleOp", "ReadVariableOp")


def _through_views(tensor):
    """The tensor whose buffer this one is."""
    while tensor.op.type in ("IdentityN", "Reshape", "Identity", "ExpandDims"):
        kept = tensor.op.type == "IdentityN"
        tensor = tensor.op.inputs[tensor.value_index if kept else 0]
    return tensor


def count_kept_bytes(config):
    """Bytes that the forward pass computes and the backward pass reads."""
    with tf.Graph().as_default() as graph:
        task = PretrainingTask(config, LENGTH, MASKS, length_buckets=False)
        build_step(task, config)
        kept = {}
        for op in graph.get_operations():
            if op.name.startswith("gradients"):
                for tensor in map(_through_views, op.inputs):
                    made = tensor.op.type not in GIVEN
                    ours = not tensor.op.name.startswith("gradients")
                    if ours and made and tensor.dtype in (tf.float32, tf.bool):
                        kept[tensor.name] = tensor
        return sum(t.shape.num_elements() * t.dtype.size for t in kept.values())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dropout"), [("bert", 0.1), ("conv", 0.0)])
def test_a_layer_keeps_what_its_gradient_reads(name, dropout):
    """By the difference that a further layer makes."""
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    changes = {**rates, "num_attention_layers": 0} if name == "conv" else rates
    config = make_config(ENCODERS[name], **changes)
    more = dataclasses.replace(config, num_hidden_layers=config.num_hidden_layers + 1)
    difference = count_kept_bytes(more) - count_kept_bytes(config)
    assert sizes.layer_bytes(config, EXAMPLES, LENGTH) == difference


def test_other_architectures_are_refused_by_name():
    values = {"vocab_size": 50, "hidden_size": 12, "embedding_size": 6}
    config = parse_encoder_config({"architecture": "bilstm", **values}, "test")
    for count in (
        lambda: operations.masked_lm_work(config, LENGTH, MASKS),
        lambda: sizes.count_masked_lm(config),
        lambda: sizes.layer_bytes(config, EXAMPLES, LENGTH),
    ):
        with pytest.raises(UserError, match="there is no formula .* bilstm"):
            count()


@pytest.fixture
def estimate(repo, monkeypatch):
    """The module of the benchmark."""
    monkeypatch.syspath_prepend(str(repo / "benchmarks"))
    import estimate

    yield estimate
    del sys.modules["estimate"]


@pytest.mark.parametrize(
    ("name", "published"), [("ELECTRA small", 1.4e18), ("ELECTRA base", 6.4e19)]
)
def test_published_runs_cost_about_what_their_paper_says(
    estimate, repo, name, published
):
    """Clark et al. (2020), table 1, "Train FLOPs": they count more than products."""
    config = make_config(ENCODERS["albert_zh"])
    run = estimate.list_recipes(config, config)[name]
    assert 0.7 * published < run.cost.total * run.steps < 1.2 * published


def test_days_follow_from_the_rate(estimate):
    config = make_config(ENCODERS["albert_zh"])
    run = estimate.make_run(config, 0, 4, LENGTH, MASKS, 86_400)
    assert run.days(run.cost.total) == 1.0
    lines = estimate.describe_run(run, 1e9, 0.5)
    assert sum("ESTIMATE" in line for line in lines) == len(estimate.DEVICES) + 1
