"""Text files to record files: the recorded cases, metadata, failures."""

from __future__ import annotations

import errno
import hashlib
import json

import pytest

import albert
from albert.base import files
from albert.base.errors import UserError
from albert.pretraining_data.config import PretrainingDataConfig
from albert.pretraining_data.execution import runner
from albert.records import tfrecord
from albert.text.vocabulary import SPECIAL_TOKENS, load_vocabulary
from tests.pretraining_cases import load_cases, make_config, read_records

OWN_CASES = (
    "abstracts_wwm_128",
    "two_inputs_three_outputs",
    "abstracts_no_wwm",
    "english_non_chinese",
    "odd_cased",
    "abstracts_wwm_512",
)
THIRD_PARTY_CASES = (
    "news_readme_command",
    "science_seed_command",
    "two_inputs_three_outputs",
    "wiki_no_wwm",
)
TEXT = "一种方法。\n第二句话。\n\n另一篇文档\n又一句\n"


def check_case(folder, name, output_folder, segmenter):
    case = load_cases(folder)[name]
    config = make_config(folder, case, output_folder, segmenter=segmenter)
    report = runner.create_pretraining_data(config)
    written = 0
    for output in case["output"]:
        expected = read_records(folder / output)
        assert read_records(output_folder / output) == expected
        assert report.output_files[str(output_folder / output)] == len(expected)
        written += len(expected)
    assert report.counts["instances"] == written > 0


@pytest.mark.parametrize("segmenter", ["jieba", "rjieba"])
@pytest.mark.parametrize("name", OWN_CASES)
def test_records_equal_those_of_the_reference(own, tmp_path, name, segmenter):
    if segmenter == "rjieba":
        pytest.importorskip("rjieba")
    check_case(own, name, tmp_path, segmenter)


def test_no_recorded_case_is_forgotten(own):
    assert tuple(load_cases(own)) == OWN_CASES


@pytest.mark.parametrize("name", THIRD_PARTY_CASES)
def test_records_of_third_party_text_equal_the_reference(shared, tmp_path, name):
    folder = shared / "reference" / "pretraining_data" / "third_party"
    check_case(folder, name, tmp_path, "jieba")


def test_labels_without_their_mark_change_nothing_else(own, tmp_path):
    case = load_cases(own)["abstracts_wwm_128"]
    config = make_config(own, case, tmp_path, continuation_labels=False)
    runner.create_pretraining_data(config)
    vocabulary = load_vocabulary(config.vocab_file)
    expected = read_records(own / case["output"][0])
    bare = 0
    for record in expected:
        labels = vocabulary.to_tokens(record["masked_lm_ids"])
        stripped = [
            label[2:] if label[:2] == "##" and label[2:] >= "一" else label
            for label in labels
        ]
        bare += labels != stripped
        record["masked_lm_ids"] = vocabulary.to_ids(stripped)
    assert bare > 50
    assert read_records(config.output_file[0]) == expected


def test_labels_that_the_vocabulary_lacks_fall_back_and_are_counted(own, tmp_path):
    case = load_cases(own)["abstracts_wwm_128"]
    expected = read_records(own / case["output"][0])
    vocabulary = load_vocabulary(str(own / "vocab.txt"))
    lost, bare = vocabulary.to_ids(["##络", "络"])
    fallen = sum(record["masked_lm_ids"].count(lost) for record in expected)
    assert fallen > 3
    for record in expected:
        ids = record["masked_lm_ids"]
        record["masked_lm_ids"] = [bare if index == lost else index for index in ids]

    tokens = ["##没有" if token == "##络" else token for token in vocabulary.tokens]
    other = tmp_path / "vocab.txt"
    other.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    config = make_config(own, case, tmp_path, vocab_file=str(other))
    report = runner.create_pretraining_data(config)
    assert read_records(config.output_file[0]) == expected
    counted = report.counts["labels_without_continuation_form"]
    assert counted["positions"] == fallen
    assert counted["most_frequent"] == [["络", fallen]]


@pytest.mark.parametrize(("spans", "whole"), [("reference", False), ("exact", True)])
def test_exact_spans_mask_a_word_of_four_characters_as_one(own, tmp_path, spans, whole):
    text = tmp_path / "text.txt"
    text.write_text("神经网络很好。\n神经网络不好。\n", encoding="utf-8")
    config = PretrainingDataConfig(
        (str(text),),
        (str(tmp_path / "out"),),
        str(own / "vocab.txt"),
        do_whole_word_mask=True,
        whole_word_spans=spans,
        max_seq_length=32,
        masked_lm_prob=0.3,
        dupe_factor=40,
    )
    runner.create_pretraining_data(config)
    counts = set()
    for record in read_records(config.output_file[0]):
        masked = set(
            record["masked_lm_positions"][: sum(map(int, record["masked_lm_weights"]))]
        )
        assert len(masked) <= 5
        for start in (1, 9):  # [CLS] 神经网络很好。 [SEP] 神经网络不好。 [SEP]
            counts.add(len(masked & set(range(start, start + 4))))
    assert (counts <= {0, 4}) is whole


