"""The variable TF_CONFIG, and what each machine reads."""

from __future__ import annotations

import collections
import json

import pytest

from albert.base.errors import UserError
from albert.modeling.encoder import load_encoder_config
from albert.records.arrays import read_arrays
from albert.records.expected import ExpectedRecords
from albert.tasks.input_shard import assign_files
from albert.tasks.pretraining.source import RecordSource
from albert.training.cluster_config import ClusterConfig, parse_cluster, refuse_cluster
from albert.training.config import ReplicaConfig
from albert.training.task import TRAIN
from tests.cluster_kit import tf_config
from tests.pretraining_kit import (
    LENGTH,
    MASKED,
    make_examples,
    make_flags,
    write_records,
)


class TestVariable:
    def test_the_chief_comes_first_and_workers_after_it(self):
        text = tf_config("worker", 1, worker=["b:1", "c:2"], chief=["a:3"])
        cluster = parse_cluster(text)
        assert cluster.trainers == ("a:3", "b:1", "c:2")
        assert (cluster.index, cluster.size) == (2, 3)
        assert not cluster.is_chief
        assert not cluster.evaluates
        assert [cluster.name(i) for i in range(3)] == [
            "chief 0 (a:3)",
            "worker 0 (b:1)",
            "worker 1 (c:2)",
        ]
        assert json.loads(cluster.to_tf_config()) == json.loads(text)

    def test_an_address_of_ip_version_6_is_one(self):
        cluster = parse_cluster(tf_config("worker", 0, worker=["[::1]:22", "b:1"]))
        assert cluster.trainers == ("[::1]:22", "b:1")

    def test_without_a_chief_worker_0_is_it(self):
        cluster = parse_cluster(tf_config("worker", 0, worker=["a:1", "b:1"]))
        assert cluster.is_chief
        assert cluster.evaluates
        assert cluster.name(1) == "worker 1 (b:1)"

    def test_an_evaluator_evaluates_for_the_chief_and_is_not_waited_for(self):
        members = {"chief": ["a:1"], "worker": ["b:1"], "evaluator": ["c:1"]}
        chief = parse_cluster(tf_config("chief", 0, **members))
        evaluator = parse_cluster(tf_config("evaluator", 0, **members))
        assert chief.size == evaluator.size == 2
        assert not chief.evaluates
        assert evaluator.evaluates
        assert evaluator.is_evaluator
        assert "c:1" not in chief.to_tf_config()

    @pytest.mark.parametrize("text", [None, "", "{}", '{"task": {}}'])
    def test_without_a_cluster_there_is_one_machine(self, text):
        assert parse_cluster(text) is None
        refuse_cluster(text, "run_ner.py")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "TF_CONFIG is not of the form"),
            ("[1]", "TF_CONFIG is not of the form"),
            pytest.param(
                "[" * 100_000, "TF_CONFIG is not of the form", id="nested too deeply"
            ),
            ('{"cluster": ["a:1"], "task": {}}', "TF_CONFIG is not of the form"),
            (tf_config("ps", 0, ps=["a:1"], worker=["b:1"]), "TF_CONFIG names 'ps'"),
            (tf_config("worker", 0, worker="a:1"), "list of host:port, got 'a:1'"),
            (tf_config("worker", 0, worker=["a"]), r"list of host:port, got \['a'\]"),
            (tf_config("worker", 0, worker=["2222"]), r"host:port, got \['2222'\]"),
            (tf_config("worker", 0, worker=[":1"]), r"host:port, got \[':1'\]"),
            (tf_config("worker", 0, worker=["a:99999"]), "host:port, got"),
            (tf_config("worker", 0, worker=["h:\u00b2"]), "host:port, got"),
            (tf_config("worker", 0, worker=["a:1", "a:1"]), "each address once"),
            (
                tf_config("worker", 0, worker=["a:1"], evaluator=["b:1", "c:1"]),
                "one evaluator at most, it names 2",
            ),
            (tf_config("chief", 0, chief=["a:1", "b:1"]), "names 2 and 0"),
            (tf_config("worker", 2, worker=["a:1", "b:1"]), "index 2 is not in the"),
            (tf_config("worker", "0", worker=["a:1"]), "index '0' is not in the"),
            (tf_config("boss", 0, worker=["a:1"]), "task type 'boss'"),
            (tf_config("evaluator", 0, worker=["a:1"]), "the cluster must list"),
        ],
    )
    def test_another_form_is_refused(self, text, message):
        with pytest.raises(UserError, match=message):
            parse_cluster(text)

    def test_ner_is_for_one_machine(self):
        with pytest.raises(UserError, match="run_ner.py works on one machine, but"):
            refuse_cluster(tf_config("worker", 0, worker=["a:1", "b:1"]), "run_ner.py")

    def test_a_cpu_is_not_divided_on_several_machines(self):
        cluster = ClusterConfig(("a:1", "b:1"), 0)
        with pytest.raises(UserError, match="num_cpu_replicas .* one machine"):
            ReplicaConfig(num_cpu_replicas=2, cluster=cluster)


def write_numbered(folder, sizes):
    """Write files of so many examples each; return their names and all examples."""
    examples = make_examples(sum(sizes), seed=5)
    names, start = [], 0
    for number, size in enumerate(sizes):
        names.append(str(folder / f"{number}.tfrecord"))
        write_records(folder / f"{number}.tfrecord", examples[start : start + size])
        start += size
    return names


def read_examples(names, shard, count, config_file):
    vocab_size = load_encoder_config(str(config_file)).vocab_size
    data = RecordSource(
        shard.files,
        ExpectedRecords(LENGTH, MASKED, vocab_size),
        shuffle_buffer=10,
        record_shard=(shard.index, shard.num_shards),
    )
    found = read_arrays(lambda: data.read(TRAIN, 1).take(count), 1)
    return [batch["input_ids"][0].tobytes() for batch in found]


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [[12], [6, 6], [4, 2, 2, 4], [6, 12, 6, 12, 12, 12]])
@pytest.mark.parametrize("machines", [1, 2, 3])
def test_machines_see_each_record_once_an_epoch(tmp_path, sizes, machines):
    make_flags(tmp_path)
    names = write_numbered(tmp_path, sizes)
    epochs, total = 3, sum(sizes)
    seen = collections.Counter()
    for index in range(machines):  # each takes as many as the others, as in training
        shard = assign_files(names, index, machines)
        count = epochs * total // machines
        seen.update(read_examples(names, shard, count, tmp_path / "config.json"))
    assert len(seen) == total
    assert set(seen.values()) == {epochs}


def test_files_of_one_size_are_each_read_by_one_machine(tmp_path):
    names = write_numbered(tmp_path, [50, 10, 20, 10, 10])
    shards = [assign_files(names, index, 2) for index in range(2)]
    assert [len(shard.files) for shard in shards] == [1, 4]
    assert {(shard.index, shard.num_shards) for shard in shards} == {(0, 1)}


@pytest.mark.parametrize(("sizes", "machines"), [([9], 2), ([9, 9, 9], 2), ([5, 9], 2)])
def test_files_that_do_not_come_out_even_are_read_by_all(tmp_path, sizes, machines):
    names = write_numbered(tmp_path, sizes)
    for index in range(machines):
        assert assign_files(names, index, machines) == (tuple(names), index, machines)
