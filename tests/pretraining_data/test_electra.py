"""Examples for replaced token detection: the recorded cases, and each step by hand."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.pretraining_data import electra
from albert.pretraining_data.documents import Document
from albert.pretraining_data.electra_config import ElectraDataConfig
from albert.pretraining_data.execution import runner
from tests.pretraining_cases import read_records

RECORDED = (
    *("default_64", "default_32_seed2", "no_document_breaks_128", "cased_48"),
    *("two_jobs_job0", "two_jobs_job1", "chinese_electra_64"),
)
VARIANTS = {"google": "google", "chinese-electra": "chinese_electra"}


@pytest.fixture
def recorded(testdata):
    return testdata / "electra"


def load_cases(recorded):
    path = recorded / "pretraining_data/records/cases.json"
    return {case["name"]: case for case in json.loads(path.read_text())["cases"]}


def make_config(recorded, folder, **changes):
    values = {
        "input_dir": str(recorded / "pretraining_data/corpus"),
        "output_dir": str(folder),
        "vocab_file": str(recorded / "vocab.txt"),
        **changes,
    }
    return ElectraDataConfig(**values)


def make_case_config(recorded, case, folder, **changes):
    return make_config(
        *(recorded, folder),
        max_seq_length=case["max_seq_length"],
        do_lower_case=case["do_lower_case"],
        strip_accents=case["strip_accents"],
        blanks_separate_docs=case["blanks_separate_docs"],
        random_seed=case["seed"],
        variant=VARIANTS[case["source"]],
        num_jobs=case["num_processes"],
        job_id=case["job_id"],
        **changes,
    )


@pytest.mark.parametrize("name", RECORDED)
def test_records_equal_those_of_the_reference(recorded, tmp_path, name):
    case = load_cases(recorded)[name]
    config = make_case_config(recorded, case, tmp_path)
    report = runner.create_pretraining_data(config)
    expected = read_records(recorded / f"pretraining_data/records/{name}.tfrecord")
    assert read_records(config.output_file[0]) == expected
    assert len(expected) == case["examples"] == report.counts["instances"]
    assert report.counts["pair_instances"] == case["examples_with_two_segments"]
    assert [sum(r["input_mask"]) for r in expected] == case["lengths"]


def test_no_recorded_case_is_forgotten(recorded):
    assert tuple(load_cases(recorded)) == RECORDED


def test_the_other_variant_often_leaves_the_first_segment_empty(recorded, tmp_path):
    """In 14 of 28 examples of 32 tokens with seed 2, as the reference's notes say."""
    changes = {"max_seq_length": 32, "random_seed": 2, "variant": "chinese_electra"}
    config = make_config(recorded, tmp_path, **changes)
    runner.create_pretraining_data(config)
    records = read_records(config.output_file[0])
    cls, sep = (
        (recorded / "vocab.txt").read_text("utf-8").split("\n").index(token)
        for token in ("[CLS]", "[SEP]")
    )
    without_first = [r for r in records if r["input_ids"][:2] == [cls, sep]]
    assert (len(without_first), len(records)) == (14, 28)
    assert all(r["segment_ids"][:3] == [0, 0, 1] for r in without_first)


class Coins(random.Random):
    """A stream that gives what it is told, and fails when more is drawn."""

    def __init__(self, *values):
        super().__init__(0)
        self.values = list(values)

    def random(self):
        return self.values.pop(0)


@pytest.mark.parametrize(
    ("variant", "lengths", "limit", "draws", "sides"),
    [
        # Below the limit, strictly: 3 + 2 < 6, then 5 + 1 is not.
        ("google", [3, 2, 1, 1], 6, [0.5], "1100"),
        # A coin takes one more while the second is empty and the first is short.
        ("google", [3, 2, 1, 1], 6, [0.49], "1110"),
        # The first sentence joins however long; then no coin, for 9 is not below 6.
        ("google", [9, 1], 6, [], "10"),
        # A later short sentence joins the first although the second has begun.
        ("google", [4, 3, 1, 2], 6, [0.9], "1010"),
        # All goes into a first segment that has begun.
        ("chinese_electra", [3, 2, 9, 1], 6, [], "1111"),
        # One that is too long begins the second, and then a coin is tossed.
        ("chinese_electra", [7, 8, 2], 6, [0.5], "001"),
        ("chinese_electra", [7, 8, 9], 6, [0.49], "011"),
    ],
)
def test_sentences_are_divided_between_segments(variant, lengths, limit, draws, sides):
    coins = Coins(*draws)
    found = electra.divide_sentences(lengths, limit, variant, coins)
    assert "".join(str(int(side)) for side in found) == sides
    assert coins.values == []