def test_metadata_stands_beside_each_file(own, tmp_path):
    case = load_cases(own)["two_inputs_three_outputs"]
    config = make_config(own, case, tmp_path)
    report = runner.create_pretraining_data(config)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted([*case["output"], *(f"{n}.json" for n in case["output"])])
    recorded = [
        record for name in case["output"] for record in read_records(own / name)
    ]
    for name in case["output"]:
        metadata = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        assert metadata["format"] == "albert_pretraining_records"
        assert metadata["file"] == {"bytes": (tmp_path / name).stat().st_size}
        assert metadata["version"] == albert.__version__
        parameters = metadata["parameters"]
        assert {key: parameters[key] for key in case["flags"]} == case["flags"]
        assert parameters["input_file"] == list(config.input_file)
        assert parameters["output_file"] == list(config.output_file)
        assert set(parameters) == set(config.to_dict())
        content = (own / "vocab.txt").read_bytes()
        assert metadata["vocabulary"] == {
            "path": str(own / "vocab.txt"),
            "size": content.count(b"\n"),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        assert metadata["features"]["input_ids"] == {"dtype": "int64", "length": 64}
        assert metadata["features"]["masked_lm_weights"]["length"] == 9
        counts = metadata["counts"]
        assert counts.pop("instances_in_this_file") == len(read_records(own / name))
        assert counts == report.counts
    weights = sum(sum(record["masked_lm_weights"]) for record in recorded)
    swapped = sum(record["next_sentence_labels"][0] for record in recorded)
    lengths = sum(sum(record["input_mask"]) for record in recorded)
    assert report.counts["instances"] == len(recorded)
    assert report.counts["masked_positions"] == weights
    assert report.counts["swapped_instances"] == swapped
    assert report.counts["instance_tokens"] == lengths
    # Seen in the two texts: 12 abstracts, 5 odd documents, one of a single sentence.
    assert report.counts["documents"] == 17
    assert report.counts["documents_without_instances"] == {
        "single_sentence": 1,
        "no_tokens": 0,
    }


def test_three_instances_are_shown(own, tmp_path):
    case = load_cases(own)["abstracts_wwm_128"]
    report = runner.create_pretraining_data(make_config(own, case, tmp_path))
    assert len(report.shown) == 3
    first = read_records(own / case["output"][0])[0]
    masked = int(sum(first["masked_lm_weights"]))
    groups = report.shown[0].count("{")
    assert 0 < groups <= masked


def make_small_config(tmp_path, text, **changes):
    tmp_path.joinpath("in.txt").write_text(text, encoding="utf-8")
    tokens = [*SPECIAL_TOKENS, *sorted(set(TEXT) - {"\n"})]
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    values = {
        "input_file": (str(tmp_path / "in.txt"),),
        "output_file": (str(out / "a"), str(out / "b")),
        "vocab_file": str(vocab),
        "dupe_factor": 1,
    }
    return PretrainingDataConfig(**{**values, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the input files hold no text"),
        ("\n\n", "the input files hold no text"),
        ("\u200b\n", "the input files hold no text"),
        ("一\n\n二\n\n三\n", "each of the 3 documents has one sentence"),
        ("一\n二\n", "1 instances cannot fill 2 output files"),
    ],
)
def test_too_few_instances_are_explained(tmp_path, text, message):
    config = make_small_config(tmp_path, text)
    with pytest.raises(UserError, match=message):
        runner.create_pretraining_data(config)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "outputs",
    [("in.txt",), ("vocab.txt",), ("out/a", "out/a"), ("out/a", "out/../out/a")],
)
def test_an_output_never_overwrites_a_file_of_the_run(tmp_path, outputs):
    config = make_small_config(
        tmp_path, TEXT, output_file=tuple(str(tmp_path / name) for name in outputs)
    )
    with pytest.raises(UserError, match="is an input or another output of this run"):
        runner.create_pretraining_data(config)
    assert (tmp_path / "in.txt").read_text(encoding="utf-8") == TEXT


def test_metadata_never_overwrites_an_input(tmp_path):
    (tmp_path / "a.json").write_text(TEXT, encoding="utf-8")
    config = make_small_config(
        tmp_path,
        TEXT,
        input_file=(str(tmp_path / "a.json"),),
        output_file=(str(tmp_path / "a"),),
    )
    with pytest.raises(UserError, match="a.json is an input"):
        runner.create_pretraining_data(config)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()]
)
def test_a_failure_leaves_what_was_there_before(tmp_path, monkeypatch, error):
    config = make_small_config(tmp_path, TEXT * 5)
    for path in config.output_file:
        with open(path, "w") as file:
            file.write("before")
    frame, calls = tfrecord.frame, []

    def fail_at_third(data):
        calls.append(data)
        if len(calls) == 3:
            raise error
        return frame(data)

    monkeypatch.setattr(tfrecord, "frame", fail_at_third)
    wanted = UserError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(wanted) as caught:
        runner.create_pretraining_data(config)
    if wanted is UserError:
        assert f"cannot write {config.output_file[0]}" in str(caught.value)
        assert "No space left" in str(caught.value)
    contents = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert contents == {"a": "before", "b": "before"}


def test_a_failure_of_the_metadata_leaves_no_records(tmp_path, monkeypatch):
    config = make_small_config(tmp_path, TEXT * 5)
    write, calls = files.write_json, []

    def fail_at_second(path, value):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left")
        write(path, value)

    monkeypatch.setattr(files, "write_json", fail_at_second)
    with pytest.raises(UserError, match="cannot write .*No space left"):
        runner.create_pretraining_data(config)
    assert list((tmp_path / "out").iterdir()) == []
