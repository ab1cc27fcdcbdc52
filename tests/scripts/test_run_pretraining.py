"""run_pretraining.py as a user runs it; records and checkpoints are recorded ones."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf

from tests import forked

pytestmark = pytest.mark.slow

CONFIG = {
    "vocab_size": 13878,
    "hidden_size": 16,
    "embedding_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 128,
}


class Folder:
    """A folder with two record files, a config and an init checkpoint's folder."""

    def __init__(self, path, repo, testdata):
        self.path = path
        self._repo = repo
        source = testdata / "pretraining_data/abstracts_wwm_128.tfrecord"
        for name in ("tf_1.tfrecord", "tf_2.tfrecord"):
            shutil.copy(source, path / name)
        shutil.copy(testdata / "pretraining_data/vocab.txt", path / "vocab.txt")
        (path / "config.json").write_text(json.dumps(CONFIG))

    def run(self, *arguments, expect=0, **flags):
        """Run the script; return stderr and stdout together."""
        defaults = {
            "input_file": self.path / "tf_1.tfrecord",
            "output_dir": self.path / "model",
            "bert_config_file": self.path / "config.json",
            "do_train": True,
            "num_train_steps": 4,
            "num_warmup_steps": 1,
            "train_batch_size": 4,
            "num_gpus": 0,
            "log_every_steps": 1,
        }
        given = {k: v for k, v in {**defaults, **flags}.items() if v is not None}
        done = forked.run(
            [
                sys.executable,
                "run_pretraining.py",
                *[f"--{name}={value}" for name, value in given.items()],
                *map(str, arguments),
            ],
            cwd=self._repo,
            timeout=240,
            capture_output=True,
            text=True,
        )
        output = done.stdout + done.stderr
        assert done.returncode == expect, output
        assert "Traceback" not in output
        return output

    def fail(self, *arguments, **flags):
        """Run the script; return its error, which is one line and all it prints."""
        output = self.run(*arguments, expect=1, **flags)
        errors = [x for x in output.splitlines() if x.startswith("error: ")]
        assert len(errors) == 1, output
        return errors[0]


@pytest.fixture
def folder(tmp_path, repo, testdata):
    return Folder(tmp_path, repo, testdata)


def test_train_evaluate_and_resume(folder):
    output = folder.run(
        folder.path / "tf_2.tfrecord",  # as a glob that the shell has expanded
        do_eval=True,
        eval_input_file=folder.path / "tf_2.tfrecord",
        vocab_file=folder.path / "vocab.txt",
    )
    assert "Step 4 of 4: loss" in output
    results = (folder.path / "model/eval_results.txt").read_text().splitlines()
    keys = [line.split(" = ")[0] for line in results]
    assert keys == sorted(keys)
    assert {
        "global_step",
        "loss",
        "masked_lm_accuracy",
        "masked_lm_loss",
        "masked_lm_perplexity",
        "sentence_order_accuracy",
        "sentence_order_loss",
    } <= set(keys)
    assert "global_step = 4" in results
    config = folder.path / "one_segment.json"
    config.write_text(json.dumps({**CONFIG, "type_vocab_size": 1}))
    error = folder.fail(bert_config_file=config, output_dir=folder.path / "other")
    assert "the config's type_vocab_size is 1, but the input has 2" in error
    for name in ("albert_config.json", "vocab.txt", "model.json", "checkpoint"):
        assert (folder.path / "model" / name).exists()

    again = folder.run(num_train_steps=6, do_eval=True)
    assert "resumes from step 4" in again
    assert "on the training files" in again.replace(
        "of the training", "on the training"
    )
    reader = tf.train.load_checkpoint(str(folder.path / "model"))
    assert reader.get_tensor("global_step") == 6

    # The model directory guards its vocabulary against other records.
    beside = folder.path / "tf_1.tfrecord.json"
    vocabulary = {"sha256": "0" * 64, "size": 13878, "path": "other.txt"}
    parameters = {"max_seq_length": 128, "max_predictions_per_seq": 12}
    beside.write_text(json.dumps({"vocabulary": vocabulary, "parameters": parameters}))
    assert "another vocabulary" in folder.fail(num_train_steps=8)


