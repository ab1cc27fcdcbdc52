"""convert_checkpoint.py, and training from a foreign model, as a user runs them."""

from __future__ import annotations

import dataclasses
import json
import os
import sys

import numpy as np
import pytest

from albert.checkpoints import convert
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.foreign_labels import arrange_labels, check_held_elsewhere
from tests import forked
from tests.checkpoints.foreign_kit import (
    CONFIGS,
    LABELS,
    random_variables,
    run,
    write_model,
)
from tests.hub_server import serve

pytest.importorskip("safetensors", reason="needs the extra convert")
pytest.importorskip("huggingface_hub", reason="needs the extra convert")


def run_script(repo, script, *arguments, **environment):
    """Run a script of the repository in a process of its own."""
    return forked.run(
        [sys.executable, str(repo / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment},
    )


def only_error(done):
    assert done.returncode == 1, done.stdout
    errors = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return errors[0]


@pytest.fixture
def theirs(tmp_path):
    """A folder of Hugging Face's with a small BERT."""
    config = CONFIGS["bert"]
    source = write_model(tmp_path / "source", config, random_variables(config))
    model = convert.read_tensorflow(str(source / "albert_model.ckpt"))
    target = tmp_path / "theirs"
    convert.write_whole(str(target), lambda f: convert.write_huggingface(model, f))
    return target


@pytest.mark.slow
def test_a_labelling_model_goes_there_and_back(repo, tmp_path):
    config = CONFIGS["albert_zh"]
    variables = random_variables(config, labels=len(LABELS))
    variables["crf/transitions"] = np.zeros([5, 5], np.float32)
    source = write_model(tmp_path / "ours", config, variables, LABELS)
    done = run_script(
        repo, "convert_checkpoint.py", f"--from={source}", f"--to={tmp_path / 'hf'}"
    )
    assert done.returncode == 0, done.stderr
    assert "BertForTokenClassification" in done.stdout
    assert "crf_transitions.json" in done.stdout
    files = {path.name for path in (tmp_path / "hf").iterdir()}
    assert files == {
        *("config.json", "model.safetensors", "vocab.txt", "crf_transitions.json"),
        *("tokenizer.json", "tokenizer_config.json"),
    }
    done = run_script(
        repo,
        "convert_checkpoint.py",
        f"--from={tmp_path / 'hf'}",
        f"--to={tmp_path / 'again'}",
    )
    assert done.returncode == 0, done.stderr
    again = convert.read_tensorflow(str(tmp_path / "again/albert_model.ckpt"))
    assert again.config == config
    described = json.loads((tmp_path / "again/labels.json").read_text())
    assert described["config"]["head"] == "softmax"
    assert again.labels == described["labels"] == list(LABELS)
    wanted = run(config, variables, len(LABELS))["labels"]
    found = run(config, again.variables, len(LABELS))["labels"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_model_that_reads_more_than_its_encoder_has_no_place_there(repo, tmp_path):
    config = CONFIGS["albert_zh"]
    variables = random_variables(config, labels=len(LABELS))
    variables["ngrams/weights"] = np.ones([7, 5], np.float32)
    source = write_model(tmp_path / "ours", config, variables, LABELS)
    described = {"labels": LABELS, "config": {"do_lower_case": True, "head": "crf"}}
    described["config"].update(ngram_features=True, context="bilstm")
    (source / "labels.json").write_text(json.dumps(described))
    done = run_script(
        repo, "convert_checkpoint.py", f"--from={source}", f"--to={tmp_path / 'hf'}"
    )
    assert "--context=bilstm, --ngram_features=True" in only_error(done)
    assert not (tmp_path / "hf").exists()


@pytest.mark.slow
def test_an_albert_zh_model_fine_tuned_elsewhere_comes_back_as_bert(repo, tmp_path):
    from safetensors.numpy import load_file, save_file

    config = CONFIGS["albert_zh"]
    source = write_model(tmp_path / "ours", config, random_variables(config))
    model = convert.read_tensorflow(str(source / "albert_model.ckpt"))
    folder = str(tmp_path / "hf")
    convert.write_whole(folder, lambda f: convert.write_huggingface(model, f))
    path = tmp_path / "hf/model.safetensors"
    weights = load_file(path)
    changed = "bert.encoder.layer.1.output.dense.weight"
    weights[changed] = weights[changed] + np.float32(0.5)
    save_file(weights, path, metadata={"format": "pt"})
    words = ("convert_checkpoint.py", f"--from={folder}", f"--to={tmp_path / 'bert'}")
    assert "convert it with --format=bert" in only_error(run_script(repo, *words))
    done = run_script(repo, *words, "--format=bert")
    assert done.returncode == 0, done.stderr
    found = convert.read_tensorflow(str(tmp_path / "bert/albert_model.ckpt"))
    assert found.config == CONFIGS["bert"]
    name = "bert/encoder/layer_{}/output/dense/kernel".format
    np.testing.assert_allclose(
        found.variables[name(1)], found.variables[name(0)] + 0.5, rtol=1e-6
    )


def test_labels_in_another_order_are_put_into_ours():
    theirs = ["I-B", "O", "B-A", "B-B", "I-A"]
    labels = arrange_labels(theirs, True, 512)
    assert labels.description["labels"] == ["O", "B-A", "I-A", "B-B", "I-B"]
    assert [theirs[index] for index in labels.order] == labels.description["labels"]
    assert labels.description["config"]["do_lower_case"] is True


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["LABEL_0", "LABEL_1"], "'LABEL_0' is no tag"),
        (["O", "B-A"], "I-A is missing"),
    ],
)
def test_labels_that_are_no_tags_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        arrange_labels(labels, True, 512)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoder_features", "weighted"),
        ("context", "transformer"),
        ("ngram_features", True),
        ("lexicon_file", "terms.txt"),
        ("bigram_vectors", "bigrams.txt"),
        ("word_boundaries", "jieba"),
    ],
)
def test_what_a_token_classifier_has_no_place_for_is_named(name, value):
    plain = {"head": "crf", "do_lower_case": True}
    check_held_elsewhere(plain)
    check_held_elsewhere({**plain, **dataclasses.asdict(NerConfig())})
    with pytest.raises(ValueError, match=f"trained with: --{name}={value};"):
        check_held_elsewhere({**plain, name: value})


