"""Runs of several shards and workers: equal records and resuming."""

from __future__ import annotations

import os

import pytest

from albert.base import files
from albert.base.errors import UserError
from albert.pretraining_data.config import ExecutionConfig, PretrainingDataConfig
from albert.pretraining_data.execution import runner
from albert.records import tfrecord
from tests.pretraining_cases import (
    load_cases,
    make_config,
    read_folder,
    read_records,
)


def make_shards_config(own, folder, **changes):
    folder.mkdir(exist_ok=True)
    values = {
        "input_file": (str(own / "abstracts.txt"), str(own / "odd.txt")),
        "output_file": (str(folder / "tf_a.tfrecord"),),
        "vocab_file": str(own / "vocab.txt"),
        "do_whole_word_mask": True,
        "dupe_factor": 3,
        "num_shards": 3,
    }
    return PretrainingDataConfig(**{**values, **changes})


@pytest.mark.slow
def test_records_do_not_depend_on_the_number_of_workers(own, tmp_path):
    found = []
    for num_workers in (1, 2, 5):
        config = make_shards_config(own, tmp_path / str(num_workers))
        report = runner.create_pretraining_data(config, ExecutionConfig(num_workers))
        assert report.kept_shards == 0
        assert len(report.shown) == 3
        found.append(read_folder(tmp_path / str(num_workers)))
    names = [f"tf_a-0000{n}-of-00003.tfrecord" for n in range(3)]
    assert sorted(found[0]) == sorted([*names, *(f"{n}.json" for n in names)])
    assert found[0] == found[1] == found[2]
    assert len({found[0][name] for name in names}) == 3


@pytest.mark.slow
def test_one_shard_is_the_reference_for_any_number_of_workers(
    own, tmp_path, monkeypatch
):
    monkeypatch.setattr(runner, "_BYTES_FOR_A_WORKER", 1000)
    monkeypatch.setattr(runner, "_BLOCK_CHARACTERS", 500)
    case = load_cases(own)["two_inputs_three_outputs"]
    config = make_config(own, case, tmp_path)
    runner.create_pretraining_data(config, ExecutionConfig(num_workers=2))
    for name in case["output"]:
        assert read_records(tmp_path / name) == read_records(own / name)


def test_shards_have_every_document_once_and_streams_of_their_own(own, tmp_path):
    config = make_shards_config(own, tmp_path, dupe_factor=1, short_seq_prob=0.0)
    report = runner.create_pretraining_data(config)
    one = make_shards_config(
        own, tmp_path / "one", num_shards=None, dupe_factor=1, short_seq_prob=0.0
    )
    whole = runner.create_pretraining_data(one)
    for name in ("documents", "sentences", "tokens", "documents_without_instances"):
        assert report.counts[name] == whole.counts[name]
    assert report.counts["unknown"] == whole.counts["unknown"]
    # Which sentences stand together follows from lengths alone; what is cut does not.
    assert report.counts["instances"] == whole.counts["instances"]
    assert sum(report.output_files.values()) == report.counts["instances"]
    for path, count in report.output_files.items():
        metadata = files.read_json(f"{path}.json")
        assert metadata["counts"]["instances"] == count == len(read_records(path))
        assert metadata["file"] == {"bytes": os.path.getsize(path)}
        assert metadata["shard"]["count"] == 3


@pytest.mark.slow
def test_several_outputs_of_several_shards(own, tmp_path):
    names = ("a.tfrecord", "b.tfrecord")
    outputs = tuple(str(tmp_path / name) for name in names)
    config = make_shards_config(own, tmp_path, num_shards=2, output_file=outputs)
    report = runner.create_pretraining_data(config)
    one = make_shards_config(own, tmp_path / "one", num_shards=2)
    runner.create_pretraining_data(one)
    for shard in ("-00000-of-00002.tfrecord", "-00001-of-00002.tfrecord"):
        turns = [read_records(tmp_path / f"{name}{shard}") for name in "ab"]
        merged = read_records(tmp_path / "one" / f"tf_a{shard}")
        assert turns == [merged[::2], merged[1::2]]
    assert len(report.output_files) == 4


