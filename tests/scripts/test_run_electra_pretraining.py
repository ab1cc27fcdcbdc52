"""run_electra_pretraining.py as a user runs it, to a model that labels names."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from albert.checkpoints.export import export
from albert.records import features as records
from albert.text.vocabulary import SPECIAL_TOKENS
from tests import pretraining_kit as kit

pytestmark = pytest.mark.slow

LENGTH = 24
TOKENS = [*SPECIAL_TOKENS, *"用支持向量机识别图像中的文字模型"]
CONFIG = {
    "architecture": "electra",
    "vocab_size": len(TOKENS),
    "hidden_size": 16,
    "embedding_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": LENGTH,
}


def make_records(count, seed):
    """Texts that count up from their first token."""
    rng = np.random.default_rng(seed)
    spec, examples = records.electra_spec(LENGTH), []
    for _ in range(count):
        size = int(rng.integers(12, LENGTH - 2))
        first = int(rng.integers(len(TOKENS)))
        text = [5 + (first + i) % (len(TOKENS) - 5) for i in range(size)]
        values = {
            "input_ids": [2, *text, 3],
            "input_mask": [1] * (size + 2),
            "segment_ids": [0] * (size + 2),
        }
        examples.append(records.serialize(values, spec))
    return examples


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("electra")
    kit.write_records(folder / "train.tfrecord", make_records(400, 0))
    kit.write_records(folder / "held_out.tfrecord", make_records(40, 1))
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", "utf-8")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture(scope="module")
def run(runner, folder):
    """Run a script; return its output."""

    def run(script="run_electra_pretraining", expect=0, stop_after=0, **changes):
        flags = {
            "input_file": folder / "train.tfrecord",
            "vocab_file": folder / "vocab.txt",
            "bert_config_file": folder / "config.json",
            "do_train": True,
            "num_train_steps": 4,
            "num_warmup_steps": 2,
            "learning_rate": 0.005,
            "train_batch_size": 8,
            "generator_hidden_size": 0.5,
            "length_buckets": False,
            "log_every_steps": 1,
            "num_gpus": 0,
        }
        flags = {} if script != "run_electra_pretraining" else flags
        flags.update(changes)
        words = [f"--{k}={v}" for k, v in flags.items() if v is not None]
        stop = {"signal_name": "SIGTERM", "after_steps": stop_after}
        done = runner.run(words, script=script, **(stop if stop_after else {}))
        assert done.status == expect, done.output
        assert "Traceback" not in done.output
        return done.output

    return run


@pytest.fixture(scope="module")
def model(run, folder):
    """A model of four steps, evaluated on the way and at the end."""
    output = run(
        output_dir=folder / "model",
        eval_input_file=folder / "held_out.tfrecord",
        eval_every_steps=2,
        do_eval=True,
    )
    assert "Step 2 on held-out data: disc_accuracy" in output
    return folder / "model"


def read(checkpoint):
    reader = tf.train.load_checkpoint(str(checkpoint))
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names}


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)


def test_a_new_model_has_both_networks_slots_and_scores(model):
    values = read(model / "model.ckpt-4")
    assert values["generator/embeddings_project/bias"].shape == (8,)
    assert values["electra/embeddings_project/bias"].shape == (16,)
    assert "discriminator_predictions/dense_1/kernel/adam_m" in values
    assert values["global_step"] == 4
    results = dict(
        line.split(" = ")
        for line in (model / "eval_results.txt").read_text().splitlines()
    )
    assert {
        "masked_lm_accuracy",
        "sampled_masked_lm_accuracy",
        "disc_loss",
        "disc_auc",
        "disc_accuracy",
        "disc_precision",
        "disc_recall",
        "loss",
    } <= set(results)
    fake = float(results["disc_fake_share"])
    assert 0.02 < fake < 0.2  # of 15 % masked, but for [CLS] and [SEP]


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(run, folder, model):
    """The batches and all that is drawn for them; there is no dropout."""
    output = folder / "stopped"
    run(output_dir=output, stop_after=1, expect=143)
    reached = tf.train.latest_checkpoint(str(output))
    assert reached is not None
    assert not reached.endswith("-4")
    run(output_dir=output)
    assert_same(read(output / "model.ckpt-4"), read(model / "model.ckpt-4"))


def test_replicas_and_parts_make_the_step_of_the_whole_batch(run, folder, model):
    """Two replicas, two parts each: every one draws what the whole batch would."""
    output = folder / "divided"
    devices = {"num_cpu_replicas": 2, "num_gpus": None}
    run(output_dir=output, gradient_accumulation_steps=2, **devices)
    assert_same(read(output / "model.ckpt-4"), read(model / "model.ckpt-4"))


def test_each_network_is_exported_with_a_config_of_its_own(folder, model):
    exports = {}
    for network in ("discriminator", "generator"):
        exports[network] = folder / f"only_{network}"
        checkpoint = str(model / "model.ckpt-4")
        export(checkpoint, str(exports[network]), network=network)
    names = set(read(exports["generator"] / "albert_model.ckpt"))
    assert "generator/embeddings_project/bias" in names
    assert "electra/embeddings/word_embeddings" in names
    assert not any("electra/encoder" in n or "discriminator" in n for n in names)
    sizes = json.loads((exports["generator"] / "albert_config.json").read_text())
    assert (sizes["hidden_size"], sizes["embedding_size"]) == (8, 4)
    names = set(read(exports["discriminator"] / "albert_model.ckpt"))
    assert "discriminator_predictions/dense_1/kernel" in names
    assert not any(name.startswith("generator") for name in names)


def test_the_discriminator_is_fine_tuned_to_label_names(run, folder, model):
    data = folder / "ner"
    data.mkdir()
    lines = "用 O\n向 B-M\n量 I-M\n机 I-M\n\n"
    for split in ("train", "val", "test"):
        (data / f"{split}.conll").write_text(lines * 4, "utf-8")
    ner = {
        "data_dir": data,
        "bert_config_file": folder / "config.json",
        "vocab_file": folder / "vocab.txt",
        "max_seq_length": 8,
        "num_train_epochs": 1,
        "train_batch_size": 4,
        "layerwise_lr_decay": 0.8,
        "head": "softmax",
        "do_train": True,
        "num_gpus": 0,
    }
    output = run(
        "run_ner",
        output_dir=folder / "names",
        init_checkpoint=model,
        **ner,
    )
    assert "not loaded    discriminator_predictions/dense/bias" in output
    loaded = [line for line in output.splitlines() if "initialised" in line]
    assert not [line for line in loaded if " electra/" in line]
    assert (folder / "names/labels.json").exists()