def make_sentences(*lengths):
    ids = np.arange(10, 10 + sum(lengths), dtype=np.int32)
    return np.split(ids, np.cumsum(lengths)[:-1])


@pytest.mark.parametrize(
    ("lengths", "target", "draws", "first", "second", "lost"),
    [
        # The limit is (16 - 3) // 2 = 6: 5 | 4; all has room.
        ([5, 4], 16, [0.1, 0.5], range(10, 15), range(15, 19), 0),
        # Below 0.1 all is one segment of at most 16 - 2 tokens.
        ([5, 4, 9], 16, [0.09], range(10, 24), [], 4),
        # The first takes all but 2; for a second there is no room left.
        ([20, 4], 16, [0.1], range(10, 24), [], 10),
        # The first has 6 (one coin), the second 16 - 6 - 3 = 7 of its 9.
        ([5, 1, 9], 16, [0.1, 0.2], range(10, 16), range(16, 23), 2),
        # A target of 5 has the limit 1; room is that of the whole length.
        ([4, 4], 5, [0.1], range(10, 14), range(14, 18), 0),
    ],
)
def test_an_example_is_cut_to_its_length(lengths, target, draws, first, second, lost):
    coins = Coins(*draws)
    example = electra.make_example(
        make_sentences(*lengths), target, 16, "google", coins
    )
    assert example.first.tolist() == list(first)
    assert example.second.tolist() == list(second)
    assert example.lost == lost
    assert coins.values == []


def make_document(lengths, file=0):
    ids = np.concatenate(make_sentences(*lengths))
    none = np.zeros(len(ids), bool)
    return Document(ids, none, none, tuple(lengths), file)


@pytest.mark.parametrize(
    ("separate", "sizes"),
    [
        # 6 + 3 >= 8 ends one, so do the end of the document and that of the file.
        (True, [[6, 3], [2], [4, 1]]),
        # The document of the same file goes on: 2 + 4 + 1 stay below 8.
        (False, [[6, 3], [2, 4, 1]]),
    ],
)
def test_examples_end_at_the_target_the_document_and_the_file(
    recorded, tmp_path, separate, sizes
):
    config = make_config(
        *(recorded, tmp_path), max_seq_length=8, blanks_separate_docs=separate
    )
    documents = [make_document([6, 3, 2], 1), make_document([4, 1], 1)]
    made = electra.create_examples(documents, config, Unlucky())
    found = [len(e.first) + len(e.second) + e.lost for e in made]
    assert found == [sum(part) for part in sizes]


class Unlucky(random.Random):
    """Draws 0.99 each time: two segments, no coin, no short target."""

    def random(self):
        return 0.99


def test_a_short_target_carries_over_to_the_next_file(recorded, tmp_path):
    """Drawn once, 5, after the first file's example: the next file's text is split."""

    class Short(Unlucky):
        draws = 0

        def shuffle(self, values):
            values.sort()

        def random(self):
            self.draws += 1  # 1: segments; 2: the target
            return 0.01 if self.draws == 2 else 0.99

        def randint(self, low, high):
            assert (low, high) == (5, 16)
            return 5

    config = make_config(recorded, tmp_path, max_seq_length=16)
    documents = [make_document([3], 0), make_document([4, 2, 2], 2)]
    made = electra.create_examples(documents, config, Short(0))
    sizes = [len(e.first) + len(e.second) + e.lost for e in made]
    assert sizes == [3, 6, 2]