def test_gzip_records_are_the_plain_ones_packed(own, tmp_path):
    tf = pytest.importorskip("tensorflow")
    plain = make_shards_config(own, tmp_path / "plain", num_shards=1)
    packed = make_shards_config(
        own, tmp_path / "packed", num_shards=1, output_compression="gzip"
    )
    for config in (plain, packed):
        runner.create_pretraining_data(config)
    found = [
        list(tf.data.TFRecordDataset(name, kind).as_numpy_iterator())
        for name, kind in ((plain.output_file[0], ""), (packed.output_file[0], "GZIP"))
    ]
    assert found[0] == found[1] != []
    sizes = [os.path.getsize(c.output_file[0]) for c in (plain, packed)]
    assert sizes[1] < sizes[0] / 2


@pytest.mark.parametrize("num_workers", [1, 2])
def test_too_many_shards_are_refused(own, tmp_path, num_workers):
    config = make_shards_config(own, tmp_path / "out", num_shards=40)
    with pytest.raises(UserError, match="17 documents cannot fill 40 shards"):
        runner.create_pretraining_data(config, ExecutionConfig(num_workers))
    assert os.listdir(tmp_path / "out") == []


def test_a_shard_without_instances_is_named(tmp_path, own):
    text = tmp_path / "in.txt"
    text.write_text("一种很长很长的方法。\n第二句话。\n\n单独一句\n", encoding="utf-8")
    config = make_shards_config(
        own, tmp_path / "out", input_file=(str(text),), num_shards=2
    )
    with pytest.raises(UserError, match=r"^shard 1 \(of 2.*each of the 1 documents"):
        runner.create_pretraining_data(config)


@pytest.mark.slow
def test_resume_makes_only_what_is_missing(own, tmp_path):
    config = make_shards_config(own, tmp_path)
    runner.create_pretraining_data(config)
    before = read_folder(tmp_path)
    first, second, third = (
        str(tmp_path / f"tf_a-0000{n}-of-00003.tfrecord") for n in range(3)
    )
    os.unlink(first)  # its metadata left, as by a kill between two renames
    with open(second, "ab") as file:
        file.write(b"more")
    time_of_third = os.stat(third).st_mtime_ns
    report = runner.create_pretraining_data(config, ExecutionConfig(2, resume=True))
    assert report.kept_shards == 1
    assert read_folder(tmp_path) == before
    assert os.stat(third).st_mtime_ns == time_of_third
    again = runner.create_pretraining_data(config, ExecutionConfig(2, resume=True))
    assert (again.kept_shards, again.shown) == (3, [])
    assert again.counts == report.counts
    assert list(again.output_files) == [first, second, third]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"random_seed": 1}, "was made with --random_seed 12345, but now it is 1"),
        ({"masked_lm_prob": 0.2}, "made with --max_predictions_per_seq 19, but .* 25"),
        ({"segmenter": "rjieba"}, "--segmenter 'jieba', but now it is 'rjieba'"),
        ({"input_file": None}, "was made with the input's bytes"),
        ({"vocab_file": None}, "was made with the vocabulary's sha256"),
    ],
)
def test_resume_stops_where_flags_or_input_differ(own, tmp_path, changes, message):
    runner.create_pretraining_data(make_shards_config(own, tmp_path))
    before = read_folder(tmp_path)
    text, vocab = tmp_path / "text.txt", tmp_path / "vocab.txt"
    text.write_bytes((own / "abstracts.txt").read_bytes())
    vocab.write_bytes((own / "vocab.txt").read_bytes() + b"more\n")
    if "input_file" in changes:
        changes = {"input_file": (str(text),)}
    if "vocab_file" in changes:
        changes = {"vocab_file": str(vocab)}
    os.unlink(tmp_path / "tf_a-00000-of-00003.tfrecord")
    del before["tf_a-00000-of-00003.tfrecord"]
    config = make_shards_config(own, tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        runner.create_pretraining_data(config, ExecutionConfig(resume=True))
    text.unlink(), vocab.unlink()
    assert read_folder(tmp_path) == before


def test_resume_stops_at_metadata_of_another_program(own, tmp_path):
    config = make_shards_config(own, tmp_path, num_shards=1)
    (tmp_path / "tf_a.tfrecord").write_bytes(tfrecord.frame(b""))
    (tmp_path / "tf_a.tfrecord.json").write_text("{}")
    with pytest.raises(UserError, match="--resume: .*made with format None"):
        runner.create_pretraining_data(config, ExecutionConfig(resume=True))
