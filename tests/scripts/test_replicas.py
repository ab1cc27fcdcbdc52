"""Two replicas in the scripts as users run them: new, from a checkpoint, resumed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from albert.checkpoints.restoring import is_training_state
from albert.text.vocabulary import SPECIAL_TOKENS
from tests import pretraining_kit as kit

pytestmark = pytest.mark.slow

# Its gradient is rounding alone, which LAMB scales up (see training/test_replicas.py).
KEY_BIAS = "attention/self/key/bias"
SENTENCE = "用 O\n决 B-M\n策 I-M\n树 I-M\n分 B-T\n类 I-T\n"


def read_model(folder, step):
    """Return the variables of a step's checkpoint, without training state."""
    reader = tf.train.load_checkpoint(str(folder / f"model.ckpt-{step}"))
    names = [n for n in reader.get_variable_to_shape_map() if not is_training_state(n)]
    return {name: reader.get_tensor(name) for name in names}


def on_one_and_two(run, folder, **changes):
    """Run with one and with two replicas, each in a folder of its own."""
    folders = []
    for count in (1, 2):
        folders.append(folder.with_name(f"{folder.name}_on_{count}"))
        if folder.exists():
            shutil.copytree(folder, folders[-1])
        done = run(output_dir=folders[-1], num_cpu_replicas=count, **changes)
        assert done.status == 0, done.output
        assert f"Training on {count} CPU replica(s)" in done.output
    return folders


def test_pretraining_on_two_replicas_ends_with_the_weights_of_one(runner, tmp_path):
    def run(**changes):
        return runner.run(kit.make_flags(tmp_path, num_gpus=None, **changes))

    model = tmp_path / "model"
    done = run(num_train_steps=10, num_cpu_replicas=2)
    assert done.status == 0, done.output
    start = f"{model}/model.ckpt-10"
    warm = on_one_and_two(
        run, tmp_path / "warm", init_checkpoint=start, num_train_steps=10
    )
    resumed = on_one_and_two(run, model, num_train_steps=20)
    for folders, step in ((warm, 10), (resumed, 20)):
        one, two = (read_model(folder, step) for folder in folders)
        before = read_model(model, 10)
        for name, wanted in one.items():
            if KEY_BIAS not in name:
                np.testing.assert_allclose(two[name], wanted, rtol=1e-4, atol=1e-6)
        kernel = "bert/pooler/dense/kernel"
        assert (
            np.abs(one[kernel] - before[kernel]).max() > 1e-4
        )  # the tolerance above is 1e-6


def ner_flags(folder, **changes):
    """Flags of run_ner.py on eight times one sentence: all batches are alike."""
    (folder / "data").mkdir(exist_ok=True)
    text = "\n".join([SENTENCE] * 8)
    (folder / "data/train.conll").write_text(text, encoding="utf-8")
    tokens = [*SPECIAL_TOKENS, *"用决策树分类"]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    config = {**kit.CONFIG, "vocab_size": len(tokens)}
    (folder / "config.json").write_text(json.dumps(config))
    flags = {
        "data_dir": folder / "data",
        "bert_config_file": folder / "config.json",
        "vocab_file": folder / "vocab.txt",
        "train_batch_size": 4,
        "max_seq_length": 16,
        "learning_rate": 0.001,
        "do_train": True,
        **changes,
    }
    return [f"--{name}={value}" for name, value in flags.items()]


def moved(folder, step, before):
    """Return how far training has moved a model, as one vector."""
    after = read_model(folder, step)
    names = sorted(set(before) & set(after))
    return np.concatenate([(after[n] - before[n]).ravel() for n in names])


def test_ner_on_two_replicas_moves_the_weights_as_one_does(runner, tmp_path):
    """Dropout before the head is drawn anew, so updates are alike, not equal."""

    def run(**changes):
        return runner.run(ner_flags(tmp_path, **changes), script="run_ner")

    model = tmp_path / "model"
    done = run(output_dir=model, num_train_epochs=2, num_cpu_replicas=2)
    assert done.status == 0, done.output
    start = f"{model}/model.ckpt-4"
    warm = on_one_and_two(
        run, tmp_path / "warm", init_checkpoint=start, num_train_epochs=2
    )
    resumed = on_one_and_two(run, model, num_train_epochs=4)
    before = read_model(model, 4)
    for folders, step in ((warm, 4), (resumed, 8)):
        one, two = (moved(folder, step, before) for folder in folders)
        assert one @ two > 0.9 * np.linalg.norm(one) * np.linalg.norm(two)
        assert np.linalg.norm(two) == pytest.approx(np.linalg.norm(one), rel=0.1)
