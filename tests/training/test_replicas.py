"""Several replicas on one global batch do what one replica does."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints.restoring import SLOT_NAMES
from albert.training import replicas
from albert.training.config import ReplicaConfig
from albert.training.task import LossTerm
from tests import forked
from tests.golden import Golden, placeholders, relative_error
from tests.replica_run import MODELS, uneven_examples

v1 = tf.compat.v1
KEY_BIAS = "attention/self/key/bias"


def train_in_own_process(
    repo, num_replicas, output_dir, parts=1, batch_size=6, model="postln"
):
    script = "tests.replica_run"
    arguments = [str(x) for x in (model, num_replicas, output_dir, batch_size, parts)]
    forked.run(
        [sys.executable, "-m", script, *arguments], cwd=repo, check=True, timeout=240
    )
    return str(output_dir / "model.ckpt-10")


def check_equal(found, wanted):
    """Compare checkpoints: weights to 1e-5, sums of gradients, which cancel, to 1e-4.

    Attention does not depend on the key bias: its gradient is rounding, which LAMB
    scales up. That it changes nothing is seen in the outputs.
    """
    found, wanted = tf.train.load_checkpoint(found), tf.train.load_checkpoint(wanted)
    names = set(wanted.get_variable_to_shape_map())
    assert names == set(found.get_variable_to_shape_map())
    for name in names:
        if KEY_BIAS not in name:
            error = relative_error(found.get_tensor(name), wanted.get_tensor(name))
            assert error < (1e-4 if name.endswith(SLOT_NAMES) else 1e-5), name


@pytest.fixture(scope="module")
def one_replica(repo, tmp_path_factory):
    return train_in_own_process(repo, 1, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def one_replica_of_electra(repo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one_electra")
    return train_in_own_process(repo, 1, folder, model="electra")


# The name of a model -> the fixture of what one replica makes of it.
ONE_REPLICA = {"postln": "one_replica", "electra": "one_replica_of_electra"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_replicas", "micro_batches"), [(2, 1), (3, 1), (1, 3), (2, 3)]
)
def test_replicas_and_micro_batches_end_with_the_weights_of_one(
    repo, testdata, tmp_path, one_replica, num_replicas, micro_batches
):
    several = train_in_own_process(repo, num_replicas, tmp_path, micro_batches)
    check_equal(several, one_replica)
    golden = Golden(testdata / "modeling/postln")
    start = tf.train.load_checkpoint(golden.checkpoint)
    found = tf.train.load_checkpoint(several)
    kernel = "bert/pooler/dense/kernel"
    moved = relative_error(found.get_tensor(kernel), start.get_tensor(kernel))
    assert moved > 1e-3  # training did move the weights
    outputs = [sequence_output(golden, c) for c in (one_replica, several)]
    assert relative_error(outputs[1], outputs[0]) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_xla_compiles_and_ends_with_the_same_weights(repo, tmp_path, request, model):
    one_replica = request.getfixturevalue(ONE_REPLICA[model])
    arguments = [model, "1", str(tmp_path), "6", "1", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.replica_run", *arguments],
        cwd=repo,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"},
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "Compiled cluster using XLA" in done.stderr
    check_equal(str(tmp_path / "model.ckpt-10"), one_replica)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in sockets]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_two_machines_end_with_the_weights_of_one(repo, tmp_path, request, model):
    one_replica = request.getfixturevalue(ONE_REPLICA[model])
    ports, script = free_ports(2), "tests.worker_run"
    environment = {k: v for k, v in os.environ.items() if k.lower() != "http_proxy"}
    environment[forked.OPTIMIZED] = "1"  # TensorFlow joins the sums of gradients
    workers = [
        forked.Popen(
            [sys.executable, "-m", script, model, str(index), tmp_path, *ports],
            cwd=repo,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        for index in range(2)
    ]
    try:
        assert [worker.wait(timeout=200) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    check_equal(str(tmp_path / "model.ckpt-10"), one_replica)


def sequence_output(golden, checkpoint):
    with tf.Graph().as_default():
        inputs = placeholders(golden.batch(0))
        encoded = golden.build_encoder(
            inputs["input_ids"], inputs["input_mask"], inputs["segment_ids"]
        )
        with v1.Session() as session:
            v1.train.Saver().restore(session, checkpoint)
            feed = {inputs[n]: value for n, value in golden.batch(0).items()}
            return session.run(encoded.sequence, feed)


def test_losses_are_divided_by_the_weight_and_summed():
    terms = {
        "a": LossTerm(tf.constant(6.0), tf.constant(3.0)),
        "b": LossTerm(tf.constant(1.0), tf.constant(3.0), epsilon=1.0),
    }
    np.testing.assert_array_equal(replicas.global_denominators(terms), [3.0, 4.0])
    totals, weights = tf.constant([6.0, 1.0]), tf.constant([3.0, 3.0])
    means = replicas.global_means(totals, weights, [0.0, 1.0])
    np.testing.assert_array_equal(means, [2.0, 0.25])


def test_batch_of_a_replica_is_its_share_of_the_global_batch():
    assert replicas.micro_batch_size(64, 2) == 32
    assert replicas.micro_batch_size(64, 2, 4) == 8


@pytest.mark.parametrize(("batch", "hint"), [(64, "use 63 or 66"), (2, "use 3$")])
def test_batch_that_does_not_divide_is_refused_with_ones_that_do(batch, hint):
    with pytest.raises(UserError, match=hint):
        replicas.micro_batch_size(batch, 3)


def test_batch_that_does_not_divide_into_micro_batches_is_refused():
    match = "the 2 replicas times 3 gradient_accumulation_steps, got 8; use 6 or 12"
    with pytest.raises(UserError, match=match):
        replicas.micro_batch_size(8, 2, 3)


def test_one_device_is_a_cpu_where_no_gpu_is_asked_for():
    config = replicas.one_device_config(ReplicaConfig(num_gpus=0))
    assert config.device_count == {"CPU": 1, "GPU": 0}


def test_more_gpus_than_are_visible_are_refused():
    there = len(tf.config.list_physical_devices("GPU"))
    with pytest.raises(UserError, match=f"num_gpus is 99, but TensorFlow sees {there}"):
        replicas.make_devices(ReplicaConfig(num_gpus=99))


@pytest.mark.parametrize(("num_gpus", "used"), [(None, ["a", "b"]), (1, ["a"])])
def test_gpus_of_a_run_grow_and_the_others_are_hidden(monkeypatch, num_gpus, used):
    shown, grown = [], []
    gpus = {"GPU": ["a", "b"]}
    monkeypatch.setattr(tf.config, "list_physical_devices", gpus.get)
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda d, _: shown.append(d))
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda d, on: grown.append((d, on))
    )
    replicas.set_up_devices(ReplicaConfig(num_gpus=num_gpus))
    assert shown == [used]
    assert grown == [(gpu, True) for gpu in used]


def test_gpus_and_cpu_replicas_together_are_refused():
    with pytest.raises(UserError, match="give one of the two"):
        ReplicaConfig(num_gpus=1, num_cpu_replicas=2)


@pytest.mark.parametrize("num_replicas", [2, 3])
def test_an_average_of_replica_means_would_differ(testdata, num_replicas):
    # The trap: on the examples of the tests above, the two means do not agree.
    weights = uneven_examples(Golden(testdata / "modeling/postln"))["masked_lm_weights"]
    weights = weights[:6]
    losses = weights * np.arange(weights.size).reshape(weights.shape)
    global_mean = losses.sum() / weights.sum()
    shares = zip(np.split(losses, num_replicas), np.split(weights, num_replicas))
    means = [part.sum() / weight.sum() for part, weight in shares]
    assert abs(np.mean(means) / global_mean - 1) > 0.01
