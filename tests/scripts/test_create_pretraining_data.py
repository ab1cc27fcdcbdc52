"""The script, run as a user would: flags, output, and one line for each error."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time

import pytest

from albert.base.lock import hold_lock
from tests import forked
from tests.pretraining_cases import load_cases, read_records

SCRIPT = "create_pretraining_data.py"


def run(repo, *arguments, folder=None, start=forked.run, **options):
    return start(
        [sys.executable, str(repo / SCRIPT), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        **options,
    )


def list_flags(own, output, *more):
    return [
        f"--input_file={own / 'abstracts.txt'}",
        f"--output_file={output}",
        f"--vocab_file={own / 'vocab.txt'}",
        "--dupe_factor=1",
        *more,
    ]


@pytest.mark.slow
def test_flags_have_the_names_and_defaults_of_the_original(repo):
    """And TensorFlow, which takes seconds to load, is not loaded."""
    code = (
        "import json, sys, create_pretraining_data as script\n"
        "from absl.flags import FLAGS\n"
        "flags = FLAGS.flags_by_module_dict()[script.__name__]\n"
        "print(json.dumps({flag.name: flag.default for flag in flags}))\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=repo, capture_output=True, text=True
    )
    assert output.returncode == 0, output.stderr
    defaults = json.loads(output.stdout)
    original = {
        "input_file": None,
        "output_file": None,
        "vocab_file": None,
        "do_lower_case": True,
        "do_whole_word_mask": False,
        "max_seq_length": 128,
        "random_seed": 12345,
        "dupe_factor": 10,
        "masked_lm_prob": 0.15,
        "short_seq_prob": 0.1,
        "non_chinese": False,
    }
    assert original.items() <= defaults.items()
    new = {
        "max_predictions_per_seq": None,  # 20 in the original, whatever the others
        "segmenter": "jieba",
        "whole_word_spans": "reference",
        "continuation_labels": True,
        "word_boundaries": False,
        "allow_mismatched_predictions": False,
        "text_field": None,
        "num_shards": None,
        "shard_size_mb": 16.0,
        "output_compression": "none",
        "jieba_user_dict": None,
        "ngram_masking": False,
        "check_only": False,
        "num_workers": None,
        "resume": False,
    }
    assert {k: v for k, v in defaults.items() if k not in original} == new


@pytest.mark.slow
def test_the_readme_command_on_a_recorded_case(repo, own, tmp_path):
    """The flags of the published experiment, but for lower-casing and the passes."""
    case = load_cases(own)["abstracts_wwm_512"]
    output = tmp_path / "tf_cs_raw.tfrecord"
    done = run(
        repo,
        "--do_whole_word_mask=True",
        f"--input_file={own / 'abstracts.txt'}",
        f"--output_file={output}",
        f"--vocab_file={own / 'vocab.txt'}",
        "--do_lower_case=True",
        "--max_seq_length=512",
        "--max_predictions_per_seq=51",
        "--masked_lm_prob=0.10",
        "--dupe_factor=4",
    )
    assert done.returncode == 0, done.stderr
    assert read_records(output) == read_records(own / case["output"][0])
    assert sorted(os.listdir(tmp_path)) == [output.name, f"{output.name}.json"]
    assert "48 instances" in done.stdout
    assert "read 12 documents" in done.stdout
    assert done.stdout.count("\nfirst   ") == 3
    assert done.stderr == ""


@pytest.mark.slow
def test_files_that_the_shell_expands_are_input_files(repo, own, tmp_path):
    case = load_cases(own)["two_inputs_three_outputs"]
    for name in case["input"]:
        (tmp_path / name).write_bytes((own / name).read_bytes())
    outputs = ",".join(case["output"])
    flags = case["flags"]
    command = (
        f"{sys.executable} {repo / SCRIPT} --input_file=*.txt --do_whole_word_mask "
        f"--output_file={outputs} --vocab_file={own / 'vocab.txt'} "
        f"--max_seq_length={flags['max_seq_length']} --random_seed=7 --dupe_factor=3 "
        f"--masked_lm_prob=0.15 --short_seq_prob=0.5"
    )
    for shown in (
        command,  # the program expands the glob
        command.replace("--input_file=*.txt", "--input_file=abstracts.txt odd.txt"),
    ):
        done = subprocess.run(
            shown, shell=True, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        for name in case["output"]:
            assert read_records(tmp_path / name) == read_records(own / name)
            (tmp_path / name).unlink()
    metadata = json.loads((tmp_path / "three_1.tfrecord.json").read_text("utf-8"))
    assert metadata["parameters"]["input_file"] == ["abstracts.txt", "odd.txt"]
    assert metadata["parameters"]["max_predictions_per_seq"] == 9


def write_bad_files(folder):
    (folder / "gbk.txt").write_bytes("第一行\n".encode() + "第二行\n".encode("gbk"))
    (folder / "single.txt").write_text("一句\n\n又一句\n", encoding="utf-8")
    (folder / "empty.txt").write_text("")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]
    (folder / "no_mask.txt").write_text("\n".join(tokens[:4]) + "\n")
    (folder / "twice.txt").write_text("\n".join([*tokens, "a"]) + "\n")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("empty.txt")
    os.mkfifo(folder / "pipe")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input_file=gone.txt"], "--input_file: no such file: gone.txt"),
        (["--input_file=gone*.txt"], "--input_file: no file matches gone*.txt"),
        (["--input_file=folder"], "--input_file: folder is a folder"),
        (["--input_file=gbk.txt"], "gbk.txt: line 2 is not UTF-8"),
        (["--input_file=empty.txt"], "no instances: the input files hold no text"),
        (["--input_file=single.txt"], "each of the 2 documents has one sentence"),
        (["gone.txt"], "unexpected argument 'gone.txt': there is no such file"),
        (["--output_file=gone/x.tfrecord"], "the folder gone does not exist"),
        (["--output_file=folder"], "--output_file: folder is a folder"),
        (["--output_file=pipe"], "--output_file: pipe is a device, a pipe"),
        (["--output_file=link"], "--output_file: link is a symbolic link"),
        (["--output_file=out/x,out/x"], "out/x is an input or another output"),
        (["--vocab_file=gone.txt"], "--vocab_file: no such file: gone.txt"),
        (["--vocab_file=no_mask.txt"], "no_mask.txt: lacks the special token [MASK]"),
        (["--vocab_file=twice.txt"], "twice.txt: token 'a' (line 6) stands 2 times"),
        (["--max_predictions_per_seq=20"], "pass --max_predictions_per_seq=19"),
        (["--max_seq_length=4"], "max_seq_length must be at least 5, got 4"),
        (["--max_seq_length=many"], "--max_seq_length=many"),
        (["--masked_lm_prob=0"], "masked_lm_prob must be above 0"),
        (["--short_seq_prob=2"], "short_seq_prob must be at least 0 and at most 1"),
        (["--dupe_factor=0"], "dupe_factor must be at least 1, got 0"),
        (["--segmenter=pkuseg"], "--segmenter=pkuseg: value should be one of"),
        (["--jieba_user_dict=gone.txt"], "--jieba_user_dict: no such file: gone.txt"),
        (["--jieba_user_dict=empty.txt"], "empty.txt holds no word"),
        (
            ["--jieba_user_dict=empty.txt", "--non_chinese"],
            "has no use with non_chinese",
        ),
        (["--num_shards=0"], "num_shards must be at least 1 and at most 99999, got 0"),
        (["--num_shards=99"], "12 documents cannot fill 99 shards"),
        (["--shard_size_mb=0"], "shard_size_mb must be above 0"),
        (["--shard_size_mb=1e-9"], "shard_size_mb must be at least "),
        (["--num_workers=0"], "num_workers must be at least 1, got 0"),
        (["--output_compression=zip"], "value should be one of <none|gzip>"),
        (["--text_field=body"], "abstracts.txt: line 1 is not JSON"),
        (["--no_such_flag=1"], "Unknown command line flag 'no_such_flag'"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    repo, own, tmp_path, flags, message
):
    write_bad_files(tmp_path)
    (tmp_path / "out").mkdir()
    before = sorted(os.listdir(tmp_path))
    arguments = [*list_flags(own, "out/x.tfrecord"), *flags]
    done = run(repo, *arguments, folder=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.strip().split("\n")
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert done.stdout == ""
    assert sorted(os.listdir(tmp_path)) == before
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["input_file", "output_file", "vocab_file"])
def test_a_flag_that_is_needed_is_named(repo, own, tmp_path, flag):
    arguments = list_flags(own, tmp_path / "x")
    left = [a for a in arguments if not a.startswith(f"--{flag}")]
    done = run(repo, *left)
    assert done.returncode == 1
    assert re.fullmatch(f"error: .*--{flag}.*\n", done.stderr)


@pytest.mark.slow
def test_a_number_of_predictions_is_refused_before_any_input_is_read(
    repo, own, tmp_path
):
    """The file is no UTF-8, which would be the error had it been opened."""
    write_bad_files(tmp_path)
    flags = list_flags(own, tmp_path / "x", f"--input_file={tmp_path / 'gbk.txt'}")
    done = run(repo, *flags, "--max_predictions_per_seq=20")
    assert "int(128 * 0.15) = 19" in done.stderr
    allowed = [*list_flags(own, tmp_path / "x"), "--allow_mismatched_predictions"]
    done = run(repo, *allowed, "--max_predictions_per_seq=20")
    assert done.returncode == 0
    assert "max_predictions_per_seq is 20 although" in done.stderr
    assert len(read_records(tmp_path / "x")[0]["masked_lm_ids"]) == 20


@pytest.mark.slow
def test_another_number_of_shards_replaces_the_older_run_and_says_so(
    repo, own, tmp_path
):
    flags = [*list_flags(own, tmp_path / "x.tfrecord"), "--num_workers=1"]
    assert run(repo, *flags, "--num_shards=3").returncode == 0
    done = run(repo, *flags, "--num_shards=2")
    assert done.returncode == 0, done.stderr
    assert "removed 3 files of an older run, with another number of" in done.stdout
    names = [f"x-0000{n}-of-00002.tfrecord" for n in range(2)]
    assert sorted(os.listdir(tmp_path)) == sorted(
        name + end for name in names for end in ("", ".json")
    )


@pytest.mark.slow
def test_what_a_killed_run_left_is_removed_and_named(repo, own, tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = tmp_path / f"x.tfrecord.tmp-{dead.pid}.json"
    left.write_text("{")
    done = run(repo, *list_flags(own, tmp_path / "x.tfrecord"))
    assert done.returncode == 0
    assert f"A run that was killed had left {left}: removed" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["x.tfrecord", "x.tfrecord.json"]


@pytest.mark.slow
def test_two_runs_do_not_make_the_same_output_at_once(repo, own, tmp_path):
    output = tmp_path / "x.tfrecord"
    with hold_lock(f"{output}.lock", "here"):
        before = os.listdir(tmp_path)
        done = run(repo, *list_flags(own, output), "--num_shards=2")
        assert os.listdir(tmp_path) == before
    assert done.returncode == 1
    expected = f"error: --output_file: {output} is in use by process {os.getpid()} on "
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1
    assert run(repo, *list_flags(own, output)).returncode == 0
    assert sorted(os.listdir(tmp_path)) == [output.name, f"{output.name}.json"]


@pytest.mark.slow
def test_text_is_shown_under_any_locale(repo, own, tmp_path):
    flags = list_flags(own, tmp_path / "x")
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run(repo, *flags, start=subprocess.run, env=ascii_only)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_nothing(repo, own, tmp_path):
    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    flags = list_flags(own, tmp_path / "x.tfrecord")
    done = run(repo, *flags, start=subprocess.run, preexec_fn=limit_files)
    assert done.returncode == 1
    assert re.fullmatch(r"error: cannot write .*x\.tfrecord: .*\n", done.stderr)
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("given", [[], ["--resume"]])
def test_a_run_that_is_stopped_counts_the_whole_shards(repo, own, tmp_path, given):
    flags = list_flags(own, tmp_path / "x.tfrecord", "--dupe_factor=400", *given)
    flags += ["--num_shards=4", "--num_workers=1"]
    process = subprocess.Popen(
        [sys.executable, str(repo / SCRIPT), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    last = tmp_path / "x-00000-of-00004.tfrecord.json"  # its records came before it
    deadline = time.monotonic() + 100
    while not last.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    whole = len(list(tmp_path.glob("*.tfrecord.json")))
    assert 1 <= whole < 4
    command = shlex.join(["python3", str(repo / SCRIPT), *flags])
    command += "" if given else " --resume"
    line = f"Stopped by SIGTERM: {whole} of 4 shards are whole. To go on: {command}\n"
    assert out == line


# After Ctrl-C a process dies of it, so that a shell ends its loop too, and sees 130.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", -2)])
def test_a_run_that_is_stopped_leaves_nothing(repo, own, tmp_path, name, status):
    flags = list_flags(own, tmp_path / "x.tfrecord", "--dupe_factor=2000")
    process = subprocess.Popen(
        [sys.executable, str(repo / SCRIPT), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 100
    while not os.listdir(tmp_path):  # until it writes
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert err == ""
    assert out.startswith(f"Stopped by {name}. To go on: python3 ")
    assert os.listdir(tmp_path) == []