def describe_files(folder):
    """Return path -> (bytes, time of change) of what lies in a folder."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in [*folder.rglob("*")]
        if path.is_file()
    }


def test_a_read_only_model_is_evaluated_into_another_folder(folder):
    """Permissions do not bind root; what lies in the folder tells for all users."""
    folder.run(num_train_steps=2)
    model, results = folder.path / "model", folder.path / "results"
    before = describe_files(model)
    model.chmod(0o555)
    try:
        folder.run(
            do_train=None,
            do_eval=True,
            eval_input_file=folder.path / "tf_2.tfrecord",
            eval_checkpoint=model,
            output_dir=results,
        )
    finally:
        model.chmod(0o755)
    assert "global_step = 2" in (results / "eval_results.txt").read_text()
    assert [path.name for path in results.iterdir()] == ["eval_results.txt"]
    assert describe_files(model) == before


def test_two_steps_on_gzip_records(folder, repo, testdata):
    own, path = testdata / "pretraining_data", folder.path / "gzip.tfrecord"
    command = [sys.executable, "create_pretraining_data.py"]
    command += [f"--input_file={own / 'abstracts.txt'}", f"--output_file={path}"]
    command += [f"--vocab_file={own / 'vocab.txt'}", "--dupe_factor=2"]
    command += ["--output_compression=gzip"]
    subprocess.run(command, cwd=repo, check=True, timeout=60, capture_output=True)
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    flags = {"input_file": path, "eval_input_file": path, "do_eval": True}
    output = folder.run(num_train_steps=2, **flags)
    assert "Step 2 of 2: loss" in output
    lines = (folder.path / "model/eval_results.txt").read_text().splitlines()
    words = dict(line.split(" = ", 1) for line in lines)
    assert words.pop("conclusion").startswith("the model predicts")
    results = {name: float(value) for name, value in words.items()}
    assert results["global_step"] == 2
    untrained = math.log(CONFIG["vocab_size"])
    assert results["masked_lm_loss"] == pytest.approx(untrained, abs=0.3)


def test_init_checkpoint_with_another_vocabulary_beside_it_stops(folder, testdata):
    published = folder.path / "published"
    published.mkdir()
    for file in (testdata / "modeling/postln").glob("model.ckpt*"):
        shutil.copy(file, published)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (published / "vocab.txt").write_text("\n".join(tokens) + "\n")
    error = folder.fail(
        vocab_file=folder.path / "vocab.txt", init_checkpoint=published / "model.ckpt"
    )
    assert "do not belong together" in error
    assert not (folder.path / "model").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"input_file": None}, "--input_file must be given"),
        ({"do_train": None}, "nothing to do: give --do_train=True"),
        ({"use_tpu": True}, "use_tpu must be false"),
        ({"max_seq_length": 512}, "max_seq_length is 128, but --max_seq_length is 512"),
        ({"num_gpus": 9}, "num_gpus is 9, but TensorFlow sees"),
        ({"learning_rate": "much"}, "learning_rate"),
    ],
)
def test_wrong_flags_are_one_line(folder, flags, message):
    assert message in folder.fail(**flags)
    assert not (folder.path / "model").exists()


def test_a_record_file_that_is_cut_short_stops_before_training(folder):
    path = folder.path / "tf_1.tfrecord"
    path.write_bytes(path.read_bytes()[:-7])
    assert "tf_1.tfrecord is damaged or cut short" in folder.fail()
    assert not (folder.path / "model").exists()


def test_a_glob_without_a_match_is_named(folder):
    error = folder.fail(input_file=folder.path / "nothing*.tfrecord")
    assert "no file matches" in error


def test_shards_of_an_older_run_and_missing_ones_stop_training(folder, testdata):
    """As the README's glob finds them after the records were made anew."""
    source = testdata / "pretraining_data/abstracts_wwm_128.tfrecord"
    parameters = {"max_seq_length": 128, "max_predictions_per_seq": 12}
    vocabulary = {"sha256": "a" * 64, "size": 13878}
    for index, count in ((0, 2), (1, 2), (0, 3)):
        path = folder.path / f"new-{index:05d}-of-{count:05d}.tfrecord"
        shutil.copy(source, path)
        metadata = {
            "parameters": parameters,
            "vocabulary": vocabulary,
            "shard": {"index": index, "count": count},
        }
        path.with_name(path.name + ".json").write_text(json.dumps(metadata))
    shards = f"{folder.path}/new-*.tfrecord"
    error = folder.fail(input_file=shards)
    assert "the number of shards is " in error
    (folder.path / "new-00000-of-00003.tfrecord").unlink()
    (folder.path / "new-00000-of-00002.tfrecord").unlink()
    error = folder.fail(input_file=shards)
    assert "1 of the 2 shards of " in error
    assert "new-00000-of-00002.tfrecord" in error
    assert not (folder.path / "model").exists()