@pytest.mark.slow
def test_ner_training_starts_from_a_model_on_a_hub(repo, tmp_path, theirs):
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "val", "test"):
        (data / f"{split}.conll").write_text(
            "用 O\n图 B-A\n像 I-A\n\n向 B-A\n量 I-A\n机 O\n", encoding="utf-8"
        )
    with serve({"main": theirs}) as (address, _):
        done = run_script(
            repo,
            "run_ner.py",
            f"--data_dir={data}",
            f"--output_dir={tmp_path / 'ner'}",
            f"--bert_config_file={theirs / 'config.json'}",
            f"--vocab_file={theirs / 'vocab.txt'}",
            "--init_checkpoint=hf://someone/tiny@main",
            "--do_train",
            "--num_train_epochs=1",
            "--train_batch_size=1",
            "--max_seq_length=16",
            HF_ENDPOINT=address,
            HF_HOME=str(tmp_path / "home"),
            XDG_CACHE_HOME=str(tmp_path / "cache"),
        )
    assert done.returncode == 0, done.stderr
    assert "variables loaded" in done.stderr
    config = json.loads((tmp_path / "ner/albert_config.json").read_text())
    assert config["architecture"] == "bert"
    converted = list((tmp_path / "cache/albert/converted").iterdir())
    assert len(converted) == 1


@pytest.mark.slow
def test_another_vocabulary_than_the_foreign_models_is_refused(repo, tmp_path, theirs):
    tokens = (theirs / "vocab.txt").read_text(encoding="utf-8").splitlines()
    tokens[5], tokens[6] = tokens[6], tokens[5]
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.conll").write_text("图 B-A\n像 I-A\n", encoding="utf-8")
    done = run_script(
        repo,
        "run_ner.py",
        f"--data_dir={data}",
        f"--output_dir={tmp_path / 'ner'}",
        f"--bert_config_file={theirs / 'config.json'}",
        f"--vocab_file={vocabulary}",
        f"--init_checkpoint={theirs}",
        "--do_train",
        "--max_seq_length=16",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )
    assert "vocabulary and checkpoint do not belong together" in only_error(done)


@pytest.mark.slow
def test_damaged_weights_are_one_line_and_leave_no_folder(repo, tmp_path, theirs):
    weights = theirs / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    done = run_script(
        repo,
        "convert_checkpoint.py",
        f"--from={theirs}",
        f"--to={tmp_path / 'out'}",
    )
    assert f"{weights} is damaged or cut short" in only_error(done)
    assert not (tmp_path / "out").exists()