def test_files_are_dealt_out_to_jobs_by_their_sorted_names(recorded, tmp_path):
    for job, wanted in ((0, ["a_nature.txt", "c_science.txt"]), (1, ["b_city.txt"])):
        config = make_config(recorded, tmp_path, num_jobs=2, job_id=job)
        assert [p.rpartition("/")[2] for p in config.input_file] == wanted
        assert config.output_file[0].endswith(f"-job-{job}-of-2.tfrecord")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_file": ("x",)}, "give --input_dir or --input_file, one of them"),
        ({"input_dir": None}, "give --input_dir or --input_file, one of them"),
        ({"max_seq_length": 4}, "max_seq_length must be at least 5, got 4"),
        ({"variant": "ymcui"}, "variant must be one of google, chinese_electra"),
        (
            {"variant": "chinese_electra", "strip_accents": False},
            "strip_accents cannot be False with the variant chinese_electra",
        ),
        ({"num_jobs": 2, "job_id": 2}, "job_id must be below num_jobs 2, got 2"),
        ({"num_jobs": 4, "job_id": 3}, "job 3 of 4, counted from 0, has no file"),
    ],
)
def test_wrong_settings_are_named(recorded, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        make_config(recorded, tmp_path, **changes)


def test_a_folder_that_cannot_be_the_input_is_named(recorded, tmp_path):
    with pytest.raises(UserError, match="--input_dir: the folder .* is empty"):
        make_config(recorded, tmp_path / "out", input_dir=str(tmp_path))
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="--input_dir: .*/a is a folder among the file"):
        make_config(recorded, tmp_path / "out", input_dir=str(tmp_path))
    (tmp_path / "a").rmdir()
    (tmp_path / "a.txt").write_text("一。\n")
    with pytest.raises(UserError, match="--output_dir: .* is --input_dir: all files"):
        make_config(recorded, tmp_path, input_dir=str(tmp_path))


def test_records_of_another_number_of_jobs_are_replaced(recorded, tmp_path):
    """All of *.tfrecord is what one run of every job has made."""
    other = tmp_path / "pretrain_data-job-0-of-9.tfrecord"
    other.write_bytes(b"")  # without metadata: of somebody else
    runner.create_pretraining_data(make_config(recorded, tmp_path, num_shards=2))
    assert len(list(tmp_path.glob("pretrain_data-0*.tfrecord"))) == 2
    for job in (0, 1):
        config = make_config(recorded, tmp_path, num_jobs=2, job_id=job)
        report = runner.create_pretraining_data(config)
        assert len(report.replaced) == (0 if job else 2)
    jobs = {f"pretrain_data-job-{job}-of-2.tfrecord" for job in (0, 1)}
    assert {p.name for p in tmp_path.glob("*.tfrecord")} == {*jobs, other.name}
    runner.create_pretraining_data(make_config(recorded, tmp_path))
    left = {"pretrain_data.tfrecord", other.name}
    assert {p.name for p in tmp_path.glob("*.tfrecord")} == left


def test_an_output_folder_in_that_of_the_input_is_no_input(recorded, tmp_path):
    (tmp_path / "a.txt").write_text("一。\n二。\n")
    (tmp_path / "out").mkdir()
    config = make_config(recorded, f"{tmp_path}//out", input_dir=str(tmp_path))
    assert config.input_file == (str(tmp_path / "a.txt"),)


def test_shards_have_all_text_once_and_a_worker_changes_nothing(recorded, tmp_path):
    """Each document is in one shard, and what the shards lose is counted."""
    one, three = (
        make_config(recorded, tmp_path / str(n), num_shards=n, max_seq_length=32)
        for n in (1, 3)
    )
    counts = []
    for config in (one, three):
        (tmp_path / str(config.num_shards)).mkdir()
        counts.append(runner.create_pretraining_data(config).counts)
    for part in counts:
        special = 2 * part["instances"] + part["pair_instances"]
        kept = part["instance_tokens"] - special
        assert kept + part["lost_tokens"] == part["tokens"]
    assert counts[0]["tokens"] == counts[1]["tokens"]
    assert counts[0]["documents"] == counts[1]["documents"] == 10
    assert counts[0]["unknown"] == counts[1]["unknown"]
    found = sorted(p.name for p in (tmp_path / "3").iterdir())
    assert found == [
        f"pretrain_data-0000{n}-of-00003.tfrecord{end}"
        for n in range(3)
        for end in ("", ".json")
    ]


def test_metadata_name_the_objective_and_the_features(recorded, tmp_path):
    config = make_config(recorded, tmp_path, max_seq_length=32)
    runner.create_pretraining_data(config)
    path = tmp_path / "pretrain_data.tfrecord.json"
    metadata = json.loads(path.read_text("utf-8"))
    assert metadata["objective"] == "electra"
    assert metadata["features"] == {
        name: {"dtype": "int64", "length": 32}
        for name in ("input_ids", "input_mask", "segment_ids")
    }
    assert metadata["parameters"]["variant"] == "google"
    assert metadata["vocabulary"]["size"] == 561
    assert metadata["file"]["bytes"] == (tmp_path / path.stem).stat().st_size
