"""The commands of the experiment, as the README writes them, on the bundled example.

Flags at the end of a command override those before: fewer steps, no other change.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import tensorflow as tf

pytestmark = pytest.mark.slow

TINY = {
    "vocab_size": 21128,
    "hidden_size": 24,
    "embedding_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}


def read_block(repo, *words):
    """Return the one shell block of the README that holds all the words."""
    text = (repo / "README.md").read_text("utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    (block,) = [b for b in blocks if all(word in b for word in words)]
    return block.strip()


def run(command, repo, base, **variables):
    python = pathlib.Path(sys.executable).parent  # the tests' own goes first
    path = f"{python}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "BERT_BASE_DIR": str(base), "PATH": path}
    environment.update(variables)
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=repo,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def base(repo, tmp_path_factory):
    """BERT_BASE_DIR with what the commands need: a text, a config, a checkpoint."""
    folder = tmp_path_factory.mktemp("base")
    text = (repo / "examples/corpus.txt").read_text("utf-8").split("\n\n")[:30]
    (folder / "cs_raw.txt").write_text("\n\n".join(text) + "\n", "utf-8")
    (folder / "albert_tiny").mkdir()
    config = folder / "albert_tiny/albert_config_tiny.json"
    config.write_text(json.dumps(TINY))
    from albert.checkpoints.storage import write_variables
    from albert.modeling.encoder import load_encoder_config, make_encoder_builder

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        ids = v1.placeholder(tf.int32, [None, 8])
        make_encoder_builder(load_encoder_config(str(config)))(ids, ids, ids)
        session.run(v1.global_variables_initializer())
        values = session.run({v.op.name: v for v in v1.trainable_variables()})
    write_variables(str(folder / "albert_tiny/albert_model.ckpt"), values)
    return folder


@pytest.fixture(scope="module")
def pretrained(repo, base):
    """What the commands of pretraining print."""
    block = read_block(repo, "cs_raw.txt", "125000")
    create, rest = block.split("\nexport ", 1)
    environment, pretrain = ("export " + rest).split("\n", 1)
    run(create + " --dupe_factor=1", repo, base)
    fewer = " --num_train_steps=2 --num_warmup_steps=1 --train_batch_size=2"
    return run(
        f"{environment}\n{pretrain} {fewer} --num_gpus=0 --max_eval_steps=2", repo, base
    )


def test_the_experiment_runs_as_written(base, pretrained):
    metadata = json.loads((base / "tf_cs_raw.tfrecord.json").read_text("utf-8"))
    assert metadata["parameters"]["max_predictions_per_seq"] == 51
    assert "Warm start from" in pretrained
    model = base / "my_new_model_path"
    assert tf.train.latest_checkpoint(str(model)).endswith("model.ckpt-2")
    assert "masked_lm_accuracy = " in (model / "eval_results.txt").read_text()


def test_ner_and_export_run_as_written(repo, base, pretrained, tmp_path):
    block = read_block(repo, "run_ner.py", "export_checkpoint.py")
    train, export = block.split("\npython3 export", 1)
    for name in ("train", "val", "test"):
        sentences = (repo / f"examples/ner/{name}.conll").read_text("utf-8")
        few = "\n\n".join(sentences.split("\n\n")[:6])
        (tmp_path / f"{name}.conll").write_text(f"{few}\n", "utf-8")
    fewer = " --num_train_epochs=1 --train_batch_size=3 --num_gpus=0"
    output = run(train + fewer, repo, base, NER_DIR=str(tmp_path))
    assert f"Warm start from {base}/my_new_model_path/model.ckpt-2" in output
    assert "eval_f = " in (base / "ner/eval_results.txt").read_text()
    predicted = (base / "ner/predictions_test.conll").read_text("utf-8")
    given = (tmp_path / "test.conll").read_text("utf-8")
    assert [line.split()[:2] for line in predicted.splitlines()] == [
        line.split() for line in given.splitlines()
    ]
    run(f"python3 export{export}", repo, base)
    files = {path.name for path in (base / "albert_cs").iterdir()}
    assert {"albert_config.json", "vocab.txt", "albert_model.ckpt.index"} <= files
